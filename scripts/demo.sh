#!/usr/bin/env bash
# The demo behind `make run`: starts Headwater on the data in .demo, makes or resumes a live event called demo, feeds it
# from testdata/demo.flv in a loop and prints where to watch it. Ctrl-C ends it; the next run goes on with the same data.
#
# HEADWATER_PUBLIC_HOST names this machine for others (default localhost). For tests: HEADWATER is the program,
# HEADWATER_DEMO_DIR the data directory, HEADWATER_DEMO_PORTS=free takes any free ports.
set -euo pipefail
cd "$(dirname "$0")/.."

program=${HEADWATER:-./headwater}
data=${HEADWATER_DEMO_DIR:-.demo}
host=${HEADWATER_PUBLIC_HOST:-localhost}
event=demo

busy() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
# port WANTED: that port, or 0 (the kernel picks a free one) when something listens there already.
port() {
  if [ "${HEADWATER_DEMO_PORTS:-}" = free ]; then
    echo 0
  elif busy "$1"; then
    echo "Port $1 is taken, using a free one." >&2
    echo 0
  else
    echo "$1"
  fi
}

mkdir -p "$data"
ready=$data/demo-ready.json
rm -f "$ready"
pids=()
up=
finish() {
  trap - EXIT
  trap '' INT TERM # a second Ctrl-C must not leave the daemon behind
  [ -z "$up" ] || printf '\nStopping…\n'
  # The publisher first, so that the daemon sees it leave.
  for ((i = ${#pids[@]} - 1; i >= 0; i--)); do
    kill -TERM "${pids[i]}" 2>/dev/null || true
    wait "${pids[i]}" 2>/dev/null || true
  done
  [ -z "$up" ] || echo "Stopped. The recording is kept in $data; 'make run' goes on with it."
}
trap finish EXIT
trap 'exit 0' INT TERM

# In sessions of their own: Ctrl-C reaches this script alone, which then stops them in order.
setsid "$program" serve --data-dir "$data" --public-host "$host" --ready-file "$ready" \
  --origin-listen ":$(port 8080)" --control-listen "127.0.0.1:$(port 8081)" --rtmp-listen ":$(port 1935)" \
  2>"$data/serve.log" &
pids+=($!)
for ((i = 0; i < 300; i++)); do
  [ -s "$ready" ] && break
  kill -0 "${pids[0]}" 2>/dev/null || break
  sleep 0.1
done
if [ ! -s "$ready" ]; then
  echo "headwater did not start. The last lines of $data/serve.log:" >&2
  tail -n 20 "$data/serve.log" >&2
  exit 1
fi
up=yes
control=$(sed -n 's/.*"control" *: *"\([^"]*\)".*/\1/p' "$ready")
headwater() { "$program" --data-dir "$data" --control "$control" "$@"; }

headwater live start "$event"
ingest=$(headwater event show "$event" --json | grep -o 'rtmp://[^"]*' | head -n 1)
setsid "$program" publish testdata/demo.flv "$ingest/demo" --loop >"$data/publish.log" 2>&1 &
pids+=($!)

cat <<TEXT

A clip is being sent to the event at this moment. To send your own picture, stop this, or start another event:
  ./headwater --data-dir $data --control $control live start NAME
Console: $control/console/ (sign in with the token in $data/control.token)
Logs: $data/serve.log, $data/publish.log. Ctrl-C ends the demo.
TEXT
# Either of them ending by itself ends the demo.
wait -n "${pids[@]}" || true
echo "A part of the demo ended by itself; the last lines of its logs:" >&2
tail -n 5 "$data/serve.log" "$data/publish.log" >&2
exit 1
