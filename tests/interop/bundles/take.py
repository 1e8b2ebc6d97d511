"""Takes the definitions that a table names out of Go modules.

    take.py TABLE DIRECTORY      each bundle's files come into DIRECTORY/BUNDLE

The modules come from the proxy that go is set up for, checked as go checks them, into a module cache that goes again.
"""

import fnmatch
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import zipfile

WITHIN_S = 300


def rows(table):
    lines = (line.split() for line in open(table, encoding="utf-8"))
    return [tuple(line) for line in lines if line and not line[0].startswith("#")]


def take(module, wanted, into, cache):
    environment = dict(os.environ, GOMODCACHE=cache, GOFLAGS="-modcacherw", GOWORK="off")
    command = ["go", "mod", "download", "-json", module]
    done = subprocess.run(command, cwd=cache, env=environment, timeout=WITHIN_S, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    said = json.loads(done.stdout or "{}")
    if done.returncode != 0:
        sys.exit(f"{module}: {said.get('Error') or done.returncode}")
    taken = 0
    with zipfile.ZipFile(said["Zip"]) as files:
        for name in files.namelist():
            if fnmatch.fnmatch(name.removeprefix(module + "/"), wanted):
                (into / os.path.basename(name)).write_bytes(files.read(name))
                taken += 1
    if not taken:
        sys.exit(f"{module}: no file is called {wanted}")


def main(table, directory):
    for bundle, module, wanted in rows(table):
        into = pathlib.Path(directory, bundle)
        into.mkdir(parents=True)
        with tempfile.TemporaryDirectory(prefix="triad-modules-") as cache:
            take(module, wanted, into, cache)


main(*sys.argv[1:])
