#!/bin/bash
# dist.sh OUT: the programs as users get them, into OUT: triad and triadctl, optimized across crates and by what a server was seen to do
# (docs/adr/0023). Needs what `make build` has built (the load comes from its triadctl) and rustup's llvm-tools. More than half an hour on two cores.
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
OUT=${1:?where the programs go}
: "${ROCKSDB_LIB_DIR:?run this through make dist}" "${TRIADCTL:?the triadctl that makes the load}" "${CACHE:?where things are kept}"
HOST=$(rustc -vV | sed -n 's/^host: //p')
WORK=$CACHE/dist
mkdir -p "$WORK" "$OUT"

rustup component add llvm-tools 2>/dev/null || true
PROFDATA=$(rustc --print sysroot)/lib/rustlib/$HOST/bin/llvm-profdata
if [ ! -x "$PROFDATA" ]; then
  echo "dist.sh: $PROFDATA is not there; \`rustup component add llvm-tools\` brings it" >&2
  exit 1
fi

# built FLAGS ARGS...: with --target, so that the flags are not those of build scripts and macros too.
built() {
  local flags=$1
  shift
  RUSTFLAGS=$flags cargo build --target "$HOST" "$@"
}

# The same sources are measured once.
sources=$(git ls-files -s -- '*.rs' '*.tbl' Cargo.toml Cargo.lock | sha256sum | cut -c1-16)$(git diff HEAD | sha256sum | cut -c1-8)
profile=$WORK/$sources.profdata
if [ ! -s "$profile" ]; then
  # Without the optimizer's last effort: it is the counts that matter.
  CARGO_TARGET_DIR=$WORK/counting built "-Cprofile-generate=$WORK/counts" --release -p triad-server --bin triad
  rm -rf "$WORK/counts"
  python3 tools/build/train.py "$WORK/counting/$HOST/release/triad" "$TRIADCTL"
  "$PROFDATA" merge -o "$profile.part" "$WORK/counts"
  rm -rf "$WORK/counts" "$WORK/counting"
  mv "$profile.part" "$profile"
fi
CARGO_TARGET_DIR=$WORK/target built "-Cprofile-use=$profile" --profile dist -p triad-server --bin triad -p triad-tools --bin triadctl
install -m 755 "$WORK/target/$HOST/dist/triad" "$WORK/target/$HOST/dist/triadctl" "$OUT/"
ls -l "$OUT/triad" "$OUT/triadctl"
