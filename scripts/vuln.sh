#!/usr/bin/env bash
# Looks for known weaknesses in what the program calls: govulncheck, with the Go vulnerability database as the module proxy has it,
# since vuln.go.dev may be out of reach. With neither to be had it says so and ends well.
set -euo pipefail
cd "$(dirname "$0")/.."

scanner=golang.org/x/vuln@v1.9.0
database=golang.org/x/vulndb@v0.0.0-20261105234957-e22db6528018
# What is published is built with this one (scripts/dist.sh).
export GOTOOLCHAIN=go1.26.10

skip() { echo "vuln: skipped: $*"; exit 0; }
go version >/dev/null 2>&1 || skip "$GOTOOLCHAIN cannot be had"
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
GOBIN=$tools go install "${scanner%@*}/cmd/govulncheck@${scanner#*@}" 2>/dev/null || skip "$scanner cannot be had"
if curl -fsS -m 10 -o /dev/null https://vuln.go.dev/index/db.json 2>/dev/null; then
  exec "$tools/govulncheck" ./...
fi
cache=${XDG_CACHE_HOME:-$HOME/.cache}/headwater-vuln/${database#*@}
if [ ! -d "$cache" ]; then
  files=$(go mod download -json "$database" 2>/dev/null | sed -n 's/.*"Dir": "\(.*\)",/\1/p') || true
  [ -n "$files" ] || skip "$database cannot be had"
  GOBIN=$tools go install "${database%@*}/cmd/indexdb@${database#*@}" 2>/dev/null || skip "its index cannot be made"
  mkdir -p "$(dirname "$cache")"
  "$tools/indexdb" -vulns "$files/data/osv" -out "$tools/db" >/dev/null
  mv "$tools/db" "$cache"
fi
"$tools/govulncheck" -db "file://$cache" ./...
