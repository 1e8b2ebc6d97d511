#!/usr/bin/env python3
"""Has a server that counts do for a while what servers do all day: scenarios of `triadctl bench`, each for some seconds, then a start
with what they left. It ends by SIGTERM each time, which is when it writes its counts.

train.py TRIAD TRIADCTL
"""
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests/bench"))
import servers  # noqa: E402  pylint: disable=wrong-import-position

# What a server does most has the most weight: writes of Pods and their status, heartbeats, reads of one, lists, watches.
SCENARIOS = [
    ["create-pods", "--duration=6s"], ["update-pod-status"], ["update-leases"], ["create-configmaps"], ["update-configmaps"],
    ["create-events"], ["patch-strategic"], ["patch-merge"], ["patch-apply"], ["fan-out-100"], ["get-pods"], ["get-pods-protobuf"],
]
LISTS = [
    ["list-pods"], ["list-pods-protobuf"], ["list-pods-gzip"], ["list-pods-pages"], ["list-pods-table"], ["list-pods-label"],
    ["list-pods-node"], ["watchlist-pods"], ["watchlist-pods-protobuf"],
]


def run(triad, triadctl, data, scenarios):
    server = servers.Triad(triad, data)
    server.start()
    try:
        for words in scenarios:
            command = [triadctl, f"--kubeconfig={server.kubeconfig}", "bench", "run", *words]
            if not any(word.startswith("--duration") for word in words):
                command.append("--duration=3s")
            print(" ".join(words), flush=True)
            subprocess.run(command, check=True, timeout=300, stdout=subprocess.DEVNULL)
    finally:
        server.stop()


def main(triad, triadctl):
    with tempfile.TemporaryDirectory(prefix="triad-train-") as home:
        run(triad, triadctl, f"{home}/writes", SCENARIOS)
        run(triad, triadctl, f"{home}/reads", [["fill-pods"], *LISTS])
        run(triad, triadctl, f"{home}/reads", [])


main(*sys.argv[1:])
