# The two commands that matter: `make run` and `make test`. Everything that is built lies outside the checkout.

CACHE ?= $(HOME)/.cache/triad
export CACHE
export CARGO_TARGET_DIR ?= $(CACHE)/target
# RocksDB is compiled once per machine and version into an archive that every build links (docs/adr/0001).
ROCKSDB := $(CACHE)/rocksdb/$(shell sed -n '/^name = "librocksdb-sys"/{n;s/version = "\(.*\)"/\1/p}' Cargo.lock)
CARGO := ROCKSDB_LIB_DIR=$(ROCKSDB) ROCKSDB_STATIC=1 cargo
RELEASE := $(CARGO_TARGET_DIR)/release
export TRIAD := $(RELEASE)/triad

.PHONY: run build dist setup rocksdb test unit golden interop interop-smoke torture lint deny bench peers fuzz

run: build
	bin/triad serve

build: rocksdb
	$(CARGO) build --release --workspace --bins
	mkdir -p bin
	ln -sf $(RELEASE)/triad $(RELEASE)/triadctl bin/

# The programs as users get them, in $(CACHE)/dist/bin.
dist: build
	ROCKSDB_LIB_DIR=$(ROCKSDB) ROCKSDB_STATIC=1 TRIADCTL=$(RELEASE)/triadctl tools/build/dist.sh $(CACHE)/dist/bin

setup:
	tools/build/setup.sh

rocksdb: setup
	tools/build/rocksdb.sh $(ROCKSDB)

# What CI runs: all Rust tests (with a few torture seeds), the claimed golden suites, one smoke test per real client.
test: build
	ROCKSDB_LIB_DIR=$(ROCKSDB) ROCKSDB_STATIC=1 tools/build/test.sh

unit: rocksdb
	ROCKSDB_LIB_DIR=$(ROCKSDB) ROCKSDB_STATIC=1 tools/build/unit.sh

golden: build
	python3 tests/golden/run.py

interop-smoke: build
	tests/interop/run.sh smoke

interop: build
	tests/interop/run.sh all

torture: rocksdb
	TRIAD_SIM_RUNS=$${TRIAD_SIM_RUNS:-500} $(CARGO) test --release -p triad-kv --lib simulation
	TRIAD_TORTURE_RUNS=$${TRIAD_TORTURE_RUNS:-1000} $(CARGO) test --release -p triad-fault -- --nocapture
	TRIAD_FAILPOINT_RUNS=$${TRIAD_FAILPOINT_RUNS:-10} $(CARGO) test --release -p triad-fault --features failpoints --test failpoints -- --nocapture
	TRIAD_CLUSTER_RUNS=$${TRIAD_CLUSTER_RUNS:-60} $(CARGO) test --release -p triad-server --test cluster -- --nocapture
	FUZZ_SECONDS=$${FUZZ_SECONDS:-600} $(MAKE) fuzz

lint: rocksdb
	cargo fmt --all --check
	$(CARGO) clippy --release --workspace --all-targets -- -D warnings
	$(CARGO) clippy --release -p triad-fault --features failpoints --all-targets -- -D warnings

deny:
	cargo deny check bans licenses sources

bench: build
	$(CARGO) build --release -p triad-kv --example bench
	ROCKSDB_LIB_DIR=$(ROCKSDB) ROCKSDB_STATIC=1 TRIADCTL=$(RELEASE)/triadctl TRIAD_STORE_BENCH=$(RELEASE)/examples/bench tests/bench/run.sh $(BENCH)

# The reference, for the figures beside ours: kube-apiserver and etcd from the Go module proxy.
peers: setup
	tests/peers/build.sh

# Each fuzz target for a while (FUZZ_SECONDS); needs a nightly toolchain and cargo-fuzz. Every folder named fuzz has some; seeds/TARGET
# is what one begins with, beside what earlier runs have found.
fuzz:
	for dir in $$(find . -path '*/fuzz/Cargo.toml' -printf '%h\n' | sort); do \
	  targets=$$(cargo +nightly fuzz list --fuzz-dir $$dir) || exit 1; \
	  for target in $$targets; do \
	    echo "$$dir $$target"; found=$(CACHE)/fuzz/corpus/$$target; mkdir -p $$found; \
	    CARGO_TARGET_DIR=$(CACHE)/fuzz cargo +nightly fuzz run --fuzz-dir $$dir $$target $$found $$(find $$dir/seeds/$$target -maxdepth 0 2>/dev/null) -- \
	      -max_total_time=$${FUZZ_SECONDS:-60} -rss_limit_mb=2048 -artifact_prefix=$(CACHE)/fuzz/ || exit 1; done; done
