"""Counts a suite's results against the list of known failures and prints one line.

    tally.py SUITE RESULTS KNOWN OUTPUT SECONDS

The list holds `SUITE/NAME  reason`, two spaces between them. A listed step that passes is a failure, so that the list only shrinks.
"""

import os
import sys

suite, results, known_path, output, seconds = sys.argv[1:]

known = {}
for line in open(known_path, encoding="utf-8"):
    if line.strip() and not line.startswith("#"):
        name, _, reason = line.strip().partition("  ")
        known[name] = reason

passed, failed, expected, skipped, seen = [], [], [], 0, set()
for line in open(results, encoding="utf-8"):
    verdict, _, rest = line.rstrip("\n").partition(" ")
    name, _, why = rest.partition("\t")
    full = f"{suite}/{name}"
    seen.add(full)
    if verdict == "skip":
        skipped += 1
    elif verdict == "pass":
        if full in known:
            failed.append(f"{full}: passes now; take it off known_failures.txt")
        else:
            passed.append(full)
    elif full in known:
        expected.append(full)
    else:
        failed.append(f"{full}: {why}")
if os.environ.get("MODE") == "all":
    failed += [f"{name}: is on known_failures.txt but there is no such step" for name in known if name.startswith(f"{suite}/") and name not in seen]
if not passed and not failed and not expected:
    failed.append(f"{suite}: nothing ran")

print(f"{suite}: {len(passed)} passed, {len(failed)} failed, {len(expected)} known to fail{f', {skipped} skipped' if skipped else ''}, {seconds} s", flush=True)
if failed:
    print("  " + "\n  ".join(failed))
    text = open(output, encoding="utf-8", errors="replace").read().splitlines()
    print("  output:\n" + "\n".join("    " + line for line in text[-400:]), flush=True)
sys.exit(1 if failed else 0)
