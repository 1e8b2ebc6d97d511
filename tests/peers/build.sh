#!/bin/bash
# build.sh [PROGRAM...]: builds the reference (kube-apiserver, etcd) and its neighbours (kube-controller-manager, kube-scheduler)
# from the Go module proxy, once per version, and prints the directory they lie in. Without a word: kube-apiserver and etcd.
# build.sh --where prints the directory alone.
set -eu
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
CACHE=${CACHE:-$HOME/.cache/triad}

# program NAME MODULE PACKAGE: builds one into its module's place.
program() {
  local name=$1 module=$HERE/$2 package=$3 version
  [ -x "$PLACE/$name" ] && return 0
  version=$(sed -n '/k8s.io\/kubernetes v/s/.* \(v[0-9.]*\)$/\1/p' "$module/go.mod")
  # One after another: two cores and a few GiB are enough for each.
  (cd "$module" && nice -n 10 go build -mod=readonly -trimpath \
    -ldflags "-s -w -X k8s.io/component-base/version.gitVersion=${version:-unknown}" -o "$PLACE/$name.part" "$package")
  mv "$PLACE/$name.part" "$PLACE/$name"
}

PLACE=$CACHE/peers-$(cat "$HERE"/*/go.mod "$HERE"/*/go.sum | sha256sum | cut -c1-16)
if [ "${1:-}" = --where ]; then
  echo "$PLACE"
  exit
fi
mkdir -p "$PLACE"
[ $# -gt 0 ] || set -- kube-apiserver etcd
for name in "$@"; do
  case $name in
  etcd) program etcd etcd go.etcd.io/etcd/server/v3 ;;
  kube-*) program "$name" kubernetes "k8s.io/kubernetes/cmd/$name" ;;
  *) echo "build.sh: no peer is called $name" >&2; exit 2 ;;
  esac
done
echo "$PLACE"
