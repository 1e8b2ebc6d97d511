"""Makes a container in Azurite: make_container.py ENDPOINT NAME. The account and its key are the emulator's, which everybody knows."""
import base64
import email.utils
import hashlib
import hmac
import sys
import urllib.request

ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
VERSION = "2021-12-02"

endpoint, name = sys.argv[1:]
date = email.utils.formatdate(usegmt=True)
signed = f"PUT\n{chr(10) * 11}x-ms-date:{date}\nx-ms-version:{VERSION}\n/{ACCOUNT}/{ACCOUNT}/{name}\nrestype:container"
signature = base64.b64encode(hmac.new(base64.b64decode(KEY), signed.encode(), hashlib.sha256).digest()).decode()
request = urllib.request.Request(f"{endpoint}/{ACCOUNT}/{name}?restype=container", method="PUT", headers={
    "x-ms-date": date, "x-ms-version": VERSION, "Authorization": f"SharedKey {ACCOUNT}:{signature}", "Content-Length": "0"})
urllib.request.urlopen(request, timeout=5)
