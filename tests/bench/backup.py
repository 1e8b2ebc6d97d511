"""Backups under load: how long one takes besides copying, what writers notice of it, how long a restore takes.

    backup.py TRIAD [MEGABYTES]       prints a table; TRIADCTL lies beside TRIAD

Fills a server of its own with ConfigMaps of about 700 kB (random, so that nothing compresses), has eight writers write small ones
all the time, and measures their latency before and during `triadctl backup save` and the second, incremental one. Then the backup
is restored. Everything lies in a temporary directory (TMPDIR) and goes with the end.
"""

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time

from servers import admin_connection, free_port

WRITERS = 8
OBJECT = 512 << 10
QUIET_SECONDS = 10


class Client:
    """One connection of an admin."""

    def __init__(self, port, data):
        self.connection = admin_connection(port, data)

    def put(self, name, text):
        body = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"text": text}})
        path = "/api/v1/namespaces/default/configmaps"
        self.connection.request("POST", path, body, {"Content-Type": "application/json"})
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status != 201:
            raise SystemExit(f"{name}: {answer.status} {text[:200]}")

    def ready(self):
        try:
            self.connection.request("GET", "/readyz")
            answer = self.connection.getresponse()
            answer.read()
            return answer.status == 200
        except OSError:
            self.connection.close()
            return False


def fill(port, data, megabytes):
    names = iter(range(megabytes * (1 << 20) // (OBJECT * 4 // 3)))
    lock = threading.Lock()

    def work():
        client = Client(port, data)
        while True:
            with lock:
                n = next(names, None)
            if n is None:
                return
            client.put(f"filler-{n}", base64.b64encode(os.urandom(OBJECT)).decode())

    run_all([threading.Thread(target=work) for _ in range(4)])


def run_all(threads):
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Writers:
    """Small writes all the time; each one's beginning and how long it took."""

    def __init__(self, port, data):
        self.seen, self.stop = [], threading.Event()
        self.threads = [threading.Thread(target=self.work, args=(port, data, w)) for w in range(WRITERS)]
        for thread in self.threads:
            thread.start()

    def work(self, port, data, writer):
        client, n = Client(port, data), 0
        while not self.stop.is_set():
            started = time.monotonic()
            client.put(f"small-{writer}-{n}", "x" * 500)
            self.seen.append((started, time.monotonic() - started))
            n += 1
            time.sleep(0.02)

    def p99_ms(self, start, end):
        took = sorted(t for at, t in self.seen if start <= at < end)
        return 1000 * took[int(len(took) * 0.99)] if took else float("nan")

    def end(self):
        self.stop.set()
        for thread in self.threads:
            thread.join()


def timed(command, **env):
    started = time.monotonic()
    done = subprocess.run(command, env=dict(os.environ, **env), capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        raise SystemExit(f"{command}: {done.stderr}")
    return started, time.monotonic(), done.stdout.strip()


def measure(triad, megabytes, home):
    triadctl, data, place = os.path.join(os.path.dirname(triad), "triadctl"), os.path.join(home, "data"), os.path.join(home, "place")
    port, kubeconfig = free_port(), os.path.join(data, "admin.kubeconfig")
    flags = [f"--data-dir={data}", "--bind-address=127.0.0.1", f"--secure-port={port}", f"--peer-listen=127.0.0.1:{free_port()}"]
    log = open(os.path.join(home, "log"), "w", encoding="utf-8")
    server = subprocess.Popen([triad, "serve", *flags], stdout=log, stderr=log)
    try:
        while not os.path.exists(kubeconfig):
            time.sleep(0.05)
        while not Client(port, data).ready():
            time.sleep(0.05)
        fill(port, data, megabytes)
        writers = Writers(port, data)
        quiet = time.monotonic()
        time.sleep(QUIET_SECONDS)
        before = writers.p99_ms(quiet, time.monotonic())
        rows = [("writers' p99, nothing else going on", f"{before:.1f} ms")]
        for name in ("full", "next"):
            start, end, said = timed([triadctl, "backup", "save", place, "--name", name], KUBECONFIG=kubeconfig)
            rows.append((f"backup {name}: wall time", f"{end - start:.2f} s"))
            rows.append((f"backup {name}: writers' p99 during it", f"{writers.p99_ms(start, end):.1f} ms"))
            rows.append((f"backup {name}", said.split(": ")[-1]))
        writers.end()
        # Nothing is copied here: what is left is the checkpoint, its listing and the manifest.
        time.sleep(1)
        timed([triadctl, "backup", "save", place, "--name", "warm"], KUBECONFIG=kubeconfig)
        start, end, said = timed([triadctl, "backup", "save", place, "--name", "again"], KUBECONFIG=kubeconfig)
        rows.append(("backup with nothing new: wall time", f"{end - start:.2f} s"))
        rows.append(("backup with nothing new", said.split(": ")[-1]))
    finally:
        server.terminate()
        server.wait(60)
    start, end, _ = timed([triadctl, "restore", place, "--data-dir", os.path.join(home, "again"), "--yes"])
    rows.append(("restore: wall time", f"{end - start:.2f} s"))
    rows.append(("objects", f"{megabytes} MB"))
    return rows


def main():
    triad, megabytes = os.path.abspath(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    home = tempfile.mkdtemp(prefix="triad-backup-bench-")
    try:
        for what, figure in measure(triad, megabytes, home):
            print(f"{what:45} {figure}")
    finally:
        shutil.rmtree(home, ignore_errors=True)


main()
