#!/bin/bash
# run.sh [start|store|failover]: figures of triad beside those of the reference, which `make peers` builds. `start`: start-up time and idle memory
# (without the reference, triad's alone). `store`: the store beside etcd. `failover`: how long a cluster takes no writes when its leader
# goes. Without a word: all. TRIAD and TRIADCTL name the binaries, TRIAD_STORE_BENCH kv's bench.
set -eu
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
CACHE=${CACHE:-$HOME/.cache/triad}
PEERS=$("$HERE/../peers/build.sh" --where)

start() {
  python3 "$HERE/start.py" "${TRIAD:?the triad binary}" "$PEERS"
}

store() {
  if [ ! -x "$PEERS/etcd" ]; then
    echo "skipped: the store is measured beside etcd, which \`make peers\` builds"
    return
  fi
  local bench
  bench=$CACHE/etcd-bench-$(cat "$HERE"/etcd/main.go "$HERE"/etcd/go.sum | sha256sum | cut -c1-16)
  [ -x "$bench" ] || (cd "$HERE/etcd" && go build -mod=readonly -trimpath -o "$bench.part" . && mv "$bench.part" "$bench")
  python3 "$HERE/store.py" "${TRIAD_STORE_BENCH:?the bench of kv}" "$bench" "$PEERS"
}

failover() {
  python3 "$HERE/failover.py" "${TRIAD:?the triad binary}" "${TRIADCTL:?the triadctl binary}"
}

case "${1:-all}" in
start) start ;;
store) store ;;
failover) failover ;;
all)
  start
  store
  failover
  ;;
*)
  echo "run.sh: there is no bench $1" >&2
  exit 2
  ;;
esac
