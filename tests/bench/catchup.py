#!/usr/bin/env python3
"""How long a member of three takes to catch up: one that was killed before so many ConfigMaps of 1 KB were created at the others, and
the same one come back with an empty disk, which gets a copy of the state. Times count from its start; it has caught up when the leader
says that it votes and lacks nothing. Prints one JSON line each.

catchup.py TRIAD TRIADCTL [WRITES]
"""
import json
import shutil
import sys
import tempfile
import time

from members import Cluster

WRITES = 100_000
WITHIN_S = 120
FILLED_WITHIN_S = 600


def caught_up(cluster, leader, member):
    said = cluster.status(leader).get(member.name, {})
    return said.get("role") == "voter" and said.get("reachable") and said.get("lag") == 0


def measure(cluster, leader, member, how, token=None):
    began = time.monotonic()
    member.start(token)
    ready = time.monotonic() - began
    while not caught_up(cluster, leader, member):
        if time.monotonic() - began > WITHIN_S:
            sys.exit(f"catchup.py: {member.name} does not catch up within {WITHIN_S} s")
        time.sleep(0.02)
    print(json.dumps({"how": how, "ready_s": round(ready, 2), "caught_up_s": round(time.monotonic() - began, 2)}), flush=True)


def main():
    triad, triadctl = sys.argv[1:3]
    writes = int(sys.argv[3]) if len(sys.argv) > 3 else WRITES
    with tempfile.TemporaryDirectory() as directory, Cluster(triad, triadctl, directory) as cluster:
        leader = cluster.leader()
        away = next(member for member in cluster.members if member is not leader)
        away.kill()
        began = time.monotonic()
        cluster.ask(leader, "bench", "run", "fill-configmaps", f"--objects={writes}", timeout=FILLED_WITHIN_S)
        print(json.dumps({"writes": writes, "seconds": round(time.monotonic() - began, 1)}), flush=True)
        leader = cluster.leader()
        measure(cluster, leader, away, "killed, its disk kept")
        away.kill()
        shutil.rmtree(away.data)
        measure(cluster, leader, away, "killed, its disk empty", cluster.token(leader))


if __name__ == "__main__":
    main()
