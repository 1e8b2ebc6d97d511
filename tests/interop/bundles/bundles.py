"""Installs definitions of known projects, makes an object of each kind, and does with it what kubectl can.

    bundles.py RESULTS TAKEN [BUNDLE...]      TAKEN is the directory that take.py wrote; KUBECONFIG names the server

One line "pass BUNDLE/STEP" or "fail BUNDLE/STEP<tab>why" goes to RESULTS for each step, and for each kind where a step is about one.
objects/BUNDLE.yaml has an object of each kind, refused/BUNDLE.yaml what must be refused and a part of what is said of it.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import yaml

HERE = pathlib.Path(__file__).parent
WITHIN_S = 120
ESTABLISHED_WITHIN_S = 60


class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """YAML as Go's library reads it: a lone `=` is a string."""


Loader.add_constructor("tag:yaml.org,2002:value", lambda loader, node: node.value)


def documents(path):
    return [one for one in yaml.load_all(path.read_text(encoding="utf-8"), Loader=Loader) if one]


class Failed(Exception):
    """What was not as it must be, in a line."""


def kubectl(*words, fails=False):
    """What kubectl says; errors, too, where it must fail."""
    command = ["timeout", "-k", "2", str(WITHIN_S), "kubectl", *map(str, words)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if (done.returncode != 0) != fails:
        raise Failed(f"{' '.join(map(str, words))[:200]}: exit code {done.returncode}: {(done.stderr or done.stdout).strip()[-600:]}")
    return done.stderr if fails else done.stdout


def differs(wanted, found, at=""):
    """Where what was found does not hold what was written; None when it does."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        within = (differs(value, found.get(key), f"{at}.{key}") for key, value in wanted.items())
        return next((one for one in within if one), None)
    if isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        within = (differs(one, other, f"{at}[{number}]") for number, (one, other) in enumerate(zip(wanted, found)))
        return next((one for one in within if one), None)
    return None if wanted == found else f"{at}: {found!r} in the place of {wanted!r}"


class Kind:
    """A kind of a bundle, and the object that is made of it."""

    def __init__(self, definition, objects):
        spec = definition["spec"]
        self.group, self.kind, self.plural = spec["group"], spec["names"]["kind"], spec["names"]["plural"]
        self.resource = f"{self.plural}.{self.group}"
        self.served = [version["name"] for version in spec["versions"] if version["served"]]
        own = [one for one in objects if one["kind"] == self.kind and one["apiVersion"].split("/")[0] == self.group]
        if len(own) != 1:
            raise Failed(f"{len(own)} objects of {self.kind}.{self.group} where one is wanted")
        self.object = own[0]
        self.name, self.version = self.object["metadata"]["name"], self.object["apiVersion"].split("/")[1]

    def read(self, version=None):
        return json.loads(kubectl("get", f"{self.plural}.{version or self.version}.{self.group}", self.name, "-o", "json"))


class Bundle:
    def __init__(self, name, taken, results):
        self.name, self.results = name, results
        self.definitions, self.objects = taken / name, HERE / "objects" / f"{name}.yaml"
        found = [one for path in sorted(self.definitions.iterdir()) for one in documents(path)]
        found = [one for one in found if one["kind"] == "CustomResourceDefinition"]
        objects = documents(self.objects)
        self.kinds = [Kind(one, objects) for one in found]
        self.names = [f"crd/{one['metadata']['name']}" for one in found]

    def step(self, name, work, *what):
        """Whether it went as it must."""
        try:
            work(*what)
        except (Failed, KeyError, ValueError) as why:
            text = " ".join(str(why).split()) or type(why).__name__
            print(f"fail {self.name}/{name}\t{text[:900]}", file=self.results, flush=True)
            return False
        print(f"pass {self.name}/{name}", file=self.results, flush=True)
        return True

    def of_each(self, what, work):
        for kind in self.kinds:
            self.step(f"{kind.kind}.{kind.group} {what}", work, kind)

    def run(self):
        if not self.step("definitions are created", self.install, "create"):
            return
        self.step("what is invalid is refused", self.refused)
        if self.step("objects are created", kubectl, "create", "-f", self.objects):
            self.of_each("is read as it was written", self.reads)
            self.of_each("is read in each version", self.reads_versions)
            self.of_each("is listed", self.lists)
            self.of_each("is explained", self.explains)
            self.of_each("is changed", self.changes)
            self.step("objects are applied", self.applies)
            self.of_each("is deleted", self.deletes)
        self.step("definitions are deleted", self.uninstall)
        if self.step("definitions are applied by the server", self.install, "apply", "--server-side"):
            self.step("applying them again changes nothing", self.applies_again)
            self.step("objects are applied to them", kubectl, "apply", "--server-side", "-f", self.objects)
        self.step("definitions are deleted with their objects", self.uninstall)

    def install(self, *how):
        kubectl(*how, "-f", self.definitions)
        kubectl("wait", "--for=condition=Established", f"--timeout={ESTABLISHED_WITHIN_S}s", *self.names)

    def uninstall(self):
        kubectl("delete", "-f", self.definitions, "--wait", f"--timeout={WITHIN_S}s")
        left = kubectl("get", "crd", "-o", "name").split()
        left = [one for one in left if one.replace("customresourcedefinition.apiextensions.k8s.io/", "crd/") in self.names]
        if left:
            raise Failed(f"{left} are there still")

    def refused(self):
        for wanted in documents(HERE / "refused" / f"{self.name}.yaml"):
            because = wanted["metadata"].pop("annotations")["because"]
            with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
                json.dump(wanted, file)
                file.flush()
                said = kubectl("create", "-f", file.name, fails=True)
            if because not in " ".join(said.split()):
                raise Failed(f"{wanted['kind']}: {said[-400:]!r} does not say {because!r}")

    def reads(self, kind):
        wrong = differs(kind.object, kind.read())
        if wrong:
            raise Failed(wrong)

    def reads_versions(self, kind):
        for version in kind.served:
            found = kind.read(version)["apiVersion"]
            if found != f"{kind.group}/{version}":
                raise Failed(f"{found} in the place of {version}")

    def lists(self, kind):
        names = [one["metadata"]["name"] for one in json.loads(kubectl("get", kind.resource, "-o", "json"))["items"]]
        if names != [kind.name]:
            raise Failed(f"the list has {names}")
        lines = kubectl("get", kind.resource).splitlines()
        if len(lines) != 2 or not lines[0].startswith("NAME") or lines[1].split()[0] != kind.name:
            raise Failed(f"the table is {lines}")

    def explains(self, kind):
        for version in kind.served:
            said = kubectl("explain", kind.plural, f"--api-version={kind.group}/{version}").splitlines()
            for line in (f"GROUP: {kind.group}", f"KIND: {kind.kind}", f"VERSION: {version}"):
                if line not in (" ".join(one.split()) for one in said):
                    raise Failed(f"{version}: {said} has no line {line!r}")
            fields = {one.split("\t")[0].strip() for one in said if one.startswith("  ") and "\t" in one}
            # Everything that the object has beside what all have.
            missing = {field for field in kind.object if field not in fields}
            if missing:
                raise Failed(f"{version}: {missing} are not among {fields}")

    def changes(self, kind):
        before = kind.read()
        kubectl("patch", kind.resource, kind.name, "--type=merge", "-p", '{"metadata":{"labels":{"changed":"yes"}}}')
        after = kind.read()
        if after["metadata"]["labels"].get("changed") != "yes" or after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]:
            raise Failed(f"{before['metadata']} became {after['metadata']}")
        wrong = differs(kind.object, after)
        if wrong:
            raise Failed(wrong)

    def applies(self):
        kubectl("apply", "--server-side", "--force-conflicts", "-f", self.objects)
        for kind in self.kinds:
            found = json.loads(kubectl("get", kind.resource, kind.name, "-o", "json", "--show-managed-fields"))
            managers = {one["manager"]: one["operation"] for one in found["metadata"]["managedFields"]}
            if managers.get("kubectl") != "Apply":
                raise Failed(f"{kind.kind} is managed by {managers}")

    def deletes(self, kind):
        kubectl("delete", kind.resource, kind.name, "--wait", f"--timeout={WITHIN_S}s")
        left = kubectl("get", kind.resource, "-o", "name")
        if left:
            raise Failed(f"{left} is left")

    def applies_again(self):
        revisions = lambda: kubectl("get", *self.names, "-o", "jsonpath={.items[*].metadata.resourceVersion}{.metadata.resourceVersion}")
        before = revisions()
        kubectl("apply", "--server-side", "-f", self.definitions)
        if revisions() != before:
            raise Failed(f"{before} became {revisions()}")


def main(results, taken, *wanted):
    taken = pathlib.Path(taken)
    with open(results, "a", encoding="utf-8") as results:
        for name in wanted or sorted(path.name for path in taken.iterdir()):
            began = time.monotonic()
            Bundle(name, taken, results).run()
            print(f"{name}: {time.monotonic() - began:.1f} s", flush=True)


main(*sys.argv[1:])
