#!/usr/bin/env python3
"""A node with many peers in its map: tests/bench/map.py BUILD [NODES (10000)] [options]

A real mesh-server, on which mesh-load has enrolled NODES nodes, and a real meshd, in network namespaces. What
is shown of meshd: how long a first map takes until it is in force and until all peers are, the longest turn of
its main loop meanwhile (as a caller on the bus sees it), what one change costs, what it takes at rest.

  --changes N (20)   --idle-s S (10)"""
import argparse
import json
import os
import pathlib
import re
import statistics
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "net"), str(HERE.parent / "load")]


def options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("nodes", type=int, nargs="?", default=10000)
    parser.add_argument("--changes", type=int, default=20)
    parser.add_argument("--idle-s", type=float, default=10)
    return parser.parse_args()


OPTIONS = options()
os.environ["MESH_BUILD"] = str(OPTIONS.build.resolve())
# pylint: disable=wrong-import-position
from lab import Lab, need, wait_until  # noqa: E402  (moves into namespaces first)
from rig import Crowd, prepare  # noqa: E402

PYTHON = "/usr/bin/python3" # Debian's: it has gi
TICK = os.sysconf("SC_CLK_TCK")

# Asks a property of meshd again and again; one line of when, how long it took, peers, state for each answer.
PROBE = """
import time
from gi.repository import Gio, GLib
bus, name = Gio.bus_get_sync(Gio.BusType.SYSTEM), "org.meshvpn.Mesh1"
print(time.monotonic(), 0, 0, "none", "0.0", flush=True)
while True:
    owned = bus.call_sync("org.freedesktop.DBus", "/", "org.freedesktop.DBus", "NameHasOwner",
                          GLib.Variant("(s)", (name,)), None, 0, -1, None).unpack()[0]
    if not owned:
        time.sleep(0.005)
        continue
    began = time.monotonic()
    objects = bus.call_sync("org.meshvpn.Mesh1", "/org/meshvpn/Mesh1", "org.freedesktop.DBus.ObjectManager",
                            "GetManagedObjects", None, None, 0, 60000, None).unpack()[0]
    took = time.monotonic() - began
    net = next((ifaces["org.meshvpn.Mesh1.Network"] for ifaces in objects.values()
                if "org.meshvpn.Mesh1.Network" in ifaces), None)
    print(began, took, net["PeersTotal"] if net else 0, net["State"] if net else "none",
          net["MapVersion"] if net else "0.0", flush=True)
    time.sleep(0.005)
"""


def at(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))]


class Meshd:
    """What the kernel knows of the process."""

    def __init__(self, node):
        found = node.run("pidof", "meshd").stdout.split()
        ours = os.readlink(f"/proc/{node.holder.pid}/ns/net")
        mine = {pid for pid in found if os.readlink(f"/proc/{pid}/ns/net") == ours}
        self.pid = next(pid for pid in mine if self.parent(pid) not in mine) # the others are its helpers

    @staticmethod
    def parent(pid):
        return re.search(r"PPid:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1]

    def status(self, name):
        text = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(rf"{name}:\s+(\d+)", text)[1])

    def cpu_s(self):
        """CPU of all threads, and of the main loop."""
        def read(path):
            fields = pathlib.Path(path).read_text().rsplit(")", 1)[1].split()
            return (int(fields[11]) + int(fields[12])) / TICK
        return read(f"/proc/{self.pid}/stat"), read(f"/proc/{self.pid}/task/{self.pid}/stat")

    def main_ms(self):
        """CPU of the main loop, to the nanosecond."""
        text = pathlib.Path(f"/proc/{self.pid}/task/{self.pid}/schedstat").read_text()
        return int(text.split()[0]) / 1e6

    def written_kib(self):
        text = pathlib.Path(f"/proc/{self.pid}/io").read_text()
        return int(re.search(r"wchar: (\d+)", text)[1]) / 1024

    def wakeups(self):
        """How often each thread has gone to sleep."""
        found = {}
        for task in pathlib.Path(f"/proc/{self.pid}/task").iterdir():
            text = (task / "status").read_text()
            found[(task / "comm").read_text().strip() + "/" + task.name] = int(
                re.search(r"\nvoluntary_ctxt_switches:\s+(\d+)", text)[1])
        return found


