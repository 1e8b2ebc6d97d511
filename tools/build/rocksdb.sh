#!/bin/bash
# rocksdb.sh DIR: puts librocksdb.a into DIR unless it is there. It takes 11 to 20 minutes on two cores, once per machine
# and version. Several callers wait for the first.
set -eu
DIR=$1
[ -f "$DIR/librocksdb.a" ] && exit 0
mkdir -p "$DIR"
exec 9>"$DIR/lock"
flock 9
[ -f "$DIR/librocksdb.a" ] && exit 0
echo "compiling RocksDB, once for this machine"
build=$DIR/build
env -u ROCKSDB_LIB_DIR -u ROCKSDB_STATIC CARGO_TARGET_DIR="$build" cargo build --release -p triad-raft --quiet
archive=$(find "$build" -name librocksdb.a -print -quit)
mv "$archive" "$DIR/librocksdb.a.partial"
mv "$DIR/librocksdb.a.partial" "$DIR/librocksdb.a"
rm -rf "$build"
