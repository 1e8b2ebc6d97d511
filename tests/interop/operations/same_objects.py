"""Compares every object of a server with what another one had: each has to be there as it was, but for its resourceVersion.

    same_objects.py save KUBECONFIG             writes all objects to standard output
    same_objects.py compare SAVED KUBECONFIG    says how many there are, and which are different
"""

import json
import subprocess
import sys

verb, first = sys.argv[1:3]


def kubectl(config, *args):
    done = subprocess.run(["kubectl", f"--kubeconfig={config}", *args], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"kubectl {' '.join(args)}: {done.stderr}")
    return done.stdout


def objects(config, resource):
    listed = json.loads(kubectl(config, "get", resource, "-A", "-o", "json"))["items"]
    found = {}
    for item in listed:
        meta = item["metadata"]
        if meta.pop("resourceVersion", None) is None:
            # Made up for the answer, as componentstatuses are.
            continue
        found[meta.get("namespace", ""), meta["name"]] = item
    return found


def served(config):
    return set(kubectl(config, "api-resources", "--verbs=list", "-o", "name").split())


def stored(config, resource, items):
    """What the store has of objects whose resource is not served."""
    found = {}
    for namespace, name, _ in items:
        command = ["triadctl", f"--kubeconfig={config}", "history", f"{resource}/{name}", "-n", namespace, "-o", "json"]
        history = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        found[namespace, name] = history["versions"][-1]["object"]
    return found


if verb == "save":
    resources = served(first)
    found = {resource: objects(first, resource) for resource in sorted(set(resources))}
    print(json.dumps({resource: [[*key, item] for key, item in items.items()] for resource, items in found.items()}))
    sys.exit()
compared, wrong = 0, 0
with open(first, encoding="utf-8") as saved:
    expected = json.load(saved)
second = sys.argv[3]
there_served = served(second)
for resource, items in expected.items():
    there = objects(second, resource) if resource in there_served else stored(second, resource, items)
    for namespace, name, item in items:
        if "apiserver.kubernetes.io/identity" in item["metadata"].get("labels", {}):
            # Of the old servers: the new one takes those away that are not renewed.
            continue
        if (namespace, name) == ("kube-system", "extension-apiserver-authentication"):
            # What a server says of itself: the new one adds whom it shows itself with.
            continue
        compared += 1
        found = there.get((namespace, name))
        if found != item:
            wrong += 1
            print(f"different: {resource} {namespace}/{name}: it was {json.dumps(item)[:500]} and is {json.dumps(found)[:500]}")
print(f"{compared} objects compared, {wrong} different")