class Bench:
    """One run."""

    def __init__(self, lab):
        self.lab, self.server = lab, lab.server
        link = self.server.setup("load")
        self.server.up()
        reusable = self.server.key("load", "--reusable")
        self.many = re.sub(r"//[^/]*/", "//127.0.0.1/", reusable)
        took = self.enrol(OPTIONS.nodes)
        print(f"meshd with {OPTIONS.nodes} peers (enrolled in {took:.1f} s)", flush=True)
        self.link, self.node = link, lab.node("a")

    def enrol(self, count):
        """So many nodes join and are seen no more. Returns how long it took."""
        crowd = Crowd(OPTIONS.build, self.many, count, host=self.server)
        took = crowd.ask("enrol")["enrolled_s"]
        crowd.close()
        return took

    def row(self, name, value, unit, goal=""):
        print(f"  {name:<48}{value:>10.2f} {unit:<8}{goal}", flush=True)

    def samples(self, key):
        rows = [line.split() for line in self.node.log(key).splitlines()]
        return [(float(r[0]), float(r[1]), int(r[2]), r[3], r[4]) for r in rows if len(r) == 5]

    def watch(self, key, begin):
        """Runs begin() under the probe until all peers are there. Returns the samples, and when it began."""
        self.node.start(key, PYTHON, "-c", PROBE)
        wait_until(lambda: self.samples(key), 20, "the probe")
        began = time.monotonic()
        begin()
        wait_until(lambda: self.samples(key)[-1][2] == OPTIONS.nodes, 120, "all peers")
        self.node.stop(key)
        return self.samples(key), began

    def show_memory(self, meshd, name):
        self.row(f"{name}: resident now", meshd.status("VmRSS") / 1024, "MiB", "≤ 64")
        self.row(f"{name}: most resident so far", meshd.status("VmHWM") / 1024, "MiB", "≤ 64")

    def show_map(self, name, samples, began):
        first = next(s for s in samples if s[0] > began and s[3] == "up" and s[2] > 0)
        last = next(s for s in samples if s[0] > began and s[2] == OPTIONS.nodes)
        self.row(f"{name}: a map is in force", (first[0] + first[1] - began) * 1000, "ms")
        self.row(f"{name}: all peers are", (last[0] + last[1] - began) * 1000, "ms")
        self.row(f"{name}: longest wait of a caller", max(s[1] for s in samples) * 1000, "ms")
        for line in self.node.log("meshd").splitlines():
            if ": map " in line:
                print("    " + line)

    def first(self):
        self.node.up()
        meshd = Meshd(self.node)
        before = meshd.cpu_s()
        self.show_map("first map", *self.watch("first", lambda: self.node.join(self.link)))
        used = [now - then for now, then in zip(meshd.cpu_s(), before)]
        self.row("first map: CPU of all threads", used[0] * 1000, "ms")
        self.row("first map: CPU of the main loop", used[1] * 1000, "ms")
        self.show_memory(meshd, "first map")
        return meshd

    def again(self):
        """From the disk, the server being there."""
        self.node.stop("meshd")
        (self.lab.dir / "a-meshd.log").write_text("")
        samples, began = self.watch("again", self.node.launch)
        meshd = Meshd(self.node)
        self.show_map("restarted", samples, began)
        used = meshd.cpu_s()
        self.row("restarted: CPU of all threads", used[0] * 1000, "ms")
        self.row("restarted: CPU of the main loop", used[1] * 1000, "ms")
        self.show_memory(meshd, "restarted")
        return meshd

    def apart(self, meshd, name, change):
        """What each change costs, while nobody asks anything."""
        cpu, written = [], []
        for i in range(OPTIONS.changes):
            before = meshd.main_ms(), meshd.written_kib()
            change(i)
            time.sleep(0.7) # what follows of it: signals, files
            cpu.append(meshd.main_ms() - before[0])
            written.append(meshd.written_kib() - before[1])
        self.row(f"{name}: CPU of the main loop", statistics.median(cpu), "ms", "≤ 20")
        self.row(f"{name}: the same, most", max(cpu), "ms")
        self.row(f"{name}: written", statistics.median(written), "KiB")

    def changes(self, meshd):
        """Renames nodes of the server, then removes them; others join."""
        self.apart(meshd, "a node renamed", lambda i: self.server.ctl(
            "node", "rename", "--network", "load", f"node-{i + 100}", f"other-{i}"))
        self.apart(meshd, "a node removed", lambda i: self.server.ctl(
            "node", "remove", "--network", "load", f"other-{i}"))
        self.apart(meshd, "two nodes added", lambda i: self.enrol(2)) # mesh-load has no fewer
        self.node.start("changes", PYTHON, "-c", PROBE)
        wait_until(lambda: self.samples("changes"), 20, "the probe")
        cpu = []
        for i in range(OPTIONS.changes):
            before, version = meshd.cpu_s()[1], self.samples("changes")[-1][4]
            self.server.ctl("node", "rename", "--network", "load",
                            "node-0" if i == 0 else f"renamed-{i - 1}", f"renamed-{i}")
            wait_until(lambda: self.samples("changes")[-1][4] != version, 20, "the change")
            time.sleep(0.3) # what follows of it: signals, files
            cpu.append(meshd.cpu_s()[1] - before)
        self.node.stop("changes")
        self.row("one change: CPU of the main loop, with the probe", statistics.median(cpu) * 1000, "ms")
        waits = [s[1] * 1000 for s in self.samples("changes")]
        self.row("changes: longest wait of a caller", max(waits), "ms", "≤ 20")
        self.row("changes: wait of a caller, median", statistics.median(waits), "ms")

    def idle(self, meshd):
        time.sleep(3)
        before, cpu = meshd.wakeups(), meshd.cpu_s()[0]
        time.sleep(OPTIONS.idle_s)
        after = meshd.wakeups()
        woken = {name: after[name] - before.get(name, 0) for name in after}
        self.row("idle: wake-ups", sum(woken.values()) / OPTIONS.idle_s, "/s")
        print("   ", {name: n for name, n in woken.items() if n})
        self.row("idle: CPU", (meshd.cpu_s()[0] - cpu) / OPTIONS.idle_s * 100, "%")
        self.show_memory(meshd, "idle")


def main():
    need("dbus-daemon")
    prepare()
    with Lab() as lab:
        bench = Bench(lab)
        meshd = bench.first()
        bench.idle(meshd)
        meshd = bench.again()
        bench.changes(meshd)
        bench.idle(meshd)


main()
