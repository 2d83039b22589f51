"""A server is restored from an older backup under real nodes: they take its older state in a newer
epoch, traffic goes on, and who joined or was removed after the backup is where the manual says.

   [a] ══ internet ══ [b] [c] [d]        [server] mesh.example"""
from lab import Lab
from pathpair import Pinger

TRIES = 3
FILE = "/var/lib/mesh-server.backup"


def settled(node):
    """Up, connected, and nothing it has is older than what the server told."""
    network = node.network()
    return network.state == "up" and network.server_state == "connected"


def works(*nodes):
    for node in nodes:
        node.wait_until(settled, 60, f"{node.name} is connected")
    for one in nodes:
        for other in nodes:
            if one is not other:
                for address in other.addresses().values():
                    one.reaches(address, 30)


def is_direct(one, other):
    """By address: the server's names change here. Under traffic: without any a search that failed is not repeated soon."""
    address = other.addresses()[4]
    one.wait_until(lambda n: n.ping(address).lost == 0 and
                   any(address in peer.addresses and peer.path == "direct" for peer in n.peers().values()),
                   150, f"{one.name} reaches {other.name} directly")


def flow(a, b, what):
    """Runs what() while a pings b, until both have long found the server again: nothing is lost. Once more, if
    something was: a computer that pauses loses something where the server has no part in it."""
    lost = []
    while len(lost) < TRIES and [] not in lost:
        is_direct(a, b) # not by the server's relay, which ends with it
        is_direct(b, a)
        pings = Pinger(a, b.addresses()[6])
        pings.goes_on()
        what()
        for node in (a, b):
            node.wait_until(settled, 60, f"{node.name} has found the server again")
        lost.append(pings.lost())
        pings.stop()
    assert [] in lost, lost


def restore(server, again=()):
    server.stop("mesh-server")
    for path in again:
        server.sh(f"rm -f {path}")
    said = server.ctl("restore", FILE).stderr
    server.ctl("check")
    server.up()
    server.ctl("check")
    return said


def numbers(server, *nodes):
    """What was handed out: index and IPv4 address, by node key."""
    found = server.json("node", "list", "--network", "home").nodes
    return {(one.index, one.ip4) for one in found if not nodes or one.name in nodes}


def join(server, *nodes):
    for node in nodes:
        node.up()
        node.join(server.key("home"))


def main():
    with Lab() as lab:
        a, b, c, d = (lab.node(name) for name in "abcd")
        server = lab.server
        server.setup("home")
        server.up()
        join(server, a, b, d)
        works(a, b, d)
        server.ctl("backup", FILE)
        lab.ok("a mesh of three, and a backup of it")

        join(server, c)
        server.ctl("node", "remove", "d")
        server.ctl("node", "rename", "b", "bob")
        server.ctl("network", "set", "home", "--name", "house") # policy version + 1
        server.ctl("network", "set", "house", "--name", "home")
        works(a, b, c)
        given = numbers(server)
        assert "bob" in a.peers() and "d" not in a.peers()
        lab.ok("then one joins, one is removed, one renamed, and the policy is changed twice")

        flow(a, b, lambda: restore(server))
        works(a, b)
        a.wait_until(lambda n: "b" in n.peers() and "c" not in n.peers(), 30, "the older map")
        assert "d" not in a.peers() and "d" not in server.nodes("home"), "a removal is forgotten"
        lab.ok("restored: traffic goes on, the older map is taken, the removed one stays removed")

        c.wait_until(lambda n: n.network().server_state != "connected" or
                     n.network().state != "up", 60, "c is told that it is unknown")
        c.mesh("leave", "home", check=False)
        c.wait_until(lambda n: not n.networks(), 30, "c has left")
        c.join(server.key("home"))
        works(a, b, c)
        fresh = numbers(server, "c")
        assert not fresh & given and not {x[1] for x in fresh} & {x[1] for x in given}, (fresh, given)
        assert not {x[0] for x in fresh} & {x[0] for x in given}, (fresh, given)
        lab.ok("who joined after the backup joins anew, under an index and address never given out")

        state = "/var/lib/mesh-server/mesh.db"
        said = []
        flow(a, b, lambda: said.append(restore(server, (state, state + "-wal"))))
        assert "remove and revoke it again" in said[0], said
        works(a, b)
        assert server.nodes("home")["d"].state == "active", "nothing was there to learn from"
        assert d.network().state == "removed", "who was removed does not come back by itself"
        server.ctl("node", "remove", "d")
        a.wait_until(lambda n: "d" not in n.peers(), 30, "removed again, as the server said")
        server.ctl("node", "rename", "b", "robert")
        a.wait_until(lambda n: "robert" in n.peers(), 30, "changes reach nodes again")
        lab.ok("on an empty machine: nodes go on; the removal is asked for again, and is done")


main()
