#!/usr/bin/env python3
"""The window with many peers: tests/bench/gui.py BUILD [PEERS (10000)] [options]

The real window on a screen without a monitor, drawn by the processor alone, on a bus of its own that has a stand-in of
the daemon. It shows milliseconds until the first frame and until all peers are listed; the work of a frame while the list
scrolls, and while every frame shows other rows; how soon a search is answered on the screen; the window's memory; and,
in a second window that nobody touches, how often it wakes.

  --rounds N (3)   --busy N (0): so many peers go on and off four times a second   --idle-s S (60)"""
import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
PYTHON = "/usr/bin/python3" # Debian's: it has gi


def options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("peers", type=int, nargs="?", default=10000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--busy", type=int, default=0)
    parser.add_argument("--idle-s", type=float, default=60)
    return parser.parse_args()


class Stage:
    """A bus, a screen and a stand-in; all of it ends with the block."""

    def __init__(self, peers, busy):
        self.dir = tempfile.TemporaryDirectory()
        self.started, self.peers, self.busy = [], peers, busy
        self.env = {**os.environ, "HOME": self.dir.name, "XDG_RUNTIME_DIR": self.dir.name, "GDK_BACKEND": "x11",
                    "GSK_RENDERER": "cairo", "GTK_A11Y": "none", "GSETTINGS_BACKEND": "memory",
                    "ADW_DISABLE_PORTAL": "1", "GTK_USE_PORTAL": "0", "LC_ALL": "C.UTF-8"}

    def __enter__(self):
        address = self.talk("dbus-daemon", "--session", "--nofork", "--nopidfile", "--print-address=1")
        self.env.update(DBUS_SESSION_BUS_ADDRESS=address, DBUS_SYSTEM_BUS_ADDRESS=address)
        self.env["DISPLAY"] = ":" + self.talk("Xvfb", "-displayfd", "1", "-screen", "0", "1000x760x24",
                                              "-nolisten", "tcp")
        self.talk(PYTHON, HERE.parent / "gui/manypeers.py", self.peers, self.busy)
        self.start("openbox", "--sm-disable")
        return self

    def __exit__(self, *_):
        for process in reversed(self.started):
            process.kill()
            process.wait()
        self.dir.cleanup()

    def start(self, *command, **options_):
        process = subprocess.Popen([str(word) for word in command], env=self.env, stdin=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL, **options_)
        self.started.append(process)
        return process

    def talk(self, *command):
        """Starts a program; returns the first line that it says."""
        line = self.start(*command, stdout=subprocess.PIPE, text=True).stdout.readline().strip()
        if not line:
            sys.exit(f"{command[0]} did not start")
        return line


def measure(stage, build):
    """One window from its start to its end: figures by name."""
    env = {**stage.env, "BENCH_BEGAN_US": str(time.monotonic_ns() // 1000)}
    done = subprocess.run([build / "tests/gui/bench-window", str(stage.peers)], env=env, check=True, timeout=300,
                          stdout=subprocess.PIPE, text=True)
    return {name: (float(value), unit) for name, value, unit in (line.split() for line in done.stdout.splitlines())}


def switches(pid):
    """Context switches of each thread so far."""
    counts = {}
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        lines = (task / "status").read_text().splitlines()
        counts[task.name] = sum(int(line.split()[1]) for line in lines if "ctxt_switches" in line)
    return counts


def rise(before, after):
    """By how much they rose: a thread that ended meanwhile counts no more."""
    return sum(count - before.get(task, 0) for task, count in after.items())


def idle(stage, build, seconds):
    """Context switches a second of a window that nobody touches, once it is quiet."""
    pid = stage.start(build / "gui/mesh-gui").pid
    before, now = {}, {"": 1000}
    while rise(before, now) > 20: # it still opens, or lists
        time.sleep(2)
        before, now = now, switches(pid)
    began = time.monotonic()
    time.sleep(seconds)
    return rise(now, switches(pid)) / (time.monotonic() - began)


def main():
    chosen = options()
    build = chosen.build.resolve()
    with Stage(chosen.peers, chosen.busy) as stage:
        measure(stage, build) # the first is not warm
        rounds = [measure(stage, build) for _ in range(chosen.rounds)]
        print(f"{chosen.peers} peers, medians of {chosen.rounds} rounds")
        for name, (_, unit) in rounds[0].items():
            print(f"  {name:18} {statistics.median(one[name][0] for one in rounds):8.2f} {unit}")
        if chosen.idle_s > 0 and not chosen.busy:
            print(f"  {'idle':18} {idle(stage, build, chosen.idle_s):8.2f} context switches/s")


main()
