#!/usr/bin/env python3
"""The data plane beside others, in one run on one machine: tests/bench/wire.py BUILD [options]

   [a] 10.9.0.1 ── a cable (veth) ── [b] 10.9.0.2        and wg0 with 10.8.0.1, 10.8.0.2 through it

Every contender has two hosts and a cable of its own, all at once; they are measured in turns, several
rounds, so that whatever else this machine does hits each alike. Shown are medians. Absolute numbers
say how fast this machine is just now; only the ratios of one run are worth comparing. Nothing is
asserted but that traffic flows. Contenders: mesh-wg of BUILD and wireguard-go, as far as they are there;
$MESH_WG and $WIREGUARD_GO name other programs, $MESH_WG_ARGUMENTS options of one more mesh-wg.

  --rounds N (5)   --seconds S of TCP in each (3)   --only NAME,NAME   --json FILE: every measured value"""
import argparse
import json
import os
import pathlib
import re
import shutil
import statistics
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "net"))


def options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--only", default="")
    parser.add_argument("--json", type=pathlib.Path)
    return parser.parse_args()


OPTIONS = options()
# pylint: disable=wrong-import-position
from space import Host, link, make_dir, need, wait_until  # noqa: E402  (moves into namespaces first)

TICK = os.sysconf("SC_CLK_TCK")
MTU = 1420
CABLE = "no tunnel"


def contenders():
    """name → the command that serves wg0; None: the bare cable."""
    found = {CABLE: None}
    mesh_wg = os.environ.get("MESH_WG", str(OPTIONS.build.resolve() / "wg/mesh-wg"))
    if os.access(mesh_wg, os.X_OK):
        found["mesh-wg"] = (mesh_wg, "-f", "wg0")
    else:
        print(f"left out: mesh-wg, not at {mesh_wg}")
    wireguard_go = shutil.which(os.environ.get("WIREGUARD_GO", "wireguard-go"))
    if wireguard_go:
        found["wireguard-go"] = (wireguard_go, "-f", "wg0")
    else:
        print("left out: wireguard-go, not installed and not at $WIREGUARD_GO")
    arguments = os.environ.get("MESH_WG_ARGUMENTS", "").split()
    if arguments and "mesh-wg" in found:
        found["mesh-wg " + " ".join(arguments)] = (mesh_wg, *arguments, "-f", "wg0")
    only = [name for name in OPTIONS.only.split(",") if name]
    return {name: command for name, command in found.items() if not only or name in only}


class Pair:
    """Two hosts, the cable between them, and a contender's tunnel through it."""

    def __init__(self, folder, name, command):
        self.dir, self.name, self.daemons, self.values = folder / name, name, [], {}
        self.dir.mkdir()
        self.hosts = [Host(self, "a"), Host(self, "b")]
        self.a, self.b = self.hosts
        link(self.a, "eth0", self.b, "eth0")
        for number, host in enumerate(self.hosts, 1):
            host.run("ip", "addr", "add", f"10.9.0.{number}/24", "dev", "eth0")
        self.address = "10.9.0.2"
        if command:
            self.up(command)
        wait_until(lambda: self.a.run("ping", "-c1", "-W1", self.address, check=False).returncode == 0,
                   20, f"traffic of {name}")

    def up(self, command):
        """Both daemons, configured by Debian's own wg."""
        self.address = "10.8.0.2"
        secrets = [host.run("wg", "genkey").stdout.strip() for host in self.hosts]
        public = [self.a.run("wg", "pubkey", text=secret).stdout.strip() for secret in secrets]
        for number, host in enumerate(self.hosts, 1):
            other = 3 - number
            host.sh("mkdir -p /run/wireguard")
            self.daemons.append(host.start("wg", *command).pid)
            wait_until(lambda host=host: host.run("test", "-S", "/run/wireguard/wg0.sock",
                                                  check=False).returncode == 0, 10, "its socket")
            host.run("sh", "-c", "umask 077; cat > /run/key", text=secrets[number - 1])
            host.sh(f"""
                wg set wg0 private-key /run/key listen-port 51820 peer '{public[other - 1]}' \
                    endpoint 10.9.0.{other}:51820 allowed-ips 10.8.0.{other}/32
                ip addr add 10.8.0.{number}/24 dev wg0; ip link set wg0 mtu {MTU} up""")

    def cpu_s(self):
        """What both daemons have used so far."""
        used = 0
        for pid in self.daemons:
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            used += int(fields[11]) + int(fields[12])
        return used / TICK

    def note(self, key, value):
        self.values.setdefault(key, []).append(value)

    def measure(self):
        """One round: TCP of one flow with the daemons' time, then the idle round trip."""
        self.b.start("iperf3", "iperf3", "-s", "-1", "--forceflush", "-B", self.address)
        wait_until(lambda: self.b.run("ss", "-Hltn", "sport = :5201").stdout, 10, "iperf3")
        before = self.cpu_s()
        done = self.a.run("iperf3", "-c", self.address, "-t", OPTIONS.seconds, "-J")
        used = self.cpu_s() - before
        self.b.stop("iperf3")
        received = json.loads(done.stdout)["end"]["sum_received"]
        self.note("tcp", received["bits_per_second"] / 1e9)
        if self.daemons:
            self.note("cpu", used / (received["bytes"] / 1e9))
        pings = self.a.run("ping", "-n", "-c", "100", "-i", "0.01", self.address).stdout
        self.note("rtt", 1000 * statistics.median(map(float, re.findall(r"time=([\d.]+)", pings))))

    def end(self):
        """The peak of memory, of the larger of both daemons; then all is gone."""
        for pid in self.daemons:
            status = pathlib.Path(f"/proc/{pid}/status").read_text()
            self.note("rss", int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024)
        for host in self.hosts:
            host.close()
        peaks = self.values.pop("rss", [])
        if peaks:
            self.values["rss"] = [max(peaks)]


