"""What an idle node sends and gets, by kind, over hours of its own time: in a network of a thousand, most of
them simulated and present; counted at the outer side of its router. An idle peer costs nothing; the first
packet to it comes through nevertheless; and a flow both ways needs no probe.

   [a] ─ NAT ─┐
              ├─ wan ─ [server] + simulated nodes
   [b] ─ NAT ─┘"""
import os
import pathlib
import re
import signal
import sys
import time

from fastclock import FastClock
from lab import Lab, wait_until
from pathpair import Pinger
from pauses import Pauses
from wancount import Counter

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "load"))
from rig import Crowd, skip_without  # noqa: E402
from space import programs_dir  # noqa: E402

CALM_S = 0.2     # a flow whose answers come closer than that gives nobody reason for doubt
DOUBT = 30       # questions, at most, that one gap makes both ask: pings of ways both ways and STUN
WIDTH = 40       # questions for the MTU and their answers, once in 15 s from each end; more than a few where one is late
LOOKS, ENOUGH = 12, 4 # whiles that are looked at; so many without a gap, and one of them has no question
NODES = int(os.environ.get("MESH_NODES", "998"))


def show(what, found, seconds):
    """Prints a table, and returns bit/s of all."""
    total = 0
    rows = sorted(found.items(), key=lambda item: -item[1][1] - item[1][3])
    for kind, (packets_out, out, packets_in, came) in rows:
        total += out + came
        print(f"#   {kind:28} {packets_out:5} packets {out:7} B out, {packets_in:5} packets {came:7} B in, "
              f"{8 * (out + came) / seconds:7.1f} bit/s", flush=True)
    print(f"# {what}: {8 * total / seconds:.1f} bit/s", flush=True)
    return 8 * total / seconds


def of_peers(found):
    """What is there because of peers: WireGuard and probes, direct or by relay."""
    return {kind: row for kind, row in found.items() if "WireGuard" in kind or "probe" in kind}


class Idle:
    def __init__(self, lab):
        self.lab, self.clock, self.pauses = lab, FastClock(lab), Pauses()
        self.routers = [lab.nat("r" + name, v6=False) for name in "ab"]
        self.a, self.b = (lab.node(name, behind=router) for name, router in zip("ab", self.routers))
        server = lab.server
        server.setup("home")
        server.up(**self.clock.env())
        self.clock.follow(server.processes["mesh-server"].pid)
        many = re.sub(r"//[^/]*/", "//127.0.0.1/", server.key("home", "--reusable"))
        self.crowd = Crowd(programs_dir(), many, NODES, host=server)
        self.crowd.ask("join")
        self.counters = {node: Counter(router, "wan0") for node, router in zip((self.a, self.b), self.routers)}
        for node in (self.a, self.b):
            node.up(**self.clock.env())
            node.join(server.key("home"))
        for node in (self.a, self.b):
            node.wait_until(lambda n: n.network().peers_total == NODES + 1, 120)
            self.clock.follow(node.processes["meshd"].pid)
        self.clock.follow(self.crowd.process.pid, ours=False)

    def take(self):
        return {node: counter.take() for node, counter in self.counters.items()}

    def flow(self, count):
        """So many pings, and how many were lost."""
        return self.a.ping(self.b.addresses()[4], count=count, limit_s=60).lost

    def loses_nothing(self, count, what, since=None):
        """Of so many pings none is lost, unless the computer has paused."""
        since = since or time.time()
        lost = self.flow(count)
        assert lost == 0 or self.pauses.since(since), f"{what}: {lost} of {count} are lost"

    def is_direct(self):
        """Under traffic: without any a search that failed is not repeated soon."""
        self.a.wait_until(lambda n: self.flow(1) == 0 and n.peer("b").path == "direct", 60)

    def during_flow(self, pings, count):
        """What passes while so many answers come, and the gaps between these answers that leave room for doubt.
        Looked at in the midst of the flow: where it ends, somebody waits for an answer."""
        pings.goes_on(60)
        first = len(pings.times()) - 10
        self.take()
        wait_until(lambda: len(pings.times()) >= first + count, 60, "a flow")
        found = self.take()
        pings.goes_on(60)
        times = pings.times()[first:]
        return found, [later - sooner for sooner, later in zip(times, times[1:]) if later - sooner > CALM_S]

    def forget(self):
        """The routers forget the flows between the two: their clocks are not ours."""
        for router, far in (self.routers, self.routers[::-1]):
            router.run("conntrack", "-D", "-p", "udp", "--orig-dst", far.wan4, check=False)

    def stand_still(self, seconds):
        """b's meshd does nothing for so long, while a sends to it."""
        meshd, address = self.b.processes["meshd"], self.b.addresses()[4]
        meshd.send_signal(signal.SIGSTOP)
        for _ in range(3):
            self.clock.pass_s(seconds / 3)
            self.a.ping(address, count=5, limit_s=1)
        meshd.send_signal(signal.SIGCONT)
        wait_until(lambda: self.flow(1) == 0, 30, "the flow goes on")
        self.is_direct()
        self.loses_nothing(40, "after it stood still")

    def quiet(self, what, seconds, most, peers=True):
        """An idle time: nothing because of peers, and no more bits than that."""
        self.clock.pass_s(seconds)
        for node, found in self.take().items():
            rate = show(f"{node.name}, {what}", found, seconds)
            assert not peers or not of_peers(found), of_peers(found)
            assert rate <= most, f"{node.name}, {what}: {rate} bit/s"
        self.lab.ok(f"{what}: at most {most} bit/s, and nothing for peers")


