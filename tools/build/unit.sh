#!/bin/bash
# unit.sh: all Rust tests. Most of the time that they take is the optimizer's. What lies above the store is tested in a minute without
# it; the store's tests, simulations and clusters, and the programs that tests start, are optimized.
set -u
failed=0
output=$(mktemp)
trap 'rm -f "$output"' EXIT

# run ARGS...: these tests, whatever became of those before.
run() {
  cargo test --release --no-fail-fast --quiet "$@" || failed=1
}

# run_with_second_try ARGS...: the same; what failed is run once more, alone. What passes then is a race to be mended: it is named at
# the end, and keeps nobody from seeing what else there is. The store's tests have no second try.
run_with_second_try() {
  cargo test --release --no-fail-fast --quiet "$@" 2>&1 | tee "$output"
  [ "${PIPESTATUS[0]}" -ne 0 ] || return 0
  local names
  mapfile -t names < <(sed -n '/^failures:$/,/^test result:/s/^    \([a-zA-Z0-9_:]*\)$/\1/p' "$output" | sort -u)
  # Without a name it did not come to testing.
  if [ ${#names[@]} -gt 0 ] && cargo test --release --no-fail-fast --quiet "$@" -- --exact --test-threads=1 "${names[@]}"; then
    echo "== flaky, passed alone: ${names[*]}"
  else
    failed=1
  fi
}

excluded=() above=() unoptimized=()
for crate in triad-server triad-machinery triad-cel triad-tools; do
  excluded+=(--exclude "$crate")
  above+=(--package "$crate")
  unoptimized+=(--config "profile.release.package.$crate.opt-level=0")
done
run --workspace "${excluded[@]}" --lib --bins --test suite
run --package triad-server --package triad-tools --test '*'
run_with_second_try "${above[@]}" "${unoptimized[@]}" --lib
# Tests that start no program: one that is built for them would take the place of the optimized one.
run --package triad-machinery --package triad-cel "${unoptimized[@]}" --test '*'
run --package triad-fault --features failpoints --test failpoints
exit $failed
