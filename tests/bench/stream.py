#!/usr/bin/env python3
"""Two nodes that reach each other only through a relay over TLS: throughput, CPU, delay.

    stream.py BUILD [--rounds N] [--seconds S] [--udp]

   [a] ══ wan ══ [b]     [server] with its relay; a and b reach nobody else, and not by UDP

One iperf3 flow over TCP inside of the tunnel. All of it shares this machine, so the figures that matter
are CPU seconds a gigabyte (of the kernel's work each thread bears what it is in the way of); what arrives
in a second is a floor. --udp: the same by the relay over UDP."""
import argparse
import json
import os
import pathlib
import statistics
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "net"))


def options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--udp", action="store_true")
    return parser.parse_args()


OPTIONS = options()
os.environ["MESH_BUILD"] = str(OPTIONS.build.resolve())
# pylint: disable=wrong-import-position
from lab import Lab, need  # noqa: E402  (moves into namespaces first)

need("iperf3")
RELAY = "\n[relay]\nrate = 100000\nburst = 1000000\n"
WALLS = """table inet walls {{
 chain out {{
  type filter hook output priority 0;
  oifname wan0 ip daddr != {four} drop
  oifname wan0 ip6 daddr != {six} meta l4proto != ipv6-icmp drop
  oifname wan0 meta l4proto {shut} drop
 }}
 chain in {{
  type filter hook input priority 0;
  iifname wan0 ip saddr != {four} drop
  iifname wan0 ip6 saddr != {six} meta l4proto != ipv6-icmp drop
 }}
}}
"""
TICKS = os.sysconf("SC_CLK_TCK")


def program_of(pid, name):
    """nsenter and setpriv replace themselves, or have started what we mean."""
    task = pathlib.Path(f"/proc/{pid}/task/{pid}/children")
    while pathlib.Path(f"/proc/{pid}/comm").read_text().strip() != name:
        pid = int(task.read_text().split()[0])
        task = pathlib.Path(f"/proc/{pid}/task/{pid}/children")
    return pid


def cpu_s(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def threads(pid):
    """CPU seconds by the names of its threads."""
    found = {}
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        fields = (task / "stat").read_text()
        name = fields[fields.index("(") + 1:fields.rindex(")")]
        rest = fields.rsplit(")", 1)[1].split()
        found[name] = found.get(name, 0) + (int(rest[11]) + int(rest[12])) / TICKS
    return found


def flow(lab, a, b, address):
    """One flow from a to b: Gbit/s, CPU seconds a GB of both daemons and of the server."""
    pids = {"a": program_of(a.processes["meshd"].pid, "meshd"),
            "b": program_of(b.processes["meshd"].pid, "meshd"),
            "relay": program_of(lab.server.processes["mesh-server"].pid, "mesh-server")}
    before = {name: cpu_s(pid) for name, pid in pids.items()}
    inside = {name: threads(pid) for name, pid in pids.items()}
    done = a.run("iperf3", "-c", address, "-t", OPTIONS.seconds, "-J", limit_s=OPTIONS.seconds + 40)
    received = json.loads(done.stdout)["end"]["sum_received"]
    gigabytes = received["bytes"] / 1e9
    found = {"gbit": received["bits_per_second"] / 1e9}
    for name, pid in pids.items():
        found[name] = (cpu_s(pid) - before[name]) / gigabytes
        for thread, used in threads(pid).items():
            spent = (used - inside[name].get(thread, 0)) / gigabytes
            if spent > 0.05:
                found[f"{name} {thread}"] = spent
    return found


def main():
    with Lab() as lab:
        lab.server.setup("home")
        lab.server.run("sh", "-c", f"cat >> {lab.server.config}", text=RELAY)
        lab.server.up()
        a, b = (lab.node(name) for name in "ab")
        for node in (a, b):
            node.run("nft", "-f", "-", text=WALLS.format(
                four=lab.server.ip4, six=lab.server.ip6, shut="icmp" if OPTIONS.udp else "udp"))
            node.up()
            node.join(lab.server.key("home"))
        a.wait_until(lambda s: "b" in s.peers(), 30, "known")
        address = b.addresses()[4]
        a.reaches(address, limit_s=30)
        a.wait_until(lambda s: s.peers()["b"].path == "relay", 30, "relayed")
        b.start("iperf3", "iperf3", "-s", "-B", address)
        time.sleep(0.5)
        idle = a.ping(address, count=100).rtt_ms
        rounds = [flow(lab, a, b, address) for _ in range(OPTIONS.rounds)]
        print(f"by a relay over {'UDP' if OPTIONS.udp else 'TLS'}: medians of {len(rounds)} rounds")
        print(f"  round trip at rest        {idle:.2f} ms")
        for key in sorted({key for found in rounds for key in found}, key=lambda k: (k != "gbit", k)):
            value = statistics.median(found.get(key, 0) for found in rounds)
            unit = "Gbit/s" if key == "gbit" else "CPU-s/GB"
            print(f"  {key:24} {value:6.2f} {unit}")


main()
