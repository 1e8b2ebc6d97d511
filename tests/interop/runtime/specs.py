"""Reads the verdicts of a package's tests: specs from ginkgo's report, others from what the test binary said.

    specs.py RESULTS PACKAGE REPORT LOG      one line "pass PACKAGE/NAME", "fail PACKAGE/NAME<tab>why" or "skip PACKAGE/NAME" each

A package that did not come to an end has failed as a whole.
"""

import json
import re
import sys

VERDICTS = {"passed": "pass", "skipped": "skip", "pending": "skip"}
# What a suite has beside specs; told of only when it fails.
SUITE_NODES = ("BeforeSuite", "AfterSuite", "SynchronizedBeforeSuite", "SynchronizedAfterSuite", "ReportBeforeSuite", "ReportAfterSuite")


def specs(package, report):
    for spec in report["SpecReports"] or []:
        verdict = VERDICTS.get(spec["State"], "fail")
        if spec["LeafNodeType"] in SUITE_NODES:
            if verdict == "fail":
                yield f"fail {package}/{spec['LeafNodeType']}\t{why(spec)}"
            continue
        name = " ".join(" ".join([*(spec["ContainerHierarchyTexts"] or []), spec["LeafNodeText"]]).split())
        yield f"{verdict} {package}/{name}" + (f"\t{why(spec)}" if verdict == "fail" else "")


def why(spec):
    failure = spec.get("Failure") or {}
    place = failure.get("Location") or {}
    said = " ".join((failure.get("Message") or spec["State"]).split())
    return f"{place.get('FileName', '').rsplit('/', 1)[-1]}:{place.get('LineNumber', '')} {said}"[:900]


def tests(package, log):
    """The verdicts of tests without specs: those with specs are told spec by spec."""
    running, suites, ended = "", set(), False
    for line in log:
        if line.startswith("=== RUN "):
            running = line.split()[2]
        elif line.startswith("Running Suite:"):
            suites.add(running)
        elif found := re.match(r" *--- (PASS|FAIL|SKIP): (\S+)", line):
            if found[2] not in suites:
                yield f"{found[1].lower()} {package}/{found[2]}" + ("\tsee its output" if found[1] == "FAIL" else "")
        elif line.startswith(("panic: ", "fatal error: ")):
            yield f"fail {package}/crash\t{line.strip()}"
        elif line.rstrip() in ("PASS", "FAIL"):
            ended = True
    if not ended:
        yield f"fail {package}/run\tit did not come to an end"


def main(results, package, report, log):
    with open(log, encoding="utf-8", errors="replace") as file:
        found = list(tests(package, file))
    try:
        with open(report, encoding="utf-8") as file:
            for suite in json.load(file):
                found += specs(package, suite)
    except FileNotFoundError:
        # Not every package has specs.
        pass
    with open(results, "a", encoding="utf-8") as file:
        for line in found:
            print(line, file=file)


main(*sys.argv[1:])
