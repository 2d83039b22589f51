#!/usr/bin/env python3
"""mesh-server under many nodes: tests/bench/server.py BUILD [NODES (1000)] [options]

Everything on loopback in a network namespace of its own: the real server with its default limits, its
state on the disk, and mesh-load, whose nodes speak the real protocol over TLS 1.3, each from a /24 of
its own. Both share this machine's cores: the simulator's CPU is part of every time that is shown.

  --changes N (20)   --spread-ms MS: a lost stream's first retry comes uniformly in 0.5 s … this (1000);
  the protocol's own is 5000   --threads N of the server   --json FILE: every measured value"""
import argparse
import json
import pathlib
import statistics
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "net"), str(HERE.parent / "load")]


def options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("nodes", type=int, nargs="?", default=1000)
    parser.add_argument("--changes", type=int, default=20)
    parser.add_argument("--spread-ms", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--json", type=pathlib.Path)
    return parser.parse_args()


OPTIONS = options()
# pylint: disable=wrong-import-position
import space  # noqa: E402,F401  (moves into namespaces first)
from rig import Crowd, Server, prepare, skip_without  # noqa: E402

IDLE_S = 25  # the second connections are closed after 10 s, then the server tidies up


def at(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))]


class Bench:
    """One run; its findings are rows of name, value, unit, goal."""

    def __init__(self, folder):
        more = f"[limits]\nthreads = {OPTIONS.threads}\n" if OPTIONS.threads else ""
        self.server = Server(folder, OPTIONS.build, more)
        self.server.up()
        self.rows, self.cpu = [], 0.0
        self.before_kib = self.server.rss_kib()
        self.crowd = Crowd(OPTIONS.build, self.server.link(), OPTIONS.nodes, OPTIONS.spread_ms)

    def row(self, name, value, unit, goal=""):
        self.rows.append((name, value, unit, goal))
        print(f"  {name:<44}{value:>10.2f} {unit:<8}{goal}", flush=True)

    def used(self, name):
        """What server and simulator have used since the last call."""
        total, crowd = self.server.cpu_s(), self.crowd.ask("stats")["cpu_s"]
        self.row(f"{name}: CPU of the server", total - self.cpu, "s")
        self.row(f"{name}: CPU of the simulator", crowd - getattr(self, "crowd_cpu", 0.0), "s")
        self.cpu, self.crowd_cpu = total, crowd

    def join(self):
        self.crowd.ask("stats")
        self.row("all joined and mapped", self.crowd.ask("join")["mapped_s"], "s", "≤ 10")
        self.row("all know all endpoints and presence", self.crowd.ask("whole")["whole_s"], "s")
        self.used("join")

    def idle(self):
        time.sleep(IDLE_S)
        used = self.server.cpu_s()
        time.sleep(3)
        grown = self.server.rss_kib() - self.before_kib
        self.row("idle: server's memory per connected node", grown / OPTIONS.nodes, "KiB", "≤ 24")
        self.row("idle: peak of memory so far", self.server.peak_kib() / 1024, "MiB")
        self.row("idle: CPU of the server", (self.server.cpu_s() - used) / 3 * 100, "%")
        self.cpu = self.server.cpu_s()

    def show_changes(self, name, answers):
        after_ack = [max(0.0, t - a["ack_ms"]) for a in answers for t in a["times_ms"]]
        since_asked = [t for a in answers for t in a["times_ms"]]
        self.row(f"{name}: answered after", statistics.median(a["ack_ms"] for a in answers), "ms")
        self.row(f"{name}: p50 since the answer", at(after_ack, 0.5), "ms")
        self.row(f"{name}: p99 since the answer", at(after_ack, 0.99), "ms", "≤ 100")
        self.row(f"{name}: p50 since it was asked", at(since_asked, 0.5), "ms")
        self.row(f"{name}: p99 since it was asked", at(since_asked, 0.99), "ms")
        self.row(f"{name}: slowest since it was asked", max(since_asked), "ms")

    def changes(self):
        answers = [self.crowd.ask("report", 7 * i) for i in range(OPTIONS.changes)]
        self.show_changes("endpoint change to all", answers)
        self.used("endpoint changes")
        admin, answers = self.server.admin(), []
        for i in range(OPTIONS.changes):
            old = "node-0" if i == 0 else f"renamed-{i - 1}"
            answers.append(self.crowd.change_name(admin, old, f"renamed-{i}"))
        self.show_changes("renamed node to all", answers)
        self.used("renamed nodes")

    def kill(self):
        killed = time.monotonic()
        self.server.kill()
        self.server.up()
        self.row("after SIGKILL: the server listens again", time.monotonic() - killed, "s")
        times = self.crowd.ask("back", killed)["times_ms"]
        self.row("after SIGKILL: p50 has its map", at(times, 0.5) / 1000, "s")
        self.row("after SIGKILL: all are back", times[-1] / 1000, "s", "≤ 5")
        self.crowd.ask("whole")
        self.row("after SIGKILL: all know all endpoints", time.monotonic() - killed, "s")
        self.cpu = 0.0
        self.used("after SIGKILL")

    def check(self):
        equal, stats = self.crowd.ask("equal"), self.crowd.ask("stats")
        print(f"  maps: {equal}\n  simulator: {stats}")
        assert equal["known"] == OPTIONS.nodes and stats["bad"] == 0, "the maps are wrong"
        assert equal["different"] == equal["own_wrong"] == equal["behind"] == 0, "the maps differ"


def main():
    skip_without(OPTIONS.build)
    prepare()
    folder = space.make_dir()
    print(f"mesh-server, {OPTIONS.nodes} nodes")
    bench = Bench(folder)
    try:
        for step in (bench.join, bench.idle, bench.changes, bench.kill, bench.check):
            step()
    except BaseException:
        print(bench.server.log()[-2000:])
        raise
    bench.crowd.close()
    bench.server.down()
    if OPTIONS.json:
        OPTIONS.json.write_text(json.dumps({name: value for name, value, _, _ in bench.rows}, indent=1))
    space.shutil.rmtree(folder, ignore_errors=True)


main()
