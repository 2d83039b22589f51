#!/usr/bin/env python3
"""Which path two nodes end on, what it takes and costs: tests/bench/paths.py BUILD [REGEX [ROUNDS]]

Every cell of tests/net/pathcells.py whose name the REGEX matches whole ("port-restricted x symmetric"; a
single word: every cell with that kind, without delay and loss), each pair with hosts and a network of its
own. A row per cell: the classes reached (D direct, P by a peer, R by a relay) and how often, then medians
and 95th percentiles over the rounds, from when both can reach each other by a relay: to the first packet
there and back, and to the direct way; then UDP packets, bytes and the router's entries from the join on.
It asserts nothing: test-paths.py does. All cells take about an hour a round, one some 3 s; with --jobs 3 some 25 minutes.

  --chosen: those of CI   --promised: those that this version must reach   --jobs N: so many at once
  --json FILE: every value, a line of JSON each as it comes; what is in the file already is not run again,
  so that a run which was ended goes on. tests/bench/pathtable.py makes a table of such files."""
import argparse
import collections
import contextlib
import json
import math
import os
import pathlib
import queue
import re
import statistics
import subprocess
import sys
import threading

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "net"))
# pylint: disable=wrong-import-position
import pathcells  # noqa: E402

CELLS_PER_LAB = 50 # then a fresh server, so that a late cell has what an early one had
COLUMNS = ("first-s", "direct-s", "packets", "bytes", "entries")


def options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("only", nargs="?", default=".*")
    parser.add_argument("rounds", nargs="?", type=int, default=1)
    parser.add_argument("--chosen", action="store_true")
    parser.add_argument("--promised", action="store_true")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


OPTIONS = options()


def cells():
    """Each once: some pairs stand in the table and among the extra ones."""
    found = list(pathcells.chosen() if OPTIONS.chosen else pathcells.everything())
    only = OPTIONS.only
    if re.fullmatch(r"[a-z0-9-]+", only):
        only = f"({only} x [^ ]+|[^ ]+ x {only})"
    return list({cell.name: cell for cell in found if re.fullmatch(only, cell.name) and
                 (cell.promised or not OPTIONS.promised)}.values())


# ---- a worker: in namespaces of its own, a cell's name a line in, a line of JSON out

def orders():
    """The lines on standard input, which no program that we start may read."""
    with os.fdopen(os.dup(0), encoding="utf-8") as lines:
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        yield from map(str.strip, lines)


def try_cell(pathrun, lab, shared, cell, number):
    """(what was found, whether the lab can go on)"""
    try:
        return pathrun.run(lab, shared, cell, number), True
    except (AssertionError, OSError, LookupError, ValueError, subprocess.SubprocessError) as error:
        return {"cell": cell.name, "goal": cell.goal, "promised": cell.promised, "class": "none",
                "why": f"{type(error).__name__}: {error}"[:300],
                **dict.fromkeys(COLUMNS)}, False


def work():
    """Also starts this program anew: see space.py."""
    os.environ["MESH_BUILD"] = str(OPTIONS.build.resolve())
    # pylint: disable=import-outside-toplevel
    from lab import Lab, need
    import pathrun
    need("conntrack")
    known = {cell.name: cell for cell in (*pathcells.everything(), *pathcells.chosen())}
    wanted, number, more = orders(), 0, True
    while more:
        with Lab() as lab:
            lab.server.setup("home")
            lab.server.up()
            shared, good, more = pathrun.Shared(), True, False
            for name in wanted:
                lack = pathrun.lacking(known[name])
                found = {"cell": name, "lacks": lack} if lack else None
                if not found:
                    found, good = try_cell(pathrun, lab, shared, known[name], number)
                    number += 1
                print(json.dumps(found), flush=True)
                more = True
                if not good or number % CELLS_PER_LAB == 0:
                    break


# ---- the front: hands cells out, shows what comes back

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


def ask(worker, cell):
    worker.stdin.write(cell.name + "\n")
    worker.stdin.flush()
    return json.loads(worker.stdout.readline() or '{"lacks": "a worker that lives"}')


def serve(waiting, lock, out, missing):
    """One worker to its end: all rounds of a cell, then the next cell."""
    command = [sys.executable, str(pathlib.Path(__file__).resolve()), str(OPTIONS.build), "--worker"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as worker:
        with contextlib.suppress(queue.Empty, BrokenPipeError):
            while True:
                cell, rounds = waiting.get_nowait()
                runs = [ask(worker, cell) for _ in range(rounds)]
                with lock:
                    missing.update(run["lacks"] for run in runs if "lacks" in run)
                    runs = [run for run in runs if "lacks" not in run]
                    if runs:
                        show(cell, runs)
                    for run in runs if out else ():
                        out.write(json.dumps(run) + "\n")
                        out.flush()
        worker.stdin.close()


def already_run():
    if not OPTIONS.json or not OPTIONS.json.exists():
        return collections.Counter()
    return collections.Counter(json.loads(line)["cell"] for line in
                               OPTIONS.json.read_text(encoding="utf-8").splitlines())


def main():
    done, waiting, missing = already_run(), queue.SimpleQueue(), set()
    wanted = cells()
    left = [cell for cell in wanted if done[cell.name] < OPTIONS.rounds]
    for cell in left:
        waiting.put((cell, OPTIONS.rounds - done[cell.name]))
    print(f"{len(wanted)} cells, {len(left)} to run, {OPTIONS.rounds} rounds, {OPTIONS.jobs} at once; "
          "medians, 95th percentiles")
    print(f"{'first sender x other':<59}{'reached':<10}{'goal':<9}" +
          "".join(f"{key:>14}" for key in COLUMNS), flush=True)
    with open(OPTIONS.json or os.devnull, "a", encoding="utf-8") as out:
        lock = threading.Lock()
        servers = [threading.Thread(target=serve, args=(waiting, lock, out, missing))
                   for _ in range(max(1, min(OPTIONS.jobs, len(left))))]
        for thread in servers:
            thread.start()
        for thread in servers:
            thread.join()
    for package in missing:
        print(f"left out: what needs {package}")


if OPTIONS.worker:
    work()
else:
    main()
