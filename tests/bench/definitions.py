#!/usr/bin/env python3
"""Measures a server with many CustomResourceDefinitions: how long each takes from its POST to the condition Established, as a watch shows
it, what one takes of the server's memory, and how long discovery and OpenAPI take to answer, first after a change and then again.

definitions.py TRIAD [COUNT [GROUPS]]: the triad binary, how many definitions (10,000) in how many groups (200).
"""
import http.client
import json
import os
import pathlib
import statistics
import sys
import tempfile
import threading
import time

import servers

CLIENTS = 8
# How many are made one after another at each size, for the time that one takes alone.
ALONE = 200
WITHIN_S = 120
PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


def definition(number, groups):
    group, plural, kind = f"g{number % groups}.bench.example.com", f"widget{number}s", f"Widget{number}"
    text = {"type": "string"}
    schema = {"type": "object", "properties": {
        "spec": {"type": "object", "required": ["size"], "properties": {
            "size": {"type": "integer", "minimum": 1}, "color": {"type": "string", "enum": ["red", "green"], "default": "red"},
            "parts": {"type": "array", "items": {"type": "object", "properties": {"name": text, "image": text}}}}},
        "status": {"type": "object", "properties": {"phase": text, "observedGeneration": {"type": "integer"}}}}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": f"{plural}.{group}"},
        "spec": {"group": group, "scope": "Namespaced", "names": {"plural": plural, "singular": f"widget{number}", "kind": kind, "listKind": f"{kind}List"},
                 "versions": [{"name": "v1", "served": True, "storage": True, "subresources": {"status": {}}, "schema": {"openAPIV3Schema": schema},
                               "additionalPrinterColumns": [{"name": "Size", "type": "integer", "jsonPath": ".spec.size"}]}]}}


class Established:
    """When each definition was established, as a watch shows it."""

    def __init__(self, connection):
        self.at, self.came = {}, threading.Condition()
        connection.request("GET", f"{PATH}?watch=true")
        self.answer = connection.getresponse()
        threading.Thread(target=self.follow, daemon=True).start()

    def follow(self):
        try:
            for line in self.answer:
                now, seen = time.monotonic(), json.loads(line)["object"]
                conditions = (seen.get("status") or {}).get("conditions") or []
                if any(c["type"] == "Established" and c["status"] == "True" for c in conditions):
                    with self.came:
                        self.at.setdefault(seen["metadata"]["name"], now)
                        self.came.notify_all()
        except (OSError, ValueError, http.client.HTTPException) as error:
            # The server ends at the end of the measurement; before that somebody waits in vain and says so.
            print(f"the watch ended: {error}", file=sys.stderr)

    def of(self, name):
        with self.came:
            if not self.came.wait_for(lambda: name in self.at, WITHIN_S):
                sys.exit(f"{name} was not established within {WITHIN_S} s")
            return self.at[name]


def cpu_seconds(server):
    """Processor time that the server has taken: what lasts when the machine does other things too."""
    ticks = 0
    for pid in server.pids():
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def peak_mib(server):
    """The most that the server ever had resident."""
    status = (pathlib.Path(f"/proc/{pid}/status").read_text() for pid in server.pids())
    return sum(int(text.split("VmHWM:")[1].split()[0]) for text in status) / 1024


def ask(connection, method, path, body=None, **headers):
    """The code and body of an answer, and how long it took."""
    began = time.monotonic()
    connection.request(method, path, body=json.dumps(body) if body else None, headers={"Content-Type": "application/json", **headers})
    answer = connection.getresponse()
    text = answer.read()
    return answer.status, text, time.monotonic() - began


def create(connection, established, number, groups):
    """Seconds from the request to the condition."""
    made, began = definition(number, groups), time.monotonic()
    code, text, _ = ask(connection, "POST", PATH, made)
    if code != 201:
        sys.exit(f"{made['metadata']['name']}: {code} {text[:400]}")
    return established.of(made["metadata"]["name"]) - began


