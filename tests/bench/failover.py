#!/usr/bin/env python3
"""How long a cluster of three takes no writes when its leader goes: killed (kill -9) and stopped (SIGTERM), in turns, each time with
a writer at every member that stays. Each figure is the time from the signal to the first write, begun after it, that is
acknowledged: to any of the writers, and to the last of them. Prints one JSON line a turn, then median, p99 and maximum.

failover.py TRIAD TRIADCTL [KILLS [STOPS]]
"""
import http.client
import json
import signal
import statistics
import sys
import tempfile
import threading
import time

from members import Cluster, exchange

KILLS, STOPS = 50, 20
# Between a member's return and the next turn, so that it has its place again.
SETTLE_S = 1.0


class Writer(threading.Thread):
    """Writes one object at one member, over and over; notes each write that is acknowledged."""

    def __init__(self, member):
        super().__init__(daemon=True)
        self.member, self.stop, self.acknowledged = member, threading.Event(), []

    def run(self):
        path = f"/api/v1/namespaces/default/configmaps/{self.member.name}"
        connection, n = self.member.connect(), 0
        while not self.stop.is_set():
            n += 1
            body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": self.member.name}, "data": {"n": str(n)}}
            began = time.monotonic()
            try:
                status, _ = exchange(connection, "PUT", path, body)
            except (OSError, http.client.HTTPException):
                connection = self.member.connect()
                continue
            if status in (200, 201):
                self.acknowledged.append((began, time.monotonic()))
            time.sleep(0.002)


def turn(cluster, how):
    gone = cluster.leader()
    writers = [Writer(member) for member in cluster.members if member is not gone]
    for writer in writers:
        writer.start()
    time.sleep(0.3)
    struck = time.monotonic()
    gone.process.send_signal(how)
    gone.process.wait()
    deadline = struck + 20
    firsts = []
    for writer in writers:
        first = None
        while first is None and time.monotonic() < deadline:
            time.sleep(0.005)
            first = next((ended for began, ended in list(writer.acknowledged) if began > struck), None)
        if first is None:
            sys.exit(f"failover.py: {writer.member.name} takes no writes within 20 s")
        firsts.append((first - struck) * 1e3)
    for writer in writers:
        writer.stop.set()
    for writer in writers:
        writer.join()
    gone.start()
    time.sleep(SETTLE_S)
    return {"how": how.name, "first_ms": round(min(firsts), 1), "all_ms": round(max(firsts), 1)}


def main():
    triad, triadctl = sys.argv[1:3]
    kills, stops = (int(sys.argv[at]) if len(sys.argv) > at else default for at, default in ((3, KILLS), (4, STOPS)))
    with tempfile.TemporaryDirectory() as directory, Cluster(triad, triadctl, directory) as cluster:
        for member in cluster.members:
            body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": member.name}}
            member.call("POST", "/api/v1/namespaces/default/configmaps", body)
        time.sleep(SETTLE_S)
        turns = []
        for how, count in ((signal.SIGKILL, kills), (signal.SIGTERM, stops)):
            for _ in range(count):
                turns.append(turn(cluster, how))
                print(json.dumps(turns[-1]), flush=True)
    for how in ("SIGKILL", "SIGTERM"):
        for which in ("first_ms", "all_ms"):
            times = sorted(one[which] for one in turns if one["how"] == how)
            if times:
                p99 = times[min(int(len(times) * 0.99), len(times) - 1)]
                print(f"{how} of the leader, {len(times)} times, {which.removesuffix('_ms'):5} writer again after: "
                      f"median {statistics.median(times):.0f} ms, p99 {p99:.0f} ms, most {times[-1]:.0f} ms")


if __name__ == "__main__":
    main()
