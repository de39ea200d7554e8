#!/usr/bin/env bash
# Fetches from npm, at the versions named here and with their licences, the players of the watch page into
# internal/watch/vendor and the QR encoder of the console into internal/console/vendor, and writes those folders' READMEs. Only a developer who changes a version runs it; the results are
# committed, so building needs neither Node nor the network.
set -euo pipefail
cd "$(dirname "$0")/.."

hls=1.7.4
dash=5.2.1
qr=2.7.4
out=internal/watch/vendor

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/hls" "$work/dash" "$work/qr" "$out"
(cd "$work" && npm pack --silent "hls.js@$hls" "dashjs@$dash" "lean-qr@$qr")
tar -xzf "$work/hls.js-$hls.tgz" -C "$work/hls" --strip-components=1
tar -xzf "$work/dashjs-$dash.tgz" -C "$work/dash" --strip-components=1
tar -xzf "$work/lean-qr-$qr.tgz" -C "$work/qr" --strip-components=1

# The source map references are cut off: the maps are not served, and a browser's tools would ask for them.
sed '/^\/\/# sourceMappingURL=/d' "$work/hls/dist/hls.min.js" >"$out/hls.min.js"
sed '/^\/\/# sourceMappingURL=/d' "$work/dash/dist/modern/umd/dash.mediaplayer.min.js" >"$out/dash.mediaplayer.min.js"
cp "$work/hls/LICENSE" "$out/LICENSE.hls.js.txt"
cp "$work/dash/LICENSE.md" "$out/LICENSE.dashjs.md"
# What the bundle has from others.
cp "$work/dash/dist/modern/umd/dash.mediaplayer.min.js.LICENSE.txt" "$out/LICENSE.dashjs-bundled.txt"

cat >"$out/README.md" <<TEXT
# Players of the watch page

Unchanged builds from npm, but for the source map reference, which is cut off. \`scripts/vendor-players.sh\` fetches them and writes this file.

| file | package | version | build | licence | SHA-256 |
|---|---|---|---|---|---|
| hls.min.js | hls.js | $hls | full (the light build cannot play separate audio) | Apache-2.0, LICENSE.hls.js.txt | $(sha256sum <"$out/hls.min.js" | cut -d' ' -f1) |
| dash.mediaplayer.min.js | dashjs | $dash | modern, media player only | BSD-3-Clause, LICENSE.dashjs.md; bundled parts: LICENSE.dashjs-bundled.txt | $(sha256sum <"$out/dash.mediaplayer.min.js" | cut -d' ' -f1) |
TEXT

console=internal/console/vendor
mkdir -p "$console"
cp "$work/qr/nano.mjs" "$console/lean-qr.mjs"
cp "$work/qr/LICENSE" "$console/LICENSE.lean-qr.txt"
cat >"$console/README.md" <<TEXT
# QR codes of the console

Unchanged from npm. \`scripts/vendor-players.sh\` fetches it and writes this file. The console takes hls.js from internal/watch/vendor.

| file | package | version | build | licence | SHA-256 |
|---|---|---|---|---|---|
| lean-qr.mjs | lean-qr | $qr | nano | MIT, LICENSE.lean-qr.txt | $(sha256sum <"$console/lean-qr.mjs" | cut -d' ' -f1) |
TEXT
ls -l "$out" "$console"
