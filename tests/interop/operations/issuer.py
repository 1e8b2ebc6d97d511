"""An OpenID issuer on loopback whose tokens are like those of Azure's two versions, and the plugin that kubectl asks for them.

    issuer.py serve DIR                   serves DIR/url/tenant/ (v1) and DIR/url/tenant/v2.0 (v2); keys and certificate lie in DIR
    issuer.py token DIR VERSION CLAIMS    prints a token of either; CLAIMS is JSON that is laid over the usual ones
    issuer.py credential DIR VERSION      what kubectl's exec plugins print: an ExecCredential with such a token, of $CLAIMS
"""

import base64
import http.server
import json
import os
import ssl
import subprocess
import sys
import time

verb, where, rest = sys.argv[1], sys.argv[2], sys.argv[3:]


def openssl(*args, given=None):
    return subprocess.run(["openssl", *args], cwd=where, input=given, capture_output=True, check=True).stdout


def encoded(data):
    data = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def issuer(version):
    with open(f"{where}/url", encoding="utf-8") as url:
        return url.read() + {"v1": "/tenant/", "v2": "/tenant/v2.0"}[version]


def token(version, more):
    # Each version names the user in a claim of its own.
    own = {"v1": {"upn": "ada@example.com", "aud": "api://app"}, "v2": {"preferred_username": "ada@example.com", "aud": "api"}}[version]
    claims = {"iss": issuer(version), "sub": "1", "tid": "tenant", "groups": ["viewers"], "iat": int(time.time()), "exp": int(time.time()) + 600, **own, **more}
    signed = f"{encoded({'alg': 'RS256', 'typ': 'JWT', 'kid': 'k'})}.{encoded(claims)}"
    return f"{signed}.{encoded(openssl('dgst', '-sha256', '-sign', 'key.pem', given=signed.encode()))}"


class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        modulus = bytes.fromhex(openssl("rsa", "-in", "key.pem", "-noout", "-modulus").decode().strip().partition("=")[2])
        documents = {"/keys": {"keys": [{"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "k", "n": encoded(modulus), "e": "AQAB"}]}}
        for version in ("v1", "v2"):
            url = issuer(version)
            path = "/" + url.split("/", 3)[3].rstrip("/") + "/.well-known/openid-configuration"
            documents[path] = {"issuer": url, "jwks_uri": url.split("/tenant")[0] + "/keys"}
        document = documents.get(self.path)
        body = json.dumps(document or "not found").encode()
        self.send_response(200 if document else 404)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


if verb == "serve":
    os.makedirs(where, exist_ok=True)
    openssl("genrsa", "-out", "key.pem", "2048")
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "tls.key", "-out", "tls.pem", "-days", "2", "-subj", "/CN=issuer", "-addext", "subjectAltName=IP:127.0.0.1")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{where}/tls.pem", f"{where}/tls.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    with open(f"{where}/url.new", "w", encoding="utf-8") as url:
        url.write(f"https://127.0.0.1:{server.server_port}")
    os.rename(f"{where}/url.new", f"{where}/url")
    server.serve_forever()
elif verb == "token":
    print(token(rest[0], json.loads(rest[1])))
elif verb == "credential":
    status = {"token": token(rest[0], json.loads(os.environ.get("CLAIMS") or "{}"))}
    print(json.dumps({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}))
