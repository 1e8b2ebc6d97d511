#!/usr/bin/env python3
"""Measures the API of triad beside that of the reference (kube-apiserver with etcd), in turns (A B A B), each alone and on fresh data,
with `triadctl bench`. Appends one JSON line for each figure to RESULTS; report.py makes docs/benchmarks.md of them.

api.py TRIAD TRIADCTL PEERS RESULTS [PART...]

Parts (all but `churn` and `cluster` when none is named):
  scenarios  every scenario of a cluster's day; restart and disk with 10,000 pods; two rounds
  growth     single calls, LIST and memory with 1,000, 10,000 and 100,000 ConfigMaps (GROWTH=1000000 for more)
  cores      the server on one core and on two
  churn      memory after 60,000 pods created and deleted
  cluster    5,000 nodes for CLUSTER_SECONDS (600) among CLUSTER_PODS (150,000) pods, on triad alone
COMMIT names what TRIAD was built from, when that is not the checkout. SECONDS_EACH (8) is how long a scenario is measured, ROUNDS (2) how often each server has its turn; ONLY names
scenarios, by comma, that alone are measured.
"""
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

import servers

SECONDS_EACH = os.environ.get("SECONDS_EACH", "8")
# Scenarios to leave all others out for, by comma.
ONLY = [name for name in os.environ.get("ONLY", "").split(",") if name]
ROUNDS = int(os.environ.get("ROUNDS", "2"))
SCENARIO_WITHIN_S = 900
# 150,000 pods have to be made first.
CLUSTER_WITHIN_S = 3600
# Memory settles when garbage collectors and background work had a moment.
SETTLE_S = 5
PODS = 10_000

# Words of `triadctl bench run`, in this order: what writes many objects comes after what lists.
WRITES = [
    ["create-configmaps"], ["update-leases"], ["update-configmaps"], ["update-pod-status"],
    ["patch-strategic"], ["patch-merge"], ["patch-apply"], ["create-events"],
    ["fan-out-100"], ["fan-out-1000"], ["fan-out-stalled"],
]
READS = [
    ["get-pods"], ["get-pods-protobuf"],
    ["list-pods"], ["list-pods-protobuf"], ["list-pods-gzip"], ["list-pods-pages"], ["list-pods-table"], ["list-pods-label"],
    ["list-pods-node"], ["watchlist-pods"], ["watchlist-pods-protobuf"], ["leases-beside-lists"],
]
CREATES = [["create-pods", "--clients=1"], ["create-pods", "--clients=16"], ["create-pods", "--clients=64"]]


class Results:
    """The file of figures, and what is known about all that are written now."""

    def __init__(self, path, commit):
        self.path, self.commit = path, commit

    def add(self, part, server, turn, figure):
        line = {"part": part, "server": server, "turn": turn, "commit": self.commit, "machine": servers.machine(),
                "load": round(os.getloadavg()[0], 1), "at": time.strftime("%Y-%m-%d %H:%M", time.gmtime()), **figure}
        with open(self.path, "a", encoding="utf-8") as out:
            print(json.dumps(line), file=out)
        shown = {key: figure[key] for key in ("scenario", "clients", "per_second", "cpu_ms_per_operation", "p99_ms", "failed", "value")
                 if key in figure}
        print(f"{part} {server} {turn}: {shown}", flush=True)


