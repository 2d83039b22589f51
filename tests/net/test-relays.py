"""Several relays: nodes are at home at the nearest, leave one that is dead, drained or removed, and find each other
where the other one is.

   [x] ─ symmetric NAT ─┐                  ┌─ 80 ms ─ [far]      relays alone; the server
                        ├─ wan ─ [server] ─┤                     is none here
   [y] ─ symmetric NAT ─┘                  └─ 20 ms ─ [near]
   [z] ─ symmetric NAT that lets nothing to near
   [u] ─ NAT that lets no UDP through
   [p] and [q], behind such NATs too: their server [other] is a relay, and [third] is 80 ms away"""
import re
import time

from lab import Lab, wait_until
from pauses import Pauses

REPLY = re.compile(r"^\[(\d+\.\d+)\] \d+ bytes from .* icmp_seq=(\d+)", re.M)
INTERVAL_S = 0.05
UNDER_WAY = 3 # packets that may be lost where a session ends in order


class Pinger:
    """Pings twenty times a second; tells which answers came."""

    def __init__(self, node, address):
        self.node = node
        node.start("ping", "ping", "-n", "-D", "-O", "-i", INTERVAL_S, address)

    def answers(self):
        """(when, number) of each."""
        return [(float(when), int(number)) for when, number in REPLY.findall(self.node.log("ping"))]

    def goes_on(self, limit_s=30, count=10):
        now = time.time()
        wait_until(lambda: sum(when > now for when, _ in self.answers()) >= count, limit_s,
                   f"{self.node.name}: answers go on")

    def lost(self):
        """(numbers without an answer between the first and the last, holes that they make)."""
        numbers = sorted({number for _, number in self.answers()})
        holes = [later - sooner - 1 for sooner, later in zip(numbers, numbers[1:])]
        return sum(holes), sum(hole > 0 for hole in holes)

    def gap_s(self, since):
        times = [when for when, _ in self.answers()]
        return max(later - sooner for sooner, later in zip(times, times[1:]) if later > since)

    def stop(self):
        self.node.stop("ping")


def relays_of(node):
    return {relay["name"]: relay for relay in node.json("netcheck")["networks"][0]["found"]["relays"]}


def home_of(node):
    return next((name for name, relay in relays_of(node).items() if relay["home"]), None)


def is_home(node, name, limit_s=30):
    wait_until(lambda: home_of(node) == name, limit_s, f"{node.name} is at home at {name}")


def sees_home(node, name, limit_s=30):
    """By what meshd says: a question to netcheck would ask the relays again."""
    wait_until(lambda: re.findall(r"relay (\w+) is home now", node.log("meshd"))[-1] == name, limit_s,
               f"{node.name} is at home at {name}")


def add_node(lab, name, kind="symmetric"):
    node = lab.node(name, behind=lab.nat("r" + name, kind=kind, v6=False))
    node.up()
    return node


def choose(lab, nodes, far):
    for node in nodes:
        node.join(lab.server.key("home"))
    def is_near(node): # asks them again: who was held up may have measured something else
        found = relays_of(node)
        return (0 < found["near"]["udp4-us"] < found["far"]["udp4-us"] and found["near"]["home"] and
                not found["far"]["home"])
    for node in nodes:
        wait_until(lambda n=node: is_near(n), 60, f"{node.name} is at home at near")
    lab.ok("of a relay 20 ms away and one 80 ms away the near one is home")
    assert lab.server.json("relay", "list").relays[0].name == "far" and far.ip4


def meet_by_relay(one, other):
    """And not by another way: none is there."""
    wait_until(lambda: one.ping(other.addresses()[4]).lost == 0 and
               (one.peer(other.name).path, other.peer(one.name).path) == ("relay", "relay"), 60,
               f"{one.name} and {other.name} meet by relay")


def meet_elsewhere(lab, x, near):
    z = add_node(lab, "z")
    z.sh(f"nft add table ip t; nft add chain ip t o '{{ type filter hook output priority 0; }}'; "
         f"nft add rule ip t o ip daddr {near.ip4} drop")
    z.join(lab.server.key("home"))
    sees_home(z, "far")
    z.reaches(x.addresses()[4], 30)
    x.reaches(z.addresses()[4], 30)
    meet_by_relay(x, z)
    lab.ok("two whose homes differ reach each other, each where the other one is")
    z.stop("meshd")


