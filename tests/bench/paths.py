#!/usr/bin/env python3
"""Which path two nodes end on, what it takes and costs: tests/bench/paths.py BUILD [REGEX [ROUNDS]]

Every cell of tests/net/pathcells.py whose name the REGEX matches whole ("port-restricted x symmetric"; a
single word: every cell with that kind, without delay and loss), each pair with hosts and a network of its
own. A row per cell: the classes reached (D direct, P by a peer, R by a relay) and how often, then medians
and 95th percentiles over the rounds, from when both can reach each other by a relay: to the first packet
there and back, and to the direct way; then UDP packets, bytes and the router's entries from the join on.
It asserts nothing: test-paths.py does. All cells take about an hour a round, one some 3 s.

  --chosen: those of CI   --promised: those that this version must reach   --json FILE: every value"""
import argparse
import collections
import json
import math
import os
import pathlib
import re
import statistics
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "net"))


def options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("only", nargs="?", default=".*")
    parser.add_argument("rounds", nargs="?", type=int, default=1)
    parser.add_argument("--chosen", action="store_true")
    parser.add_argument("--promised", action="store_true")
    parser.add_argument("--json", type=pathlib.Path)
    return parser.parse_args()


OPTIONS = options()
os.environ["MESH_BUILD"] = str(OPTIONS.build.resolve())
# pylint: disable=wrong-import-position
from lab import Lab, need  # noqa: E402  (moves into namespaces first)
import pathcells  # noqa: E402
import pathrun  # noqa: E402

CELLS_PER_LAB = 50 # then a fresh server, so that a late cell has what an early one had
COLUMNS = ("first-s", "direct-s", "packets", "bytes", "entries")


def cells():
    found = list(pathcells.chosen() if OPTIONS.chosen else pathcells.everything())
    only = OPTIONS.only
    if re.fullmatch(r"[a-z0-9-]+", only):
        only = f"({only} x [^ ]+|[^ ]+ x {only})"
    return [cell for cell in found if re.fullmatch(only, cell.name) and
            (cell.promised or not OPTIONS.promised)]


def middle_and_high(values):
    values = sorted(value for value in values if value is not None)
    if not values:
        return "-"
    high = values[math.ceil(0.95 * len(values)) - 1]
    shape = "{:.2f} {:.2f}" if isinstance(values[0], float) else "{:.0f} {:.0f}"
    return shape.format(statistics.median(values), high)


def show(cell, runs):
    classes = collections.Counter(run["class"] for run in runs)
    reached = " ".join(f"{count}{name}" for name, count in classes.most_common())
    missed = cell.promised and any(not cell.passes(run["class"]) for run in runs)
    print(f"{cell.name:<59}{reached:<10}{cell.goal + ('' if cell.promised else ' later'):<9}" +
          "".join(f"{middle_and_high([run[key] for run in runs]):>14}" for key in COLUMNS) +
          (" MISSED" if missed else ""), flush=True)


def main():
    need("conntrack")
    wanted, every = [cell for cell in cells() if not pathrun.lacking(cell)], []
    for package in {pathrun.lacking(cell) for cell in cells()} - {None}:
        print(f"left out: what needs {package}")
    print(f"{len(wanted)} cells, {OPTIONS.rounds} rounds; medians, 95th percentiles")
    print(f"{'first sender x other':<59}{'reached':<10}{'goal':<9}" +
          "".join(f"{key:>14}" for key in COLUMNS))
    for start in range(0, len(wanted), CELLS_PER_LAB):
        with Lab() as lab:
            lab.server.setup("home")
            lab.server.up()
            shared, number = pathrun.Shared(), 0
            for cell in wanted[start:start + CELLS_PER_LAB]:
                runs = []
                for _ in range(OPTIONS.rounds):
                    runs.append(pathrun.run(lab, shared, cell, number))
                    number += 1
                show(cell, runs)
                every += runs
    if OPTIONS.json:
        OPTIONS.json.write_text(json.dumps(every, indent=1), encoding="utf-8")


main()
