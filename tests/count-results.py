#!/usr/bin/env python3
"""Adds up Meson test logs: count-results.py LOG.json… → "PASSED FAILED SKIPPED".

A TAP test counts by its points, any other as one. A test that ends badly without saying which point
failed (a crash, a sanitizer's report, a time limit) counts as one failure. A log that is missing or
empty is a failure too: no result is not a good one."""
import json
import re
import sys

POINT = re.compile(r"^(not )?ok\b(.*)$", re.M)


def count(entry):
    """(passed, failed, skipped) of one test."""
    result = entry["result"]
    points = POINT.findall(entry.get("stdout") or "")
    failed = sum(1 for bad, _ in points if bad)
    skipped = sum(1 for _, text in points if re.search(r"# *SKIP", text, re.I))
    passed = len(points) - failed - skipped
    if result == "SKIP":
        return 0, 0, 1
    if result not in ("OK", "EXPECTEDFAIL"):
        return passed, max(failed, 1), skipped
    return (passed, failed, skipped) if points else (1, 0, 0)


def why_skipped(entry):
    """What the test said about it: what is missing."""
    said = (entry.get("stdout") or "").strip().splitlines()
    rows = [line for line in said if re.search(r"# *SKIP|^missing|^skipped", line, re.I)] or said
    return rows[-1] if rows else "it did not say"


def main(paths):
    total = [0, 0, 0]
    for path in paths:
        try:
            with open(path, encoding="utf-8") as log:
                entries = [json.loads(line) for line in log]
        except OSError:
            entries = []
        rows = [count(entry) for entry in entries] or [(0, 1, 0)]
        for entry, row in zip(entries, rows):
            if row[1]:
                print(f"failed: {entry['name']} ({entry['result']})", file=sys.stderr)
            elif row[2]:
                print(f"skipped: {row[2]} in {entry['name']}: {why_skipped(entry)}", file=sys.stderr)
        total = [a + sum(column) for a, column in zip(total, zip(*rows))]
    print(*total)


main(sys.argv[1:])
