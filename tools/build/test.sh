#!/bin/bash
# test.sh: everything `make test` runs, after the build. The clients are built while the Rust tests are.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# CARGO_TARGET_DIR, TRIAD and where RocksDB lies come from make.
: "${ROCKSDB_LIB_DIR:?run this through make test}"
failed=()

# step NAME COMMAND...: runs it, says how long it took.
step() {
  local name=$1 started=$SECONDS
  shift
  if "$@"; then
    echo "== $name: ok ($((SECONDS - started)) s)"
  else
    echo "== $name: FAILED ($((SECONDS - started)) s)"
    failed+=("$name")
  fi
}

step format cargo fmt --all --check
step lint cargo clippy --release --workspace --all-targets --quiet -- -D warnings
step lint-failpoints cargo clippy --release -p triad-fault --features failpoints --all-targets --quiet -- -D warnings
step unit cargo test --release --workspace --no-fail-fast --quiet
step failpoints cargo test --release -p triad-fault --features failpoints --test failpoints --quiet
step golden python3 tests/golden/run.py
step interop tests/interop/run.sh smoke

if [ ${#failed[@]} -gt 0 ]; then
  echo "failed: ${failed[*]}"
  exit 1
fi
