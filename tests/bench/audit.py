#!/usr/bin/env python3
"""What the audit log costs: authorized GETs of a Pod with no policy, and with each level in the log, in turns, each server alone. A user of
a token who is bound to cluster-admin asks, so that RBAC decides. Prints a line for each: requests a second, p50 and p99, the server's CPU.

audit.py TRIAD TRIADCTL
"""
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

import servers

ROUNDS, SECONDS, CLIENTS = 3, 5, 16
LEVELS = ["no policy", "None", "Metadata", "RequestResponse"]


def flags(level, home):
    tokens = pathlib.Path(home) / "tokens.csv"
    tokens.write_text("bench-token,bench,1\n")
    known = [f"--token-auth-file={tokens}"]
    if level == "no policy":
        return known
    policy = pathlib.Path(home) / "policy.yaml"
    policy.write_text(f"apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{{level: {level}}}]\n")
    return known + [f"--audit-policy-file={policy}", f"--audit-log-path={home}/audit.log"]


def kubeconfig(server, home):
    """One of a user whom nothing but a binding lets in."""
    binding = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "bench"},
               "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
               "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "bench"}]}
    connection = servers.admin_connection(server.port, server.data)
    connection.request("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", json.dumps(binding),
                       {"Content-Type": "application/json"})
    if connection.getresponse().status != 201:
        sys.exit("the user of the bench cannot be bound to a role")
    path = pathlib.Path(home) / "bench.kubeconfig"
    path.write_text(json.dumps({
        "apiVersion": "v1", "kind": "Config", "current-context": "bench",
        "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "bench"}}],
        "clusters": [{"name": "bench", "cluster": {
            "server": f"https://127.0.0.1:{server.port}", "certificate-authority": f"{server.data}/pki/ca.crt"}}],
        "users": [{"name": "bench", "user": {"token": "bench-token"}}],
    }))
    return path


def measure(triad, triadctl, level):
    with tempfile.TemporaryDirectory(prefix="triad-bench-") as home:
        server = servers.Triad(triad, f"{home}/data", flags=flags(level, home))
        server.start()
        try:
            run = [triadctl, f"--kubeconfig={kubeconfig(server, home)}", "bench", "run", "get-pods", f"--clients={CLIENTS}",
                   f"--duration={SECONDS}s", "-o", "json", "--pid", ",".join(map(str, server.pids()))]
            done = subprocess.run(run, capture_output=True, text=True, timeout=300, check=True)
            return [json.loads(line) for line in done.stdout.splitlines()]
        finally:
            server.stop()


def main(triad, triadctl):
    seen = {}
    for _ in range(ROUNDS):
        for level in LEVELS:
            for figure in measure(triad, triadctl, level):
                if figure["failed"]:
                    sys.exit(f"{figure['failed']} requests failed: {figure}")
                seen.setdefault((figure["scenario"], level), []).append(figure)
    names = ["per_second", "p50_ms", "p99_ms", "cpu_ms_per_operation"]
    print(f"{'median of ' + str(ROUNDS):34}" + "".join(f"{name:>22}" for name in names))
    for (scenario, level), figures in seen.items():
        row = [statistics.median(figure[name] for figure in figures) for name in names]
        print(f"{scenario + ', ' + level:34}" + "".join(f"{value:22.3f}" for value in row))


main(*sys.argv[1:])
