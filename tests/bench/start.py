#!/usr/bin/env python3
"""Measures a server from exec to the first 200 of /readyz, with empty data and again with what that start left, and its resident
memory five seconds later. Prints minimum, median and maximum of triad, and of kube-apiserver with etcd where those are built.

start.py TRIAD PEERS: the triad binary and the directory of the peers' binaries. The servers take turns, each alone.
"""
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
READY_WITHIN_S = 60


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
    except (OSError, http.client.HTTPException):
        return False


def triad(binary, data, port):
    """The commands of one triad."""
    return [[binary, "serve", "--data-dir", data, "--bind-address=127.0.0.1", f"--secure-port={port}"]]


def reference(peers, data, port):
    """The commands of etcd and kube-apiserver, with their defaults; the service-account key has to be there before."""
    key = f"{data}/sa.key"
    if not pathlib.Path(key).exists():
        subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key], check=True)
    client, peer = free_port(), free_port()
    etcd = [
        f"{peers}/etcd", f"--data-dir={data}/etcd", "--log-level=warn",
        f"--listen-client-urls=http://127.0.0.1:{client}", f"--advertise-client-urls=http://127.0.0.1:{client}",
        f"--listen-peer-urls=http://127.0.0.1:{peer}", f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}",
        f"--initial-cluster=default=http://127.0.0.1:{peer}",
    ]
    apiserver = [
        f"{peers}/kube-apiserver", f"--etcd-servers=http://127.0.0.1:{client}", "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1", f"--secure-port={port}", f"--cert-dir={data}/pki", "--authorization-mode=Node,RBAC",
        # It refuses to advertise a loopback address to pods.
        "--endpoint-reconciler-type=none", "--service-cluster-ip-range=10.0.0.0/24", "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={key}", f"--service-account-signing-key-file={key}",
    ]
    return [etcd, apiserver]


def resident_mib(process):
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")) / 1024


def start(commands, port):
    """One start of a server's processes, all at once: seconds to ready, resident MiB of all when idle."""
    began = time.monotonic()
    said = tempfile.TemporaryFile()
    processes = [subprocess.Popen(command, stdout=said, stderr=said) for command in commands]
    try:
        while not ready(port):
            if any(process.poll() is not None for process in processes) or time.monotonic() - began > READY_WITHIN_S:
                said.seek(0)
                sys.exit(f"{commands[-1][0]} does not get ready: {said.read()[-400:].decode(errors='replace')}")
            time.sleep(0.002)
        took = time.monotonic() - began
        time.sleep(5)
        return took, sum(map(resident_mib, processes))
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait(30)


def row(name, values, unit):
    print(f"{name:44} {min(values):8.3f} {statistics.median(values):8.3f} {max(values):8.3f}  {unit}")


def main(binary, peers):
    servers = {"triad": lambda data, port: triad(binary, data, port)}
    if all((pathlib.Path(peers) / name).exists() for name in ("kube-apiserver", "etcd")):
        servers["kube-apiserver + etcd"] = lambda data, port: reference(peers, data, port)
    else:
        print("the reference is not built: `make peers` builds it, then its figures stand beside these")
    figures = {name: ([], []) for name in servers}
    for _ in range(STARTS):
        for name, commands in servers.items():
            with tempfile.TemporaryDirectory(prefix="triad-bench-") as data:
                for starts in figures[name]:
                    port = free_port()
                    starts.append(start(commands(data, port), port))
    print(f"{'':44} {'min':>8} {'median':>8} {'max':>8}")
    for name, (first, later) in figures.items():
        row(f"{name}: first start to /readyz", [took for took, _ in first], "s")
        row(f"{name}: later start to /readyz", [took for took, _ in later], "s")
        row(f"{name}: idle resident, first start", [resident for _, resident in first], "MiB")
        row(f"{name}: idle resident, later start", [resident for _, resident in later], "MiB")


main(*sys.argv[1:])