def flows(lab, idle):
    """No probe for a while: now and then the way's MTU is asked for, and where the machine stops there is reason for
    doubt, so that more than one while is looked at."""
    idle.loses_nothing(100, "a flow")
    pings, calm = Pinger(idle.a, idle.b.addresses()[4]), 0
    for _ in range(LOOKS):
        taken, gaps = idle.during_flow(pings, 100)
        asked = 0
        for node, found in taken.items():
            show(f"{node.name}, a flow with {len(gaps)} gaps", found, 5)
            asked += sum(row[0] for kind, row in found.items() if "probe" in kind or "STUN" in kind)
        assert asked <= WIDTH + DOUBT * len(gaps), (asked, gaps, taken)
        calm += not gaps
        if asked == 0:
            break
    else:
        assert calm < ENOUGH, "probes all the time"
    pings.stop()
    lab.ok("a flow both ways: no probes")


def main():
    skip_without(programs_dir())
    with Lab() as lab:
        idle = Idle(lab)
        idle.clock.pass_s(10)
        for node, found in idle.take().items():
            show(f"{node.name}, the first ten seconds", found, 10)
        idle.clock.pass_s(50)
        idle.routers[1].run("conntrack", "-D", "-p", "udp")  # a router that forgets after a minute
        idle.quiet("the first ten minutes", 540, 100)
        idle.quiet("an hour after that", 3600, 40)
        for node, silence in zip((idle.a, idle.b), (138, 45)):
            told = [line for line in node.log("meshd").splitlines() if "be silent for" in line]
            assert told and told[-1].endswith(f"{silence} s"), told
        lab.ok("what the routers forget is known: one keeps a mapping for 138 s, the other for 45 s")

        idle.loses_nothing(20, "the first flow")
        idle.is_direct()
        idle.flow(20)
        flows(lab, idle)

        for seconds in (60, 300, 1200):
            began = time.time()
            idle.clock.pass_s(seconds)
            idle.forget()
            idle.loses_nothing(5, f"after {seconds} s", began)
            lab.ok(f"after {seconds} s of silence and with the direct way closed no packet is lost")
            idle.is_direct()
        idle.stand_still(180)
        lab.ok("a daemon that stood still for three minutes beside a flow: it goes on, directly, and nothing is lost")
        idle.clock.pass_s(45)
        idle.take()
        idle.quiet("ten minutes after a flow", 600, 40)
        idle.crowd.close()


main()
