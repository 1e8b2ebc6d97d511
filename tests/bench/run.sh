#!/bin/bash
# run.sh [start|store|failover|catchup|backup|definitions|audit|rbac|api|churn|cluster]: figures of triad beside those of the reference, which `make peers` builds. `start`: start-up time and idle memory
# (without the reference, triad's alone). `store`: the store beside etcd. `failover`: how long a cluster takes no writes when its leader
# goes. `catchup`: how long a member that was away takes to catch up. `backup`: what backups and restores take, and what writers notice. `definitions`: ten thousand CustomResourceDefinitions (DEFINITIONS=COUNT for another number). `audit`: what the audit log costs. `rbac`: a decision at 10,000 bindings. `api`: every scenario of `triadctl bench` in turns with the reference (an hour), written to docs/benchmarks.md; `churn` and `cluster`
# add their parts to it (ten to thirty minutes each). Without a word: the first five. TRIAD and TRIADCTL name the binaries, TRIAD_STORE_BENCH kv's bench.
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

catchup() {
  python3 "$HERE/catchup.py" "${TRIAD:?the triad binary}" "${TRIADCTL:?the triadctl binary}"
}

backup() {
  python3 "$HERE/backup.py" "${TRIAD:?the triad binary}"
}

definitions() {
  python3 "$HERE/definitions.py" "${TRIAD:?the triad binary}" "${DEFINITIONS:-10000}"
}

audit() {
  python3 "$HERE/audit.py" "${TRIAD:?the triad binary}" "${TRIADCTL:?the triadctl binary}"
}

rbac() {
  cargo test --release -p triad-server --lib ten_thousand_bindings -- --ignored --nocapture
}

# api PART...: measures these parts and writes the page anew, of all that was measured of this commit.
api() {
  local results commit
  "$HERE/../peers/build.sh"
  commit=$(git -C "$HERE" rev-parse --short HEAD)
  results=${RESULTS:-$CACHE/bench-$commit.jsonl}
  python3 "$HERE/api.py" "${TRIAD:?the triad binary}" "${TRIADCTL:?the triadctl binary}" "$PEERS" "$results" "$@"
  python3 "$HERE/report.py" "$results" "$HERE/../../docs"
}

case "${1:-all}" in
start) start ;;
store) store ;;
failover) failover ;;
catchup) catchup ;;
backup) backup ;;
definitions) definitions ;;
audit) audit ;;
rbac) rbac ;;
api) api ;;
churn | cluster) api "$1" ;;
all)
  start
  store
  failover
  catchup
  backup
  ;;
*)
  echo "run.sh: there is no bench $1" >&2
  exit 2
  ;;
esac