COLUMNS = (("tcp", "TCP, one flow", "Gb/s", 2), ("cpu", "CPU of both", "s/GB", 2),
           ("rss", "memory, peak", "MiB", 1), ("rtt", "idle ping", "µs", 0))


def show(pairs):
    """Medians, then each contender's ratios to the others."""
    median = {pair.name: {key: statistics.median(values) for key, values in pair.values.items()}
              for pair in pairs}
    print(f"\n{'':<30}" + "".join(f"{title:>18}" for _, title, _, _ in COLUMNS))
    for name, row in median.items():
        cells = [f"{row[key]:.{digits}f} {unit}" if key in row else "-"
                 for key, _, unit, digits in COLUMNS]
        print(f"{name:<30}" + "".join(f"{cell:>18}" for cell in cells))
    names = list(median)
    for name in names[1:]:
        for other in names[:1] + [n for n in names[names.index(name) + 1:]]:
            cells = [f"x {median[name][key] / median[other][key]:.2f}"
                     if key in median[name] and median[other].get(key) else "-"
                     for key, _, _, _ in COLUMNS]
            print(f"{name + ' : ' + other:<30}" + "".join(f"{cell:>18}" for cell in cells))
    print("medians of %d rounds, %d s of TCP each; spread of TCP: %s" % (
        OPTIONS.rounds, OPTIONS.seconds, ", ".join(
            f"{pair.name} {min(pair.values['tcp']):.2f}-{max(pair.values['tcp']):.2f}"
            for pair in pairs)))
    if os.getloadavg()[0] > 4 * (os.cpu_count() or 1):
        print(f"this machine is busy (load {os.getloadavg()[0]:.1f}): take no number for granted")


def main():
    need("iperf3", "wg", "ss")
    folder, pairs = make_dir(), []
    try:
        for name, command in contenders().items():
            pairs.append(Pair(folder, name, command))
        for number in range(OPTIONS.rounds):
            for pair in pairs:
                pair.measure()
            print(f"round {number + 1}: " + ", ".join(
                f"{pair.name} {pair.values['tcp'][-1]:.2f} Gb/s" for pair in pairs), flush=True)
        for pair in pairs:
            pair.end()
    except BaseException:
        for log in sorted(folder.glob("*/*.log")):
            print(f"---- {log}\n{log.read_text(errors='replace')[-2000:]}")
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    show(pairs)
    if OPTIONS.json:
        OPTIONS.json.write_text(json.dumps({pair.name: pair.values for pair in pairs}, indent=1))


if __name__ == "__main__":
    main()