def bench(triadctl, server, words, cores=None, within_s=SCENARIO_WITHIN_S):
    """One scenario's figures; a scenario that fails says so and leaves a line with its failures."""
    command = (["taskset", "-c", cores] if cores else []) + [
        triadctl, f"--kubeconfig={server.kubeconfig}", "bench", "run", *words, "-o", "json", f"--label={server.name}",
        "--pid", ",".join(map(str, server.pids())),
    ]
    if not any(word.startswith("--duration") for word in words):
        command += [f"--duration={SECONDS_EACH}s"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=within_s)
    if done.returncode != 0:
        print(f"{server.name} {words}: {done.stderr.strip()[:400]}", file=sys.stderr, flush=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def with_server(make, run, cores=None):
    with tempfile.TemporaryDirectory(prefix="triad-bench-") as home:
        server = make(pathlib.Path(home) / "data", cores)
        server.start()
        try:
            run(server)
        finally:
            server.stop()


def scenarios(triadctl, results, kinds):
    for turn in range(1, ROUNDS + 1):
        for make in kinds:
            with_server(make, lambda server: writing(triadctl, results, server, turn))
            # Memory that others have given back would hide what watches take.
            with_server(make, lambda server: run_all(triadctl, results, server, turn, [["idle-watches", "--duration=5s"]]))
            if not ONLY or {words[0] for words in READS + [["delete-pods"]]} & set(ONLY):
                with_server(make, lambda server: reading(triadctl, results, server, turn))


def run_all(triadctl, results, server, turn, all_words):
    for words in all_words:
        if ONLY and words[0] not in ONLY:
            continue
        for figure in bench(triadctl, server, words):
            results.add("scenarios", server.name, turn, figure)


def writing(triadctl, results, server, turn):
    run_all(triadctl, results, server, turn, CREATES + WRITES)


def reading(triadctl, results, server, turn):
    """All that works on 10,000 pods, ending with their deletion."""
    def note(what, value, unit):
        results.add("scenarios", server.name, turn, {"what": what, "value": round(value, 3), "unit": unit})

    note("idle memory", server.resident_mib(), "MiB")
    empty = servers.disk_bytes(server.data)
    run_all(triadctl, results, server, turn, [["fill-pods"]])
    time.sleep(SETTLE_S)
    note("memory with 10,000 pods", server.resident_mib(), "MiB")
    run_all(triadctl, results, server, turn, READS)
    note("memory after reading them", server.resident_mib(), "MiB")
    server.compact(triadctl)
    time.sleep(SETTLE_S)
    note("disk per pod after compaction", (servers.disk_bytes(server.data) - empty) / PODS, "bytes")
    server.stop()
    note("restart with 10,000 pods", server.start(), "s")
    run_all(triadctl, results, server, turn, [["delete-pods"]])


def growth(triadctl, results, kinds):
    sizes = [size for size in (1_000, 10_000, 100_000, 1_000_000) if size <= int(os.environ.get("GROWTH", "100000"))]

    def run(server):
        time.sleep(SETTLE_S)
        before = server.resident_mib()
        for size in sizes:
            count = f"--objects={size}"
            # At a rate, so that each size gets as many more, and few.
            for words in (["get-configmaps", count, "--clients=4"], ["watch-configmap", count], ["list-configmaps", count],
                          ["create-configmaps", "--clients=4", "--rate=100"]):
                for figure in bench(triadctl, server, words + ["--duration=3s", "--warmup=500ms"]):
                    results.add("growth", server.name, 1, {**figure, "objects": size})
            time.sleep(SETTLE_S)
            each = (server.resident_mib() - before) * (1 << 20) / size
            results.add("growth", server.name, 1, {"what": "memory per object", "value": round(each), "unit": "bytes", "objects": size})

    for make in kinds:
        with_server(make, run)


def cores(triadctl, results, kinds):
    """The server on one core with the load on the other, then both on both."""
    if os.cpu_count() < 2:
        return
    for make in kinds:
        for server_cores, load_cores in (("0", "1"), ("0,1", "0,1")):
            def run(server):
                for words in (["get-pods"], ["create-configmaps"], ["create-pods"]):
                    for figure in bench(triadctl, server, words + ["--duration=5s"], load_cores):
                        results.add("cores", server.name, 1, {**figure, "cores": len(server_cores.split(","))})
            with_server(make, run, server_cores)


def churn(triadctl, results, kinds):
    def run(server):
        for figure in bench(triadctl, server, ["churn-pods"]):
            results.add("churn", server.name, 1, figure)
        time.sleep(SETTLE_S)
        results.add("churn", server.name, 1, {"what": "memory after 60,000 pods", "value": server.resident_mib(), "unit": "MiB"})

    for make in kinds:
        with_server(make, run)


def cluster(triadctl, results, kinds):
    seconds, pods = os.environ.get("CLUSTER_SECONDS", "600"), os.environ.get("CLUSTER_PODS", "150000")

    def run(server):
        words = ["cluster", f"--objects={pods}", f"--duration={seconds}s"]
        for figure in bench(triadctl, server, words, within_s=CLUSTER_WITHIN_S):
            results.add("cluster", server.name, 1, {**figure, "objects": int(pods)})

    with_server(kinds[0], run)


PARTS = {"scenarios": scenarios, "growth": growth, "cores": cores, "churn": churn, "cluster": cluster}


def main(triad, triadctl, peers, path, *parts):
    # Servers are ended on the way out, which SIGTERM alone would not take.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    here = pathlib.Path(__file__).parent
    head = ["git", "-C", here, "rev-parse", "--short", "HEAD"]
    commit = os.environ.get("COMMIT") or subprocess.run(head, capture_output=True, text=True, check=True).stdout.strip()
    kinds = [lambda data, cores: servers.Triad(triad, data, cores)]
    if servers.peers_built(peers):
        kinds.append(lambda data, cores: servers.Reference(peers, data, cores))
    else:
        print("the reference is not built: `make peers` builds it; triad's figures stand alone")
    results = Results(path, commit)
    for part in parts or ("scenarios", "growth", "cores"):
        PARTS[part](triadctl, results, kinds)


main(*sys.argv[1:])
