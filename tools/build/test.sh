#!/bin/bash
# test.sh: everything `make test` runs, after the build. The clients are built while the Rust tests are.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
export ROCKSDB_STATIC=1
ROCKSDB_LIB_DIR=$(dirname "$(find "$CACHE/rocksdb" -name librocksdb.a -print -quit)")
export ROCKSDB_LIB_DIR
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
step unit cargo test --release --workspace --quiet
step golden python3 tests/golden/run.py
step interop tests/interop/run.sh smoke

if [ ${#failed[@]} -gt 0 ]; then
  echo "failed: ${failed[*]}"
  exit 1
fi
