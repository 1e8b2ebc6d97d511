"""A provisioner without disks: makes the volume that the binder of kube-controller-manager asks for, until it is ended.

    provisioner.py CLASS
"""

import json
import subprocess
import sys
import time

STORAGE_CLASS = sys.argv[1]


def kubectl(*args, **options):
    return subprocess.run(["kubectl", *args], capture_output=True, text=True, **options)


def volume(claim):
    meta, spec = claim["metadata"], claim["spec"]
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"pv-{meta['uid']}", "annotations": {"pv.kubernetes.io/provisioned-by": "fake.example/disk"}},
        "spec": {
            "capacity": {"storage": spec["resources"]["requests"]["storage"]},
            "accessModes": spec["accessModes"],
            "storageClassName": STORAGE_CLASS,
            "persistentVolumeReclaimPolicy": "Retain",
            "csi": {"driver": "fake.example", "volumeHandle": meta["uid"]},
            "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": meta["namespace"], "name": meta["name"], "uid": meta["uid"]},
        },
    }


def asked(claim):
    placed = "volume.kubernetes.io/selected-node" in claim["metadata"].get("annotations", {})
    return placed and claim["spec"].get("storageClassName") == STORAGE_CLASS and claim["status"]["phase"] == "Pending"


while True:
    listed = kubectl("get", "pvc", "-A", "-o", "json")
    claims = json.loads(listed.stdout)["items"] if listed.returncode == 0 else []
    for claim in filter(asked, claims):
        kubectl("create", "--validate=false", "-f", "-", input=json.dumps(volume(claim)))
    volumes = kubectl("get", "pv", "-o", "json")
    for released in json.loads(volumes.stdout)["items"] if volumes.returncode == 0 else []:
        if released["status"].get("phase") == "Released":
            kubectl("delete", "pv", released["metadata"]["name"], "--wait=false")
    time.sleep(0.3)
