#!/usr/bin/env python3
"""Replays the recorded conversations of the reference that the project claims (claimed.txt) against an empty triad.

The recordings and their replayer live beside the checkout (../shared/golden); without them this says so and ends well.
pending.txt names, step by step, those that do not pass yet, each with its reason behind a `#`. A step that fails and is not
named there fails the run; so does one that is named and passes, and a name without a reason: the list only ever shrinks.
`--write` rewrites the list from this run and keeps the reasons.
TRIAD names the binary. `run.py SUITE...` runs those suites alone.
"""
import concurrent.futures
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
SIDE_BY_SIDE = 4
GOLDEN = HERE.parent.parent.parent / "shared" / "golden"


def lines(path):
    return [line.split("#")[0].strip() for line in path.read_text().splitlines() if line.split("#")[0].strip()]


def reasons(path):
    """The names of a list, each with what stands behind its `#`."""
    parts = (line.partition("#") for line in path.read_text().splitlines())
    return {name.strip(): reason.strip() for name, _, reason in parts if name.strip()}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def replay(suite, run):
    """One suite against a server of its own: its cases and the replayer's log."""
    run.mkdir()
    server = HERE / "server.sh"
    port = free_port()
    env = dict(os.environ, RUN=str(run), PORT=str(port), TOKENS=str(GOLDEN / "tokens.csv"))
    subprocess.run([server, "restart"], env=env, check=True, timeout=60)
    report = run / "report.json"
    command = [
        sys.executable, GOLDEN / "replay.py", "--server", f"https://127.0.0.1:{port}", "--ca", run / "data/pki/ca.crt",
        "--token-file", GOLDEN / "tokens.csv", "--suites", GOLDEN / "suites", "--hook-port", str(free_port()),
        "--restart-cmd", f"{server} restart", "--report", report, "--only", suite,
    ]
    try:
        with open(run / "replay.log", "w") as log:
            subprocess.run(command, env=env, stdout=log, stderr=subprocess.STDOUT, timeout=1500)
    finally:
        subprocess.run([server, "down"], env=env, timeout=60)
    return json.loads(report.read_text())["suites"], (run / "replay.log").read_text()


def main():
    write = "--write" in sys.argv
    asked = [arg for arg in sys.argv[1:] if not arg.startswith("--")]
    if not GOLDEN.is_dir():
        print(f"skipped: there are no recordings at {GOLDEN}")
        return 0
    claimed = asked or lines(HERE / "claimed.txt")
    named = reasons(HERE / "pending.txt")
    pending = set(named)
    with tempfile.TemporaryDirectory(prefix="triad-golden-") as run:
        # The suites wait more than they work, so some run side by side.
        with concurrent.futures.ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            outcomes = list(pool.map(lambda suite: replay(suite, pathlib.Path(run, suite)), claimed))
    suites = {name: cases for found, _ in outcomes for name, cases in found.items()}
    log = "\n".join(text for _, text in outcomes)
    failed, passed = set(), set()
    for suite, cases in sorted(suites.items()):
        good = bad = 0
        for case, steps in cases.items():
            for step, outcome in steps.items():
                name = f"{suite}/{case}/{step}"
                if outcome["result"] == "pass":
                    passed.add(name)
                    good += 1
                else:
                    failed.add(name)
                    bad += 1
        print(f"{suite:24} {good} of {good + bad} steps ({100 * good / (good + bad):.1f} %)")
    if write:
        kept = {name for name in pending if name.split("/")[0] not in suites}
        text = "# Steps of the recorded conversations that do not pass yet, in the claimed suites. Only ever shrinks.\n"
        text += "".join(f"{name}  # {named.get(name, '')}".rstrip(" #") + "\n" for name in sorted(kept | failed))
        (HERE / "pending.txt").write_text(text)
        return 0
    broken, mended = sorted(failed - pending), sorted(passed & pending)
    for name in broken:
        print(f"FAILED  {name}")
    for name in mended:
        print(f"passes now, take it from pending.txt: {name}")
    bare = sorted(name for name in pending if not named[name])
    for name in bare:
        print(f"pending.txt gives no reason for {name}")
    if broken:
        print(log[-6000:])
    return 1 if broken or mended or bare else 0


if __name__ == "__main__":
    sys.exit(main())
