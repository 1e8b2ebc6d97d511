"""Saves a snapshot of an etcd through its gateway, as `etcdctl snapshot save` does through gRPC: etcd itself appends the hash.

    etcd_snapshot.py http://127.0.0.1:PORT FILE
"""

import base64
import json
import sys
import urllib.request

url, path = sys.argv[1:]
request = urllib.request.Request(f"{url}/v3/maintenance/snapshot", data=b"{}", headers={"content-type": "application/json"})
decoder, text = json.JSONDecoder(), urllib.request.urlopen(request, timeout=60).read().decode()
with open(path, "wb") as out:
    while text := text.lstrip():
        answer, end = decoder.raw_decode(text)
        out.write(base64.b64decode(answer["result"].get("blob", "")))
        text = text[end:]
