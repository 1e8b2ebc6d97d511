#!/usr/bin/env python3
"""A small server of metrics.k8s.io/v1beta1 for `kubectl top`: one node and one pod, always with the same figures.

    metrics.py PORT CERTIFICATE KEY CLIENT_CA     serves on loopback until it is ended; only who shows a certificate of CLIENT_CA is let in
"""
import http.server
import json
import ssl
import sys

GROUP = "metrics.k8s.io/v1beta1"


def metrics(kind, name, namespace=None):
    usage = {"cpu": "250m", "memory": "128Mi"}
    found = {"kind": kind, "apiVersion": GROUP, "metadata": {"name": name}, "timestamp": "2026-01-01T00:00:00Z", "window": "30s"}
    if namespace is None:
        return found | {"usage": usage}
    found["metadata"]["namespace"] = namespace
    return found | {"containers": [{"name": "main", "usage": usage}]}


def listed(kind, items):
    return {"kind": kind + "List", "apiVersion": GROUP, "metadata": {}, "items": items}


def answer(path):
    parts = path.strip("/").split("/")
    if parts[:3] != ["apis", *GROUP.split("/")]:
        return None
    match parts[3:]:
        case []:
            def resource(name, kind, namespaced):
                return {"name": name, "singularName": "", "namespaced": namespaced, "kind": kind, "verbs": ["get", "list"]}
            resources = [resource("nodes", "NodeMetrics", False), resource("pods", "PodMetrics", True)]
            return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": GROUP, "resources": resources}
        case ["nodes"]:
            return listed("NodeMetrics", [metrics("NodeMetrics", "node-1")])
        case ["nodes", name]:
            return metrics("NodeMetrics", name)
        case ["pods"]:
            return listed("PodMetrics", [metrics("PodMetrics", "pod-1", "default")])
        case ["namespaces", namespace, "pods"]:
            return listed("PodMetrics", [metrics("PodMetrics", "pod-1", namespace)])
        case ["namespaces", namespace, "pods", name]:
            return metrics("PodMetrics", name, namespace)
    return None


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        # Whoever came this far is the front proxy; it says who asks.
        user = self.headers.get("X-Remote-User")
        found = answer(self.path.split("?")[0]) if user else None
        body = json.dumps(found or {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404}).encode()
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


port, certificate, key, client_ca = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
context.load_verify_locations(client_ca)
context.verify_mode = ssl.CERT_REQUIRED
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), Handler)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
