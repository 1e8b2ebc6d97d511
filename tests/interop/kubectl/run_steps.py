"""Runs .steps files: shell commands with the patterns that their output must and must not show.

    run_steps.py RESULTS FILE...      one line "pass NAME" or "fail NAME why" per step goes to RESULTS

A file is a list of steps, run in order, in a namespace named after the file:

    == name of the step
    $ command                 one or more lines of bash; KUBECONFIG, NS and M (the manifests) are set
    ~ pattern                 a regular expression that standard output and error together must contain; at least one
    !~ pattern                one that they must not contain
    = code                    the exit code (0 when not given; `!0` is any failure)
    @ seconds                 repeat the command until it is as expected, at most this long

A line that starts with # is a comment.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
STEP_SECONDS = int(os.environ.get("STEP_SECONDS", "60"))


class Step:
    def __init__(self, name):
        self.name, self.script, self.wanted, self.unwanted, self.code, self.patience = name, [], [], [], "0", 0.0


def parse(path):
    steps = []
    for number, line in enumerate(open(path, encoding="utf-8"), 1):
        line = line.rstrip("\n")
        mark, _, rest = line.partition(" ")
        if not line.strip() or line.startswith("#"):
            continue
        if mark == "==":
            steps.append(Step(rest.strip()))
        elif mark == "$":
            steps[-1].script.append(rest)
        elif mark == "~":
            steps[-1].wanted.append(re.compile(rest, re.M))
        elif mark == "!~":
            steps[-1].unwanted.append(re.compile(rest, re.M))
        elif mark == "=":
            steps[-1].code = rest.strip()
        elif mark == "@":
            steps[-1].patience = float(rest)
        else:
            raise SystemExit(f"{path}:{number}: what is {line!r}?")
    for step in steps:
        if not step.script or not step.wanted:
            raise SystemExit(f"{path}: step {step.name!r} needs a command and a pattern that its output shows")
    names = [step.name for step in steps]
    if len(set(names)) != len(names):
        raise SystemExit(f"{path}: two steps bear the same name")
    return steps


def judge(step, code, text):
    """Why the answer is not the expected one; None when it is."""
    as_expected = code != 0 if step.code == "!0" else code == int(step.code)
    if not as_expected:
        return f"exit code {code}, wanted {step.code}"
    for pattern in step.wanted:
        if not pattern.search(text):
            return f"no {pattern.pattern!r}"
    for pattern in step.unwanted:
        if pattern.search(text):
            return f"unwanted {pattern.pattern!r}"
    return None


def run(step, environment, directory):
    script = "set -o pipefail\n" + "\n".join(step.script)
    until = time.monotonic() + step.patience
    while True:
        try:
            command = ["timeout", "-k", "2", str(STEP_SECONDS), "bash", "-c", script]
            done = subprocess.run(command, cwd=directory, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            code, text = done.returncode, done.stdout.decode("utf-8", "replace")
        except OSError as error:
            code, text = -1, str(error)
        why = judge(step, code, text)
        if why is None or time.monotonic() >= until:
            return why, text
        time.sleep(0.2)


def main():
    results, files = open(sys.argv[1], "a", encoding="utf-8"), sys.argv[2:]
    for path in files:
        namespace = os.path.basename(path).removesuffix(".steps")
        directory = tempfile.mkdtemp(prefix=f"steps-{namespace}-", dir=os.environ.get("RUN"))
        kubeconfig = os.path.join(directory, "kubeconfig")
        shutil.copy(os.environ["KUBECONFIG"], kubeconfig)
        environment = dict(os.environ, KUBECONFIG=kubeconfig, NS=namespace, M=os.path.join(HERE, "..", "manifests"), HOME=directory)
        setup = f"kubectl create namespace {namespace}; kubectl config set-context --current --namespace={namespace}"
        subprocess.run(["bash", "-c", setup], env=environment, check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        for step in parse(path):
            why, text = run(step, environment, directory)
            name = f"{namespace}/{step.name}"
            if why is None:
                print(f"pass {name}", file=results, flush=True)
                continue
            print(f"fail {name}\t{why}", file=results, flush=True)
            print(f"--- {name}: {why}")
            print("    $ " + "\n    $ ".join(step.script))
            print("".join(f"    {line}\n" for line in text.splitlines()[-25:]), end="", flush=True)


main()
