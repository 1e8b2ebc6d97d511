#!/bin/bash
# setup.sh: what a fresh Debian needs beyond cargo and go. Does nothing where all of it is there.
set -eu

missing=()
have() { command -v "$1" >/dev/null; }
have g++ || missing+=(g++)
have make || missing+=(make)
have curl || missing+=(curl)
have openssl || missing+=(openssl)
# RocksDB's bindings are made from its C header, with libclang (not libclang-cpp, which may be there without it).
find /usr/lib -name 'libclang.so*' -o -name 'libclang-[0-9]*.so*' 2>/dev/null | grep -q . || missing+=(libclang-dev)

[ ${#missing[@]} -eq 0 ] && exit 0
if [ "$(id -u)" -ne 0 ] && ! have sudo; then
  echo "please install: ${missing[*]}" >&2
  exit 1
fi
sudo=
[ "$(id -u)" -eq 0 ] || sudo=sudo
echo "installing: ${missing[*]}"
$sudo apt-get update -qq
$sudo apt-get install -y -qq "${missing[@]}" >/dev/null
