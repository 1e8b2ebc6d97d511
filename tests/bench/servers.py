"""Servers to measure: triad, and the reference (kube-apiserver with etcd), each started on a directory and a port of its own, with an
admin's kubeconfig. What the scripts beside this one share: ports, waiting for /readyz, what processes take of the machine.
"""
import base64
import http.client
import json
import os
import pathlib
import re
import socket
import ssl
import subprocess
import sys
import time
import urllib.request

READY_WITHIN_S = 60


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def ready(port):
    """Whether a server answers 200 on /readyz, to anybody."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=2, context=context)
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False


def admin_connection(port, data, timeout=60):
    """A connection of the admin of a triad, with the certificate that it made."""
    pki = pathlib.Path(data) / "pki"
    context = ssl.create_default_context(cafile=pki / "ca.crt")
    context.load_cert_chain(pki / "admin.crt", pki / "admin.key")
    return http.client.HTTPSConnection("127.0.0.1", port, timeout=timeout, context=context)


def resident_mib(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")) / 1024


def disk_bytes(directory):
    """What the files of a directory take on disk."""
    found = 0
    for path in pathlib.Path(directory).rglob("*"):
        try:
            found += path.lstat().st_blocks * 512 if path.is_file() else 0
        except FileNotFoundError:
            pass
    return found


class Server:
    """The processes of one server. `cores` are those that it may run on, as taskset writes them."""

    def __init__(self, data, cores=None):
        self.data, self.cores, self.port = str(data), cores, free_port()
        self.processes = []

    def start(self):
        """Starts all processes at once; seconds to ready."""
        prefix = ["taskset", "-c", self.cores] if self.cores else []
        commands = self.commands()
        began = time.monotonic()
        with open(f"{self.data}.log", "ab") as said:
            self.processes = [subprocess.Popen(prefix + command, stdout=said, stderr=said) for command in commands]
        while not ready(self.port):
            if any(process.poll() is not None for process in self.processes) or time.monotonic() - began > READY_WITHIN_S:
                self.stop()
                sys.exit(f"{self.name} does not get ready: {pathlib.Path(self.data + '.log').read_text(errors='replace')[-400:]}")
            time.sleep(0.002)
        return time.monotonic() - began

    def stop(self):
        for process in reversed(self.processes):
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes = []

    def pids(self):
        return [process.pid for process in self.processes]

    def resident_mib(self):
        return sum(map(resident_mib, self.pids()))


class Triad(Server):
    """One triad; it makes its own certificates and the admin's kubeconfig."""
    name = "triad"

    def __init__(self, binary, data, cores=None, flags=()):
        super().__init__(data, cores)
        self.flags = flags
        self.binary, self.kubeconfig = binary, f"{data}/admin.kubeconfig"
        self.peer_port = free_port()

    def commands(self):
        return [[
            self.binary, "serve", "--data-dir", self.data, "--bind-address=127.0.0.1", f"--secure-port={self.port}",
            f"--peer-listen=127.0.0.1:{self.peer_port}", *self.flags,
        ]]

    def compact(self, triadctl):
        """Gives up all history, and what the database keeps of it."""
        connection = admin_connection(self.port, self.data)
        connection.request("GET", "/api/v1/configmaps?limit=1")
        revision = json.loads(connection.getresponse().read())["metadata"]["resourceVersion"]
        subprocess.run([triadctl, f"--kubeconfig={self.kubeconfig}", "compact", revision], capture_output=True, check=True, timeout=300)


class Reference(Server):
    """kube-apiserver and etcd with their defaults, certificates of P-256 as triad makes them, and an admin's kubeconfig."""
    name = "reference"

    def __init__(self, peers, data, cores=None):
        super().__init__(data, cores)
        self.peers, self.kubeconfig = peers, f"{data}/admin.kubeconfig"
        self.client_port, self.peer_port = free_port(), free_port()

    def certificates(self):
        """The service-account key has to be there before the start, and an authority for the admin's certificate."""
        if pathlib.Path(self.kubeconfig).exists():
            return
        pathlib.Path(self.data).mkdir(parents=True, exist_ok=True)

        def openssl(*words):
            subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=self.data)

        for name in ("sa", "ca", "server", "admin"):
            openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", f"{name}.key")
        openssl("req", "-x509", "-new", "-key", "ca.key", "-subj", "/CN=bench-ca", "-days", "2", "-out", "ca.crt",
                "-addext", "basicConstraints=critical,CA:TRUE")
        for name, subject in (("server", "/CN=kube-apiserver"), ("admin", "/O=system:masters/CN=admin")):
            openssl("req", "-new", "-key", f"{name}.key", "-subj", subject, "-out", f"{name}.csr")
            extra = "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=" + ("serverAuth" if name == "server" else "clientAuth")
            pathlib.Path(self.data, f"{name}.ext").write_text(extra)
            openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
                    "-extfile", f"{name}.ext", "-out", f"{name}.crt")
        pathlib.Path(self.kubeconfig).write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "bench",
            "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "admin"}}],
            "clusters": [{"name": "bench", "cluster": {"server": f"https://127.0.0.1:{self.port}", "certificate-authority": "ca.crt"}}],
            "users": [{"name": "admin", "user": {"client-certificate": "admin.crt", "client-key": "admin.key"}}],
        }))

    def commands(self):
        self.certificates()
        data, client, peer = self.data, self.client_port, self.peer_port
        etcd = [
            f"{self.peers}/etcd", f"--data-dir={data}/etcd", "--log-level=warn",
            f"--listen-client-urls=http://127.0.0.1:{client}", f"--advertise-client-urls=http://127.0.0.1:{client}",
            f"--listen-peer-urls=http://127.0.0.1:{peer}", f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}",
            f"--initial-cluster=default=http://127.0.0.1:{peer}",
        ]
        apiserver = [
            f"{self.peers}/kube-apiserver", f"--etcd-servers=http://127.0.0.1:{client}", "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1", f"--secure-port={self.port}", "--authorization-mode=Node,RBAC",
            f"--client-ca-file={data}/ca.crt", f"--tls-cert-file={data}/server.crt", f"--tls-private-key-file={data}/server.key",
            # It refuses to advertise a loopback address to pods.
            "--endpoint-reconciler-type=none", "--service-cluster-ip-range=10.0.0.0/24",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={data}/sa.key", f"--service-account-signing-key-file={data}/sa.key",
        ]
        return [etcd, apiserver]

    def compact(self, _triadctl):
        """Gives up all history in etcd, and what the file keeps of it, through etcd's JSON gateway."""
        def etcd(path, body):
            request = urllib.request.Request(f"http://127.0.0.1:{self.client_port}/v3/{path}", json.dumps(body).encode())
            with urllib.request.urlopen(request, timeout=120) as answer:
                return json.load(answer)

        key = base64.b64encode(b"/").decode()
        revision = etcd("kv/range", {"key": key, "count_only": True})["header"]["revision"]
        etcd("kv/compaction", {"revision": revision, "physical": True})
        etcd("maintenance/defragment", {})


def peers_built(peers):
    return all((pathlib.Path(peers) / name).exists() for name in ("kube-apiserver", "etcd"))


def machine():
    """What the figures were measured on, in words."""
    info = pathlib.Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*: (.*)", info)
    memory = int(re.search(r"MemTotal:\s*(\d+)", pathlib.Path("/proc/meminfo").read_text()).group(1)) / (1 << 20)
    kernel = pathlib.Path("/proc/sys/kernel/osrelease").read_text().strip()
    return f"{os.cpu_count()} cores ({model.group(1) if model else 'of an unnamed kind'}), {memory:.0f} GiB, Linux {kernel}"
