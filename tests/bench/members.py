"""A cluster of three members on loopback, each a process that can be killed and started again on its data."""
import http.client
import json
import pathlib
import subprocess
import sys
import time

from servers import admin_connection, free_port

READY_WITHIN_S = 60


class Member:
    """A server that can be started again on its data."""

    def __init__(self, binary, directory, n):
        self.binary, self.name, self.data = binary, f"m{n}", directory / f"m{n}"
        self.port, self.peer = free_port(), free_port()
        self.kubeconfig = self.data / "admin.kubeconfig"
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
                sys.exit(f"{self.name} does not get ready:\n{self.data.with_suffix('.log').read_text()[-2000:]}")
            time.sleep(0.02)

    def kill(self):
        self.process.kill()
        self.process.wait()

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


class Cluster:
    """Three members in a directory; they are killed when it ends."""

    def __init__(self, triad, triadctl, directory):
        self.triadctl = triadctl
        self.members = [Member(triad, pathlib.Path(directory), n) for n in range(3)]

    def __enter__(self):
        try:
            self.members[0].start()
            token = self.token(self.members[0])
            for member in self.members[1:]:
                member.start(token)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for member in self.members:
            if member.process:
                member.kill()

    def ask(self, member, *words, timeout=20):
        """What triadctl answers at a member."""
        command = [self.triadctl, f"--kubeconfig={member.kubeconfig}", *words]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=timeout).stdout

    def token(self, member):
        """With which others join."""
        return self.ask(member, "token", "create", "--role", "server").split()[-1]

    def status(self, member):
        """What one member says of each, by name."""
        return {one["name"]: one for one in json.loads(self.ask(member, "status", "-o", "json"))["members"]}

    def leader(self):
        for member in self.members:
            try:
                status = self.status(member)
            except subprocess.CalledProcessError:
                continue
            led = [one for one in self.members if one.name in status and status[one.name]["leader"]]
            if led:
                return led[0]
        sys.exit("nobody says who leads")