def create_all(connect, established, numbers, groups):
    """Several clients at once, each waiting for its own before the next."""
    numbers, lock, took = iter(numbers), threading.Lock(), []

    def work():
        connection = connect()
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            took.append(create(connection, established, number, groups))

    threads = [threading.Thread(target=work) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return took


def percentiles(took):
    took = sorted(took)
    at = lambda share: took[min(int(len(took) * share), len(took) - 1)] * 1000
    return f"p50 {at(0.5):8.1f} ms   p99 {at(0.99):8.1f} ms   max {took[-1] * 1000:8.1f} ms"


def documents(server, connect):
    """Every document first, which makes it, and again; None for Accept is what most clients send."""
    connection = connect()
    for name, path, accept in (
            ("aggregated discovery", "/apis", AGGREGATED), ("list of groups", "/apis", "application/json"),
            ("resources of one group", "/apis/g0.bench.example.com/v1", "application/json"),
            ("OpenAPI v3, index", "/openapi/v3", "application/json"),
            ("OpenAPI v3, one group", "/openapi/v3/apis/g0.bench.example.com/v1", "application/json"),
            ("OpenAPI v2", "/openapi/v2", "application/json")):
        figures, before = [], cpu_seconds(server)
        for _ in range(3):
            code, text, took = ask(connection, "GET", path, None, Accept=accept, **{"Accept-Encoding": "gzip"})
            if code != 200:
                sys.exit(f"{path}: {code} {text[:400]}")
            figures.append(took * 1000)
            first = cpu_seconds(server) - before if len(figures) == 1 else first
        print(f"    {name:26} first {figures[0]:9.1f} ms ({first * 1000:6.0f} ms CPU)   again {statistics.mean(figures[1:]):8.1f} ms   {len(text):>10} bytes sent", flush=True)


def after_one_more(server, connect, established, number, groups):
    """The documents of all kinds once more, when one definition was made since they were asked for."""
    connection = connect()
    create(connection, established, number, groups)
    for name, path in ("OpenAPI v3, index", "/openapi/v3"), ("OpenAPI v2", "/openapi/v2"):
        before = cpu_seconds(server)
        code, text, took = ask(connection, "GET", path, None, Accept="application/json", **{"Accept-Encoding": "gzip"})
        if code != 200:
            sys.exit(f"{path}: {code} {text[:400]}")
        print(f"    {name:26} after one more definition {took * 1000:9.1f} ms ({(cpu_seconds(server) - before) * 1000:6.0f} ms CPU)", flush=True)


def main(binary, count=10_000, groups=200):
    count, groups = int(count), int(groups)
    with tempfile.TemporaryDirectory(prefix="triad-bench-") as data:
        server = servers.Triad(binary, f"{data}/data")
        server.start()
        connect = lambda: servers.admin_connection(server.port, server.data, timeout=600)
        try:
            measure(server, connect, count, groups)
            began = time.monotonic()
            server.stop()
            server.start()
            print(f"{count} definitions: stopped and ready again after {time.monotonic() - began:.2f} s; {server.resident_mib():.0f} MiB resident")
            documents(server, connect)
        finally:
            server.stop()


def measure(server, connect, count, groups):
    established = Established(connect())
    time.sleep(2)
    idle = server.resident_mib()
    made = 0
    for size in sorted({min(size, count) for size in (100, 2_000, count)}):
        bulk = create_all(connect, established, range(made, size - ALONE), groups) if size - ALONE > made else []
        begin = max(made, size - ALONE)
        connection = connect()
        before = cpu_seconds(server)
        alone = [create(connection, established, number, groups) for number in range(begin, size)]
        cpu = (cpu_seconds(server) - before) * 1000 / len(alone)
        made = size
        time.sleep(5)
        each = (server.resident_mib() - idle) * 1024 / made
        print(f"{made} definitions in {groups} groups: {each:.1f} KiB of memory each")
        if bulk:
            print(f"    established, {CLIENTS} clients: {percentiles(bulk)}")
        print(f"    established, one client: {percentiles(alone)}   {cpu:.1f} ms CPU each", flush=True)
        documents(server, connect)
        after_one_more(server, connect, established, made, groups)
        made += 1
        print(f"    {(server.resident_mib() - idle) * 1024 / made:.1f} KiB of memory each with the documents; {peak_mib(server):.0f} MiB at most", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
