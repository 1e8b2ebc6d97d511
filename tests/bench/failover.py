#!/usr/bin/env python3
"""How long a cluster of three takes no writes when its leader goes: killed (kill -9) and stopped (SIGTERM), in turns, each time with
a writer at every member that stays. Each figure is the time from the signal to the first write, begun after it, that is
acknowledged: to any of the writers, and to the last of them. Prints one JSON line a turn, then median, p99 and maximum.

failover.py TRIAD TRIADCTL [KILLS [STOPS]]
"""
import http.client
import json
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

from servers import admin_connection, free_port

KILLS, STOPS = 50, 20
READY_WITHIN_S = 60
# Between a member's return and the next turn, so that it has its place again.
SETTLE_S = 1.0


class Member:
    """A server that can be started again on its data."""

    def __init__(self, binary, directory, n):
        self.binary, self.name, self.data = binary, f"m{n}", directory / f"m{n}"
        self.port, self.peer = free_port(), free_port()
        self.process = None

    def start(self, token=None):
        command = [
            self.binary, "serve", f"--data-dir={self.data}", f"--node-name={self.name}", "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1", f"--secure-port={self.port}", f"--peer-listen=127.0.0.1:{self.peer}",
            "--endpoint-reconciler-type=none",
        ]
        log = open(self.data.with_suffix(".log"), "a")
        self.process = subprocess.Popen(command + ([f"--join={token}"] if token else []), stdout=log, stderr=log)
        began = time.monotonic()
        while not self.ready():
            if time.monotonic() - began > READY_WITHIN_S or self.process.poll() is not None:
                sys.exit(f"failover.py: {self.name} does not get ready:\n{self.data.with_suffix('.log').read_text()[-2000:]}")
            time.sleep(0.02)

    def ready(self):
        try:
            return self.call("GET", "/readyz")[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def connect(self):
        return admin_connection(self.port, self.data, timeout=10)

    def call(self, method, path, body=None):
        return exchange(self.connect(), method, path, body)


def exchange(connection, method, path, body=None):
    headers = {"Content-Type": "application/json"} if body else {}
    connection.request(method, path, json.dumps(body) if body else None, headers)
    answer = connection.getresponse()
    return answer.status, answer.read()


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


def leader(triadctl, members):
    for member in members:
        answer = subprocess.run(
            [triadctl, f"--kubeconfig={member.data}/admin.kubeconfig", "status", "-o", "json"], capture_output=True, text=True, timeout=20)
        if answer.returncode == 0:
            names = [one["name"] for one in json.loads(answer.stdout)["members"] if one["leader"]]
            if names:
                return next(one for one in members if one.name == names[0])
    sys.exit("failover.py: nobody says who leads")


def turn(triadctl, members, how):
    gone = leader(triadctl, members)
    writers = [Writer(member) for member in members if member is not gone]
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
    with tempfile.TemporaryDirectory() as directory:
        members = [Member(triad, pathlib.Path(directory), n) for n in range(3)]
        try:
            members[0].start()
            token = subprocess.run(
                [triadctl, f"--kubeconfig={members[0].data}/admin.kubeconfig", "token", "create", "--role", "server"],
                capture_output=True, text=True, check=True, timeout=20).stdout.split()[-1]
            for member in members[1:]:
                member.start(token)
            for member in members:
                body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": member.name}}
                members[0].call("POST", "/api/v1/namespaces/default/configmaps", body)
            time.sleep(SETTLE_S)
            turns = []
            for how, count in ((signal.SIGKILL, kills), (signal.SIGTERM, stops)):
                for _ in range(count):
                    turns.append(turn(triadctl, members, how))
                    print(json.dumps(turns[-1]), flush=True)
        finally:
            for member in members:
                if member.process:
                    member.process.kill()
                    member.process.wait()
    for how in ("SIGKILL", "SIGTERM"):
        for which in ("first_ms", "all_ms"):
            times = sorted(one[which] for one in turns if one["how"] == how)
            if times:
                p99 = times[min(int(len(times) * 0.99), len(times) - 1)]
                print(f"{how} of the leader, {len(times)} times, {which.removesuffix('_ms'):5} writer again after: "
                      f"median {statistics.median(times):.0f} ms, p99 {p99:.0f} ms, most {times[-1]:.0f} ms")


if __name__ == "__main__":
    main()
