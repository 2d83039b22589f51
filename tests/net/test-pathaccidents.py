"""Accidents of a path in use, each on its own: traffic goes on, by another way where one is left, and afterwards
no packet is lost. The times without an answer are printed.

   [a] ─ port-restricted NAT ─┐                 ┌─ symmetric NAT ─ [x]
                              ├─ wan ─ [server]─┤
   [b] ─ port-restricted NAT ─┘                 └─ symmetric NAT ─ [y]
   [u], [v] behind routers with IPv6, too; a's clocks can jump"""
import time

from clockshim import Clocks
from lab import Lab, wait_until
from pathpair import Pinger, is_path, pair

BLACK = """table inet black {
 chain pass {
  type filter hook forward priority -300;
  udp dport { 3478, 3479 } drop
  udp sport { 3478, 3479 } drop
 }
}"""


class Watch:
    """A flow from one node to another, and what is left of it after an accident."""

    def __init__(self, lab, one, other, kind):
        self.lab, self.one, self.other, self.kind = lab, one, other, kind
        self.pings = Pinger(one, other.addresses()[4])
        self.pings.goes_on()
        is_path(one, other, kind)
        self.pings.is_whole()

    def survives(self, what, happen, then=None, limit_s=120):
        """@then: the path afterwards; None: the one before."""
        began = time.time()
        happen()
        self.pings.goes_on(limit_s)
        is_path(self.one, self.other, then or self.kind)
        self.pings.is_whole()
        self.lab.ok(f"{what}: {self.pings.gap_s(began):.2f} s without an answer, then {then or self.kind}, "
                    "nothing lost")

    def stop(self):
        self.pings.stop()


def lose(router, end, other):
    """What comes from ("saddr") or goes to ("daddr") another router is lost; the other way passes."""
    router.sh(f"""nft add table ip oneway
        nft add chain ip oneway pass '{{ type filter hook forward priority -300; }}'
        nft add rule ip oneway pass ip {end} {other.wan4} drop""")


def find_again(router):
    router.run("nft", "delete", "table", "ip", "oneway")


def flap(router):
    """The cable is out for a moment."""
    router.down()
    router.up()


def reboot(router):
    with router.off():
        pass


def wake(node, clocks, router):
    """The host slept for an hour, and its router has forgotten it."""
    router.flush()
    before = node.log("meshd").count("woke up after")
    clocks.jump(boot_s=3600)
    wait_until(lambda: node.log("meshd").count("woke up after") > before, 10, "the news of the sleep")


def of_cones(lab, a, ra, b, rb, clocks):
    watch = Watch(lab, a, b, "direct")
    watch.survives("a cable is out and in again", lambda: flap(ra))
    watch.survives("a router starts anew, with other ports", lambda: reboot(ra))
    watch.survives("the other one, too", lambda: reboot(rb))
    watch.survives("one direction goes dark", lambda: lose(ra, "saddr", rb), "relay")
    watch.survives("and comes back", lambda: find_again(ra))
    watch.survives("the other direction goes dark", lambda: lose(ra, "daddr", rb), "relay")
    watch.survives("and comes back", lambda: find_again(ra))
    watch.survives("a host wakes from an hour's sleep, its router has forgotten it", lambda: wake(a, clocks, ra))
    lab.wan.run("nft", "-f", "-", text=BLACK)
    watch.survives("the relay is black-holed beside a direct path", lambda: None)
    lab.wan.run("nft", "delete", "table", "inet", "black")
    watch.stop()


def of_the_relay(lab, x, y):
    watch = Watch(lab, x, y, "relay")
    watch.survives("the relay is black-holed", lambda: lab.wan.run("nft", "-f", "-", text=BLACK))
    watch.survives("UDP to the relay goes through again",
                   lambda: lab.wan.run("nft", "delete", "table", "inet", "black"))
    watch.stop()


def of_two_families(lab, u, v, rv):
    watch = Watch(lab, u, v, "direct")
    u.wait_until(lambda n: n.peer(v.name).endpoint.startswith("["), 30, "they talk by IPv6")
    watch.survives("IPv6 vanishes without a word", rv.lose_v6)
    assert not u.peer(v.name).endpoint.startswith("["), u.peer(v.name)
    watch.stop()


def main():
    with Lab() as lab:
        lab.server.setup("home")
        lab.server.up()
        ra = lab.nat("ra", v6=False)
        a = lab.node("a", behind=ra)
        clocks = Clocks(a)
        a.up(**clocks.env())
        a.join(lab.server.key("home"))
        (b, rb), = pair(lab, "b", "port-restricted")
        (x, _), (y, _) = pair(lab, "xy", "symmetric")
        of_the_relay(lab, x, y)
        of_cones(lab, a, ra, b, rb, clocks)
        (u, _), (v, rv) = pair(lab, "uv", "port-restricted", v6=True)
        of_two_families(lab, u, v, rv)


main()
