#!/bin/bash
# run.sh: start-up time and idle memory of triad, beside those of the reference where `make peers` has built it. TRIAD names the binary.
set -eu
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
exec python3 "$HERE/start.py" "${TRIAD:?the triad binary}" "$("$HERE/../peers/build.sh" --where)"