def without_udp(lab, x):
    """Nobody can be measured, and TLS is all there is: to a relay that is no server."""
    u = add_node(lab, "u", "udp-blocked")
    u.join(lab.server.key("home"))
    u.reaches(x.addresses()[4], 40)
    x.reaches(u.addresses()[4], 30)
    meet_by_relay(x, u)
    lab.ok("one whose network lets no UDP through is at a relay alone by TLS")
    u.stop("meshd")


def kill_home(lab, x, y, near, pauses):
    began = time.time() # all that the flow loses counts
    pings = Pinger(x, y.addresses()[4])
    pings.goes_on()
    killed = time.time()
    near.stop("relay", kill=True)
    for node in (x, y):
        sees_home(node, "far")
    pings.goes_on(count=40)
    gap_s = pings.gap_s(killed)
    lost, holes = pings.lost()
    assert holes == 1 or pauses.since(began), f"{lost} pings lost in {holes} places"
    lab.ok(f"the home is killed: {gap_s:.2f} s without an answer, nothing lost after it went on")
    return pings


def drain_and_remove(lab, pair, near, pings, pauses):
    x, y = pair
    began = time.time()
    near.up()
    pings.goes_on(count=60)
    for node in (x, y):
        assert "relay near is home now" not in node.log("meshd").split("far is home now")[-1] or pauses.since(began)
    lab.ok("the relay that died is back: nobody hurries there")
    before, began = pings.lost(), time.time()
    lab.server.ctl("relay", "set", "far", "--state", "drain")
    for node in (x, y):
        sees_home(node, "near")
    pings.goes_on(count=40)
    drained = pings.lost()
    assert drained[0] - before[0] <= UNDER_WAY or pauses.since(began), (before, drained)
    lab.ok(f"a relay that is drained: its nodes move to the other, {drained[0] - before[0]} packets are lost")
    began = time.time()
    lab.server.ctl("relay", "remove", "far")
    lab.server.ctl("relay", "set", "near", "--state", "avoid")
    wait_until(lambda: set(relays_of(x)) == {"near"} and not relays_of(x)["near"]["usable"], 20,
               "x knows the one relay that is left")
    pings.goes_on(count=40)
    lost = pings.lost()[0] - drained[0]
    assert lost <= UNDER_WAY or pauses.since(began), (drained, pings.lost())
    is_home(y, "near")
    lab.ok("removed: gone from the map; one that is to be avoided serves while it is alone")
    pings.stop()


def server_dies(lab, pauses):
    """The server's own relay is the nearest; with it goes whoever could tell of another one."""
    server = lab.make_server("other")
    server.setup("work")
    server.up()
    lab.make_relay("third", 40).setup(server)
    x, y = add_node(lab, "p"), add_node(lab, "q")
    for node in (x, y):
        node.join(server.key("work"))
        sees_home(node, "server")
    pings = Pinger(x, y.addresses()[4])
    pings.goes_on()
    for node, other in ((x, "q"), (y, "p")):
        wait_until(lambda: node.peer(other).path == "relay", 20, f"{node.name} reaches {other} by relay")
    wait_until(lambda: len(relays_of(x)) == len(relays_of(y)) == 2, 20, "both know both relays")
    pings.goes_on(count=40)
    before, began = pings.lost(), time.time()
    server.stop("mesh-server", kill=True)
    for node in (x, y):
        sees_home(node, "third")
    pings.goes_on(count=40)
    lost, holes = pings.lost()
    assert holes == before[1] + 1 or pauses.since(began), f"{lost} pings lost in {holes} places, {before} before"
    lab.ok(f"the server is killed, and the home with it: {pings.gap_s(began):.2f} s without an answer")
    began = time.time()
    for node in (x, y):
        wait_until(lambda: node.network("work").server_state != "connected", 30, "the server is away")
    pings.goes_on(count=40)
    assert pings.lost()[1] == holes or pauses.since(began)
    lab.ok("and it goes on without one")
    pings.stop()


def main():
    with Lab() as lab:
        lab.server.setup("home")
        lab.server.sh(f"printf '[relay]\\nenabled = false\\n' >> {lab.server.config}")
        lab.server.up()
        far, near = lab.make_relay("far", 40), lab.make_relay("near", 10)
        far.setup(lab.server)
        near.setup(lab.server)
        x, y = add_node(lab, "x"), add_node(lab, "y")
        choose(lab, (x, y), far)
        meet_elsewhere(lab, x, near)
        without_udp(lab, x)
        pauses = Pauses()
        pings = kill_home(lab, x, y, near, pauses)
        drain_and_remove(lab, (x, y), near, pings, pauses)
        server_dies(lab, pauses)


main()
