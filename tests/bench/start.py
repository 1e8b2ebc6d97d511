#!/usr/bin/env python3
"""Measures triad from exec to the first 200 of /readyz, with empty data and again with what that start left, and its resident
memory five seconds later. Prints minimum, median and maximum."""
import http.client
import pathlib
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time

STARTS = 5


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def ready(port):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=2, context=context)
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False


def start(binary, data):
    """One start: seconds to ready, resident MiB when idle."""
    port = free_port()
    command = [binary, "serve", "--data-dir", data, "--bind-address=127.0.0.1", f"--secure-port={port}"]
    began = time.monotonic()
    server = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        while not ready(port):
            if server.poll() is not None or time.monotonic() - began > 30:
                sys.exit("triad does not get ready")
            time.sleep(0.002)
        took = time.monotonic() - began
        time.sleep(5)
        status = pathlib.Path(f"/proc/{server.pid}/status").read_text()
        resident = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))
        return took, resident / 1024
    finally:
        server.terminate()
        server.wait(20)


def row(name, values, unit):
    print(f"{name:32} {min(values):8.3f} {statistics.median(values):8.3f} {max(values):8.3f}  {unit}")


def main(binary):
    cold, warm = [], []
    for _ in range(STARTS):
        with tempfile.TemporaryDirectory(prefix="triad-bench-") as data:
            cold.append(start(binary, data))
            warm.append(start(binary, data))
    print(f"{'':32} {'min':>8} {'median':>8} {'max':>8}")
    row("first start to /readyz", [took for took, _ in cold], "s")
    row("later start to /readyz", [took for took, _ in warm], "s")
    row("idle resident, first start", [resident for _, resident in cold], "MiB")
    row("idle resident, later start", [resident for _, resident in warm], "MiB")


main(sys.argv[1])
