"""What a user is told of paths while they change: `mesh ping` names each change, `mesh why` each cause,
and `mesh set --hard-nat` what is searched for.

   [a] ─ port-restricted NAT ─┐
   [b] ─ port-restricted NAT ─┼─ wan ─ [server] STUN and relay
   [c] ─ counting NAT        ─┘"""
import re

from lab import Lab, find_program, need, wait_until

need("unshare", "ip", "nft", "dbus-daemon")

SEARCHES = 5
REPLY = re.compile(r"^(\S+) \((\S+)\): [\d.]+ ms, (.+)$")
CHANGE = re.compile(r"^path changed: (.+), now (.+)$")


def make(lab, name, kind):
    router = lab.nat("r" + name, kind=kind, v6=False)
    node = lab.node(name, behind=router, v6=False)
    node.up()
    node.join(lab.server.key("home"))
    return node, router


class Pings:
    """`mesh ping` going on beside; what it said, line by line."""

    def __init__(self, node, peer):
        self.node = node
        node.start("pings", find_program("mesh"), "ping", "-c", "1000", peer)

    def lines(self):
        return self.node.log("pings").splitlines()

    def ways(self):
        """Of each reply."""
        return [found[3] for line in self.lines() if (found := REPLY.match(line))]

    def changes(self):
        return [found.groups() for line in self.lines() if (found := CHANGE.match(line))]

    def follow(self, way, limit_s=60):
        """Waits until the newest reply came by a way that matches."""
        def told():
            ways = self.ways()
            return ways[-1] if ways and re.fullmatch(way, ways[-1]) else None
        return wait_until(told, limit_s, f"a reply {way}")

    def stop(self):
        self.node.stop("pings")
        return self.lines()


def told_changes(lab, a, ra, b, rb):
    relayed, direct = f"relay via {lab.relay}", rf"direct via {re.escape(rb.wan4)}:\d+"
    ra.go_dark(rb)
    rb.go_dark(ra)
    pings = Pings(a, b.name)
    pings.follow(relayed)
    ra.lighten()
    rb.lighten()
    there = pings.follow(direct)
    lab.ok(f"the relay's first reply, then the line that says where the direct way leads: {there}")
    ra.go_dark(rb)
    rb.go_dark(ra)
    pings.follow(relayed)
    lines = pings.stop()
    assert not lines[0].startswith("path changed"), lines[0]
    changes = pings.changes()
    assert (relayed, there) in changes and (there, relayed) in changes, changes
    for before, after in zip(changes, changes[1:]):
        assert before[1] == after[0], changes
    for way in pings.ways():
        assert way == relayed or re.fullmatch(direct, way), way
    followed = [before for before, line in zip(lines, lines[1:]) if CHANGE.match(before) and not
                REPLY.match(line) and not line.startswith("mesh: ")]
    assert not followed, lines
    ra.lighten()
    rb.lighten()
    lab.ok("and back, when the direct way goes dark: every reply names its way, every change has a line")


def settled(one, other):
    """The sentence, once no search is under way."""
    def look():
        why = one.json("why", other.name)
        return why if not why["searching"] and why["peer-nat"] != "unknown" else None
    return wait_until(look, 180, "the search is over")


def hard_nat(lab, a, c):
    """The searching side is c's: at first both say no, then only the one that is asked to take part."""
    c.mesh("set", "--hard-nat=off")
    for node in (a, c):
        assert node.network().hard_nat is False
        assert "are not searched through" in node.mesh("status").stdout
    wait_until(lambda: a.mesh("ping", c.name, check=False).returncode == 0, 30, "an echo by relay")
    for node, far, words in ((a, c, "the peer's NAT"), (c, a, "the NAT of this host")):
        why = settled(node, far)
        assert why["path"] == "relay", why
        assert f"{words} uses another port for each destination, and searches" in why["why"], why
        assert "mesh set --hard-nat=on" in why["remedy"], why
    lab.ok("--hard-nat=off: by relay, and mesh why says so at both ends")
    c.restart()
    assert c.network().hard_nat is False
    c.mesh("set", "--hard-nat=on")
    wait_until(lambda: a.mesh("ping", c.name, check=False).returncode == 0, 30, "an echo again")
    assert settled(c, a)["path"] == "relay"
    lab.ok("it is kept over a restart, and holds for who is asked to take part")
    a.mesh("set", "--hard-nat=on")
    assert a.network().hard_nat is True and "searched through" not in a.mesh("status").stdout

    def direct():
        a.mesh("ping", c.name, check=False)
        return a.peer(c.name).path == "direct"
    for search in range(SEARCHES, 0, -1):
        try:
            wait_until(direct, 60, "the search finds a way")
            break
        except TimeoutError: # one that the machine disturbed; the next is ten minutes off, or a new start
            assert search > 1
            c.restart()
    done = a.mesh("set", "--hard-nat=perhaps", check=False)
    assert done.returncode == 2 and "--hard-nat: on or off" in done.stderr, done
    lab.ok("--hard-nat=on at both ends: found, direct")


def main():
    with Lab() as lab:
        lab.server.setup("home")
        lab.server.up()
        a, ra = make(lab, "a", "port-restricted")
        a.mesh("set", "--hard-nat=off") # before there is anybody to search for
        b, rb = make(lab, "b", "port-restricted")
        c, _ = make(lab, "c", "sequential")
        wait_until(lambda: {"b", "c"} <= set(a.peers()), 20, "the peers")
        lab.relay = wait_until(lambda: a.json("netcheck")["networks"][0]["found"]["relays"], 20,
                               "the relay")[0]["name"]
        told_changes(lab, a, ra, b, rb)
        hard_nat(lab, a, c)


main()
