#!/usr/bin/env bash
# Installs what the tests need and this machine lacks, and says what it installs: programs with apt-get (Debian, Ubuntu),
# Node packages with npm. Does nothing where everything is there.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=()
need() { # need PACKAGE TEST...: PACKAGE is missing when TEST fails
  local package=$1
  shift
  "$@" >/dev/null 2>&1 || packages+=("$package")
}
have_vlc_plugins() { compgen -G '/usr/lib/*/vlc/plugins/demux/libadaptive_plugin.so'; }

need ffmpeg command -v ffprobe
need chromium command -v chromium
need vlc-bin command -v cvlc
need vlc-plugin-base have_vlc_plugins
need nginx test -x /usr/sbin/nginx
need nodejs command -v node
need npm command -v npm

if [ ${#packages[@]} -gt 0 ]; then
  echo "setup: installing ${packages[*]}"
  sudo=
  [ "$(id -u)" = 0 ] || sudo=sudo
  if ! command -v apt-get >/dev/null 2>&1; then
    echo "setup: this machine has no apt-get; please install the packages above by hand" >&2
    exit 1
  fi
  $sudo apt-get update -q
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "${packages[@]}"
fi

# npm writes node_modules/.package-lock.json when it has installed; an older one than ours is out of date.
if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  echo "setup: installing the Node packages of package-lock.json"
  npm ci --ignore-scripts --no-audit --no-fund
fi
