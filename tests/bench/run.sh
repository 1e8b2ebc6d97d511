#!/bin/bash
# run.sh: start-up time and idle memory of triad, each over five starts. TRIAD names the binary.
set -eu
exec python3 "$(dirname "${BASH_SOURCE[0]}")/start.py" "${TRIAD:?the triad binary}"
