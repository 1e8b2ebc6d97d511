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

# failures FILE: what failed in a step's output: what the failed tests printed, cargo's errors and what came just before and after them
# (a test program that dies names no test), or else its end.
failures() {
  awk '/^failures:$/ { inside = 1 }
       inside { print; found = 1; next_lines = 0 }
       !inside && /^error/ { for (i = NR - 8; i < NR; i++) if (i in before) print before[i]; delete before; next_lines = 8; found = 1 }
       !inside && next_lines > 0 { print; next_lines--; next }
       !inside { before[NR] = $0; delete before[NR - 9] }
       /^test result:/ { inside = 0 }
       END { exit !found }' "$1" |
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
