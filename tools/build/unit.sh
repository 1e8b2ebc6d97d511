#!/bin/bash
# unit.sh: all Rust tests. Most of the time that they take is the optimizer's. What lies above the store is tested in a minute without
# it; the store's tests, simulations and clusters, and the programs that tests start, are optimized.
set -u
failed=0

# run ARGS...: these tests, whatever became of those before.
run() {
  cargo test --release --no-fail-fast --quiet "$@" || failed=1
}

excluded=() above=() unoptimized=()
for crate in triad-server triad-machinery triad-cel triad-tools; do
  excluded+=(--exclude "$crate")
  above+=(--package "$crate")
  unoptimized+=(--config "profile.release.package.$crate.opt-level=0")
done
run --workspace "${excluded[@]}" --lib --bins --test suite
run --package triad-server --package triad-tools --test '*'
run "${above[@]}" "${unoptimized[@]}" --lib
# Tests that start no program: one that is built for them would take the place of the optimized one.
run --package triad-machinery --package triad-cel "${unoptimized[@]}" --test '*'
run --package triad-fault --features failpoints --test failpoints
exit $failed
