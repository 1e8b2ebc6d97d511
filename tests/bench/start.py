#!/usr/bin/env python3
"""Measures a server from exec to the first 200 of /readyz, with empty data and again with what that start left, and its resident
memory five seconds later. Prints minimum, median and maximum of triad, and of kube-apiserver with etcd where those are built.

start.py TRIAD PEERS: the triad binary and the directory of the peers' binaries. The servers take turns, each alone.
"""
import statistics
import sys
import tempfile
import time

import servers

STARTS = 5


def start(server):
    """One start of a server's processes: seconds to ready, resident MiB of all when idle."""
    try:
        took = server.start()
        time.sleep(5)
        return took, server.resident_mib()
    finally:
        server.stop()


def row(name, values, unit):
    print(f"{name:44} {min(values):8.3f} {statistics.median(values):8.3f} {max(values):8.3f}  {unit}")


def main(binary, peers):
    kinds = {"triad": lambda data: servers.Triad(binary, data)}
    if servers.peers_built(peers):
        kinds["kube-apiserver + etcd"] = lambda data: servers.Reference(peers, data)
    else:
        print("the reference is not built: `make peers` builds it, then its figures stand beside these")
    figures = {name: ([], []) for name in kinds}
    for _ in range(STARTS):
        for name, make in kinds.items():
            with tempfile.TemporaryDirectory(prefix="triad-bench-") as data:
                server = make(f"{data}/data")
                for starts in figures[name]:
                    starts.append(start(server))
    print(f"{'':44} {'min':>8} {'median':>8} {'max':>8}")
    for name, (first, later) in figures.items():
        row(f"{name}: first start to /readyz", [took for took, _ in first], "s")
        row(f"{name}: later start to /readyz", [took for took, _ in later], "s")
        row(f"{name}: idle resident, first start", [resident for _, resident in first], "MiB")
        row(f"{name}: idle resident, later start", [resident for _, resident in later], "MiB")


main(*sys.argv[1:])
