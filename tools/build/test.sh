#!/bin/bash
# test.sh: everything `make test` runs, after the build. The clients are built while the Rust tests are.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# CARGO_TARGET_DIR, TRIAD and where RocksDB lies come from make.
: "${ROCKSDB_LIB_DIR:?run this through make test}"
failed=()
outputs=$(mktemp -d)
trap 'rm -rf "$outputs"' EXIT

# step NAME COMMAND...: runs it, says how long it took.
step() {
  local name=$1 started=$SECONDS
  shift
  "$@" 2>&1 | tee "$outputs/$name"
  if [ "${PIPESTATUS[0]}" -eq 0 ]; then
    echo "== $name: ok ($((SECONDS - started)) s)"
  else
    echo "== $name: FAILED ($((SECONDS - started)) s)"
    failed+=("$name")
  fi
}

step format cargo fmt --all --check
step lint cargo clippy --release --workspace --all-targets --quiet -- -D warnings
step lint-failpoints cargo clippy --release -p triad-fault --features failpoints --all-targets --quiet -- -D warnings
step unit tools/build/unit.sh
step golden python3 tests/golden/run.py
step interop tests/interop/run.sh smoke

# failures FILE: what failed in a step's output: cargo's errors and what the failed tests printed, or else its end.
failures() {
  awk '/^failures:$/ { inside = 1 } inside || /^error/ { print; found = 1 } /^test result:/ { inside = 0 } END { exit !found }' "$1" |
    tail -n 150
  [ "${PIPESTATUS[0]}" -eq 0 ] || tail -n 40 "$1"
}

# Once more where whoever looks at the end finds it.
grep -h '^== flaky' "$outputs"/* || true
for name in "${failed[@]}"; do
  echo "== what failed in $name:"
  failures "$outputs/$name"
done
if [ ${#failed[@]} -gt 0 ]; then
  echo "failed: ${failed[*]}"
  exit 1
fi
