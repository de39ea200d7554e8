#!/usr/bin/env bash
# Makes what is published of a version, in dist/: for each architecture a tarball, a Debian package and a bill of materials
# (CycloneDX), and SHA256SUMS. The same commit gives the same bytes. HEADWATER_VERSION names the version (default: from git),
# HEADWATER_ARCHES the architectures (default: amd64 arm64). With a container engine that runs, an image is built too.
set -euo pipefail
cd "$(dirname "$0")/.."

sbom=github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0
# The oldest Go that builds it lacks fixes that this one has (make vuln).
export GOTOOLCHAIN=go1.26.10
export SOURCE_DATE_EPOCH=$(git log -1 --format=%ct) CGO_ENABLED=0 GOOS=linux LC_ALL=C TZ=UTC
version=${HEADWATER_VERSION:-$(git describe --tags --match 'v*' --dirty 2>/dev/null || echo "v0.0.0-$(date -d "@$SOURCE_DATE_EPOCH" +%Y%m%d%H%M%S)-$(git rev-parse --short=12 HEAD)")}
version=${version#v}
maintainer="Headwater <headwater@localhost>"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
rm -rf dist
mkdir dist

# manual: man pages and completion are the same for every architecture.
env -u GOOS go build -buildvcs=true -trimpath -o "$work/native" ./cmd/headwater
"$work/native" manual pages "$work/man"
mkdir "$work/completion"
"$work/native" completion bash >"$work/completion/headwater"
"$work/native" completion zsh >"$work/completion/_headwater"
"$work/native" completion fish >"$work/completion/headwater.fish"

for arch in ${HEADWATER_ARCHES:-amd64 arm64}; do
  name=headwater_${version}_linux_$arch
  echo "== $name"
  root=$work/$name
  mkdir -p "$root/bin"
  GOARCH=$arch go build -buildvcs=true -trimpath -ldflags '-s -w' -o "$root/bin/headwater" ./cmd/headwater
  (cd "$work" && env -u GOOS -u CGO_ENABLED go run "$sbom" bin -json -noserial -version "$version" -output "$OLDPWD/dist/$name.cdx.json" "$root/bin/headwater") >"$work/sbom.log" 2>&1 ||
    { cat "$work/sbom.log" >&2; exit 1; }

  cp -r LICENSE README.md CHANGELOG.md docs "$root/"
  mkdir -p "$root/share"
  cp -r "$work/man" "$work/completion" "$root/share/"
  tar -C "$work" --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --mode=go-w -cf - "$name" | gzip -n9 >"dist/$name.tar.gz"

  deb=$work/deb-$arch
  install -D -m755 "$root/bin/headwater" "$deb/usr/bin/headwater"
  install -D -m644 -t "$deb/usr/lib/systemd/system" docs/deploy/headwater.service docs/deploy/headwater.socket
  install -D -m644 "$work/completion/headwater" "$deb/usr/share/bash-completion/completions/headwater"
  install -D -m644 "$work/completion/_headwater" "$deb/usr/share/zsh/vendor-completions/_headwater"
  install -D -m644 "$work/completion/headwater.fish" "$deb/usr/share/fish/vendor_completions.d/headwater.fish"
  mkdir -p "$deb/usr/share/man/man1" "$deb/usr/share/doc/headwater" "$deb/DEBIAN"
  for page in "$work"/man/*.1; do gzip -n9 <"$page" >"$deb/usr/share/man/man1/$(basename "$page").gz"; done
  cp -r LICENSE README.md docs "$deb/usr/share/doc/headwater/"
  mv "$deb/usr/share/doc/headwater/LICENSE" "$deb/usr/share/doc/headwater/copyright"
  install -D -m640 docs/deploy/headwater.yaml "$deb/etc/headwater/headwater.yaml"
  echo /etc/headwater/headwater.yaml >"$deb/DEBIAN/conffiles"
  cat >"$deb/DEBIAN/control" <<EOF
Package: headwater
Version: $version
Architecture: $arch
Maintainer: $maintainer
Section: video
Priority: optional
Installed-Size: $(du -sk --apparent-size "$deb" | cut -f1)
Recommends: ca-certificates
Suggests: ffmpeg
Description: live streaming origin: RTMP in, LL-HLS and DASH out
 Takes live streams from encoders by RTMP, serves them as low-latency HLS and
 DASH from one set of segments, records them, and replays the recordings at the
 URLs they had live. Resources and control API are those of Azure Media
 Services v3.
EOF
  cat >"$deb/DEBIAN/postinst" <<'EOF'
#!/bin/sh
set -e
if [ "$1" = configure ] && [ -d /run/systemd/system ]; then
  systemctl daemon-reload
  # An upgrade: the sockets stay open, viewers stay.
  if [ -n "$2" ]; then systemctl try-restart headwater.service; fi
fi
EOF
  cat >"$deb/DEBIAN/prerm" <<'EOF'
#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
  systemctl --no-reload disable --now headwater.socket headwater.service
fi
EOF
  chmod 755 "$deb/DEBIAN/postinst" "$deb/DEBIAN/prerm"
  find "$deb" -exec touch -hd "@$SOURCE_DATE_EPOCH" {} +
  dpkg-deb --root-owner-group -Zxz --build "$deb" "dist/headwater_${version}_$arch.deb" >/dev/null
done

# What is published has to be what it says.
(cd dist && sha256sum -- * >SHA256SUMS && sha256sum --quiet -c SHA256SUMS)
for deb in dist/*.deb; do dpkg-deb --fsys-tarfile "$deb" | tar -t ./usr/bin/headwater ./usr/lib/systemd/system/headwater.service >/dev/null; done
for tarball in dist/*.tar.gz; do tar -tzf "$tarball" >/dev/null; done

if engine=$(command -v docker || command -v podman) && "$engine" info >/dev/null 2>&1; then
  "$engine" build -t "headwater:$version" .
else
  echo "No container engine runs here: no image was built."
fi
ls -l dist
