#!/usr/bin/env python3
"""Measures the store beside etcd: writes, compare-and-sets and linearizable reads of 1 KB values with 1, 64 and 256 clients, syncing
as in earnest, on one node and on three, in turns. etcd is measured as its users see it, through its Go client over loopback, the
store in process through its own front door; a follower's calls travel over mutual TLS. Prints the measurements as JSON lines and
then a table with the ratios. Processor time is that of etcd's servers alone, and that of the whole process of the store, which
holds its clients and all its members too.

store.py TRIAD_BENCH ETCD_BENCH PEERS [SECONDS]: kv's bench, etcd's, and the directory of the peers' binaries.
"""
import http.client
import json
import subprocess
import sys
import tempfile
import time

from servers import free_port

SECONDS = "5"
STARTS_WITHIN_S = 30


def measure(command, limit_s):
    """The measurements that a bench prints, as it prints them."""
    found = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as bench:
        try:
            for line in bench.stdout:
                print(line, end="", flush=True)
                found.append(json.loads(line))
            if bench.wait(limit_s) != 0:
                sys.exit(f"store.py: {command[0]} failed")
        finally:
            bench.kill()
    return [one for one in found if "operation" in one]


def etcd(bench, peers, nodes, seconds, directory):
    """etcd's figures, with its defaults."""
    ports = [(free_port(), free_port()) for _ in range(nodes)]
    cluster = ",".join(f"n{n}=http://127.0.0.1:{peer}" for n, (_, peer) in enumerate(ports))
    servers = []
    try:
        for n, (client, peer) in enumerate(ports):
            servers.append(subprocess.Popen([
                f"{peers}/etcd", f"--name=n{n}", f"--data-dir={directory}/n{n}", "--log-level=error",
                f"--listen-client-urls=http://127.0.0.1:{client}", f"--advertise-client-urls=http://127.0.0.1:{client}",
                f"--listen-peer-urls=http://127.0.0.1:{peer}", f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}",
                f"--initial-cluster={cluster}",
            ]))
        leader = leading([client for client, _ in ports])
        found = []
        for at, node in [("leader", leader), ("follower", (leader + 1) % nodes)][:1 if nodes == 1 else 2]:
            pids = ",".join(str(server.pid) for server in servers)
            found += measure([
                bench, "-endpoints", f"127.0.0.1:{ports[node][0]}", "-pids", pids, "-seconds", seconds, "-at", at, "-nodes", str(nodes),
            ], 600)
        return found
    finally:
        for server in servers:
            server.terminate()
        for server in servers:
            server.wait()


def leading(ports):
    """Which of the servers leads, by its own metrics, once one does."""
    began = time.monotonic()
    while time.monotonic() - began < STARTS_WITHIN_S:
        for n, port in enumerate(ports):
            try:
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
                connection.request("GET", "/metrics")
                text = connection.getresponse().read().decode()
            except (OSError, http.client.HTTPException):
                continue
            if "etcd_server_is_leader 1" in text and "etcd_server_has_leader 1" in text:
                return n
        time.sleep(0.1)
    sys.exit("store.py: no etcd leads")


def main():
    triad_bench, etcd_bench, peers = sys.argv[1:4]
    seconds = sys.argv[4] if len(sys.argv) > 4 else SECONDS
    rows = {}
    for nodes in (1, 3):
        with tempfile.TemporaryDirectory() as directory:
            theirs = etcd(etcd_bench, peers, nodes, seconds, directory)
        with tempfile.TemporaryDirectory() as directory:
            ours = measure([triad_bench, "--dir", directory, "--nodes", str(nodes), "--seconds", seconds], 600)
        for one in theirs + ours:
            key = (one["nodes"], one["at"], one["operation"], one["clients"])
            rows.setdefault(key, {})[one["store"]] = one
    print(f"\n{'nodes at':16}{'operation':10}{'clients':>7}  {'etcd/s':>9}{'triad/s':>9}{'ratio':>7}   {'p99 ms':>7}{'':>1}{'p99 ms':>8}   {'CPU s/1,000':>11}{'':>1}{'CPU s/1,000':>11}")
    for (nodes, at, operation, clients), both in rows.items():
        if len(both) < 2:
            continue
        a, b = both["etcd"], both["triad"]
        print(f"{nodes} {at:14}{operation:10}{clients:>7}  {a['per_second']:>9}{b['per_second']:>9}{b['per_second'] / a['per_second']:>6.1f}x   "
              f"{a['p99_us'] / 1e3:>7.2f} {b['p99_us'] / 1e3:>8.2f}   {a['cpu_seconds_per_1000']:>11.3f} {b['cpu_seconds_per_1000']:>11.3f}")


if __name__ == "__main__":
    main()
