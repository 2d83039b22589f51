#!/usr/bin/env python3
"""The data plane beside others, in one run on one machine: tests/bench/wire.py BUILD [options]

Every contender has two hosts and a cable of its own, all at once; each measurement goes through all of
them in turn, several rounds, so that whatever else this machine does hits each alike. Shown are medians,
under them the least and the greatest. Absolute numbers say how fast this machine is just now; only the
ratios of one run are worth comparing. Nothing is asserted but that ours carries everything.

Programs are taken from $MESH_WG, $WIREGUARD_GO, $NEBULA, $TAILSCALED, $HEADSCALE, $BORINGTUN, else from
the folders of $PEERS, else from $PATH. $LIMIT names a program that is only a data plane (DEV PORT ADDRESS
PORT KEY KEY [aes]): what this machine could do. $MESH_WG_ARGUMENTS adds a mesh-wg with those options,
$MESH_WG_BEFORE another build as "mesh before".

  --short: few rows, 3 rounds     --rounds N (5)   --rows tcp1,udp64,…   --only NAME,NAME
  --json FILE: every value        --markdown FILE: the table             --list: rows and contenders
  --sample ROW: no table, but the functions in which daemons spend their time during that
  --ahead: before all other work of this machine, for one that is not quiet"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
TRIES = 2 # of a row that somebody cannot
sys.path.insert(0, str(HERE.parent / "net"))


def options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--short", action="store_true", help="few rows, 3 rounds")
    parser.add_argument("--rounds", type=int, help="times each is measured (5)")
    parser.add_argument("--rows", default="", help="only these measurements, by comma")
    parser.add_argument("--only", default="", help="only these contenders, by comma")
    parser.add_argument("--json", type=pathlib.Path, help="every measured value")
    parser.add_argument("--markdown", type=pathlib.Path, help="the table")
    parser.add_argument("--list", action="store_true", help="the names of rows and contenders")
    parser.add_argument("--sample", help="where daemons spend their time during this")
    parser.add_argument("--ahead", action="store_true", help="before all other work of this machine")
    return parser.parse_args()


OPTIONS = options()
# pylint: disable=wrong-import-position
from guard import guard  # noqa: E402
guard()
from space import make_dir, need  # noqa: E402  (moves into namespaces first)
import manypeers  # noqa: E402
import sampling  # noqa: E402
import spoken  # noqa: E402
import standstill  # noqa: E402
from contenders import contenders, versions  # noqa: E402
from rows import FIGURES, ONCE, ROWS, SELDOM, SHORT  # noqa: E402
from table import goals, markdown, show  # noqa: E402


def go_ahead():
    """A scheduling group of our own at the highest weight: builds beside us get what is left."""
    os.setsid()
    pathlib.Path("/proc/self/autogroup").write_text("-20")
    os.nice(-20)


def chosen_rows():
    known = (*ROWS, *ONCE)
    names = [name for name in OPTIONS.rows.split(",") if name] or (SHORT if OPTIONS.short else known)
    unknown = [name for name in names if name not in known]
    if unknown:
        sys.exit(f"wire.py: no row {', '.join(unknown)}; there are: {', '.join(known)}")
    return names


class Bench:
    """The contenders, and what was measured of each."""

    def __init__(self, folder):
        self.folder, self.tunnels, self.missing, self.took = folder, [], {}, {}

    def start(self, found):
        for name, make in found.items():
            try:
                tunnel = make(self.folder, name)
            except (AssertionError, OSError, TimeoutError, subprocess.SubprocessError) as error:
                if name.startswith("mesh"):
                    raise
                print(f"left out: {name}: {error}")
                continue
            tunnel.values = {}
            tunnel.note = lambda key, value, t=tunnel: t.values.setdefault(key, []).append(value)
            self.tunnels.append(tunnel)
            cipher = spoken.check(tunnel)
            if cipher is not None:
                print(f"{name} speaks {cipher}", flush=True)

    def measure(self, row, tunnel):
        """One measurement of one contender; what fails is told once, tried once more and leaves a hole."""
        key = row, tunnel.name
        if self.missing.get(key, 0) >= TRIES:
            return
        try:
            for figure, value in ROWS[row](tunnel).items():
                tunnel.note(figure, value)
        except (AssertionError, KeyError, OSError, TimeoutError, ValueError, subprocess.SubprocessError) as error:
            self.failed(row, tunnel, error)

    def failed(self, row, tunnel, error):
        """Goes on: whatever else was measured is worth its time; one of ours makes the whole fail at its end."""
        key = row, tunnel.name
        if key not in self.missing:
            print(f"  {tunnel.name}: {row}: {str(error).strip()}", flush=True)
        self.missing[key] = self.missing.get(key, 0) + 1

    def round(self, rows):
        for row in rows:
            began = time.monotonic()
            for tunnel in self.tunnels:
                self.measure(row, tunnel)
            self.took[row] = self.took.get(row, 0) + time.monotonic() - began

    def end(self):
        for tunnel in self.tunnels:
            try:
                spoken.check(tunnel) # still
            except AssertionError as error:
                self.failed("suite", tunnel, error)
            peaks = tunnel.peaks_mib()
            if peaks:
                tunnel.note("rss", max(peaks))
                tunnel.note("rss_both", sum(peaks))

    def close(self):
        for tunnel in self.tunnels:
            tunnel.close()

    def values(self):
        return {tunnel.name: tunnel.values for tunnel in self.tunnels}

    def failed_ours(self):
        return [f"{row} of {name}" for row, name in self.missing if name.startswith("mesh")]


def run(bench, names):
    rows, rounds = [name for name in names if name in ROWS], OPTIONS.rounds or (3 if OPTIONS.short else 5)
    if "idle" in names: # first: no traffic yet whose timers would run
        standstill.measure(bench.folder, bench.tunnels)
        print("wake-ups: done", flush=True)
    for number in range(rounds if rows else 0):
        began = time.monotonic()
        bench.round([row for row in rows if row not in SELDOM or number % 2 == 0])
        print(f"round {number + 1} of {rounds}: {time.monotonic() - began:.0f} s", flush=True)
    if rows:
        bench.end()
    if "peers" in names:
        manypeers.measure(bench.folder, bench.tunnels, rounds, bench.failed)
    return rounds


def sample(bench):
    if OPTIONS.sample not in ROWS:
        sys.exit(f"wire.py: no row {OPTIONS.sample}; there are: {', '.join(ROWS)}")
    for tunnel in bench.tunnels:
        if tunnel.daemons:
            sampling.sample(bench.folder, tunnel, OPTIONS.sample)


def report(bench, rounds, lasted):
    values = bench.values()
    show(values)
    print()
    print("\n".join(goals(values)))
    load = os.getloadavg()[1]
    print(f"\nmedians of {rounds} rounds, from least to greatest below; {lasted:.0f} s; load {load:.1f} on "
          f"{os.cpu_count()} cores, ours among it; " + "; ".join(versions()))
    print("seconds of each row: " + ", ".join(f"{row} {took:.0f}" for row, took in bench.took.items()))
    if OPTIONS.json:
        OPTIONS.json.write_text(json.dumps(values, indent=1))
    if OPTIONS.markdown:
        OPTIONS.markdown.write_text(markdown(values) + "\n" + "\n".join(f"- {line}" for line in goals(values)) + "\n")
    if bench.failed_ours():
        sys.exit(f"ours failed: {', '.join(bench.failed_ours())}")


def main():
    names = chosen_rows()
    found = contenders(OPTIONS.build, [name for name in OPTIONS.only.split(",") if name])
    if OPTIONS.list:
        print(f"rows: {', '.join((*ROWS, *ONCE))}\ncontenders: {', '.join(found)}\nfigures: {', '.join(FIGURES)}")
        return
    need("iperf3", "wg", "ss", "tc", "ethtool")
    if OPTIONS.ahead:
        go_ahead()
    began, bench = time.monotonic(), Bench(make_dir())
    try:
        bench.start(found)
        if OPTIONS.sample:
            sample(bench)
        else:
            rounds = run(bench, names)
            report(bench, rounds, time.monotonic() - began)
    except BaseException as error:
        if not isinstance(error, SystemExit):
            for log in sorted(bench.folder.glob("*/*.log")):
                print(f"---- {log}\n{log.read_text(errors='replace')[-2000:]}")
        raise
    finally:
        bench.close()
        shutil.rmtree(bench.folder, ignore_errors=True)


if __name__ == "__main__":
    main()
