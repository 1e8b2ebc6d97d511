#!/bin/bash
# run.sh [smoke|all] [SUITE...]: the tests with real clients, each suite against a triad of its own with empty data.
#
# Suites: kubectl, client-go, envtest, python, javascript; and, not in `smoke`, helm, cluster, nodes, extension, s3, azure, operations,
# runtime (controller-runtime's own tests) and bundles (definitions of known projects).
# `smoke` is one quick test per client. One line per suite is printed; what failed is shown with it. Exit code 0: everything
# passed but what known_failures.txt lists, and none of that passed. Clients are built once into CACHE, under a key of what
# they are built from.
#
# TRIAD: the binary (default: the release build); CACHE: built clients; KEEP=1 keeps the run's directory.
set -u
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
CACHE=${CACHE:-$HOME/.cache/triad/interop}
export TRIAD=${TRIAD:-$HOME/.cache/triad/target/release/triad}
[ -x "$TRIAD" ] || { echo "no triad at $TRIAD (set TRIAD)"; exit 2; }
MODE=${1:-all}
case "$MODE" in smoke|all) shift || true ;; *) echo "usage: run.sh [smoke|all] [SUITE...]"; exit 2 ;; esac
SUITES=("$@")
[ ${#SUITES[@]} -gt 0 ] || SUITES=(kubectl client-go envtest python javascript)
[ $# -gt 0 ] || [ "$MODE" = smoke ] || SUITES+=(helm cluster nodes extension s3 azure operations runtime bundles)
export MODE RUN
RUN=$(mktemp -d "${TMPDIR:-/tmp}/triad-interop.XXXXXX")
# A copy: a build that ends meanwhile does not change what is tested.
cp "$(dirname "$TRIAD")/triadctl" "$RUN/triadctl" && cp "$TRIAD" "$RUN/triad" && TRIAD=$RUN/triad
PID=
# What a suite runs beside the server.
BESIDE=()
. "$HERE/clients.sh"

cleanup() {
  [ ${#BESIDE[@]} -eq 0 ] || kill "${BESIDE[@]}" 2>/dev/null
  server_down
  if [ "${KEEP:-}" = 1 ]; then echo "kept $RUN"; else rm -rf "$RUN"; fi
}
trap cleanup EXIT
trap 'exit 130' INT TERM

free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# server_up SUITE: a triad with empty data; KUBECONFIG is its admin's.
server_up() {
  local dir=$RUN/$1
  mkdir -p "$dir"
  export PORT DATA=$dir/data KUBECONFIG=$dir/data/admin.kubeconfig
  PORT=$(free_port)
  local flags=()
  if declare -F "flags_$1" >/dev/null; then read -ra flags <<<"$("flags_$1")"; fi
  "$TRIAD" serve --data-dir="$DATA" --unsafe-no-fsync --bind-address=127.0.0.1 --secure-port="$PORT" "${flags[@]}" >"$dir/triad.log" 2>&1 </dev/null &
  PID=$!
  for _ in $(seq 200); do
    [ "$(curl -s -m 5 -o /dev/null -w '%{http_code}' --cacert "$DATA/pki/ca.crt" "https://127.0.0.1:$PORT/readyz")" = 200 ] && return 0
    kill -0 "$PID" 2>/dev/null || break
    sleep 0.05
  done
  echo "triad does not get ready:"
  tail -5 "$dir/triad.log"
  return 1
}

# Ends the server as an operator does; one that does not drain in time is a failure of its own.
server_down() {
  { [ -n "$PID" ] && kill -0 "$PID" 2>/dev/null; } || return 0
  local pid=$PID
  PID=
  kill "$pid" 2>/dev/null
  for _ in $(seq 100); do
    kill -0 "$pid" 2>/dev/null || return 0
    sleep 0.1
  done
  kill -9 "$pid" 2>/dev/null
  return 1
}

suite() {
  local name=$1 seconds=$SECONDS results=$RUN/$1.results output=$RUN/$1.output
  : >"$results"
  if "client_$name" >"$output" 2>&1; then
    [[ $name = envtest || $name = runtime ]] || server_up "$name" >>"$output" || echo "fail start	the server does not start" >>"$results"
    grep -q '^fail' "$results" || "run_$name" "$results" >>"$output" 2>&1
    server_down || echo "fail stop	the server does not end within 10 s of SIGTERM" >>"$results"
    ! grep -q "panicked at" "$RUN/$name/triad.log" 2>/dev/null || echo "fail panic	$(grep -m1 "panicked at" "$RUN/$name/triad.log")" >>"$results"
  else
    echo "fail build	the client could not be built" >>"$results"
  fi
  python3 "$HERE/tally.py" "$name" "$results" "$HERE/known_failures.txt" "$output" $((SECONDS - seconds))
}

failed=0
for name in "${SUITES[@]}"; do
  declare -F "run_$name" >/dev/null || { echo "no suite $name"; exit 2; }
  suite "$name" || failed=1
done
exit $failed
