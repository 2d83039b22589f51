"""Every part goes and comes back, in each order, politely and by force; the mesh works again each time.

   [a] ══ internet ══ [b]        [server] mesh.example"""
import itertools

from lab import Lab
from pathpair import Pinger, talk_directly

TRIES = 3 # a computer that pauses loses something where the server has no part in it


def works(a, b):
    """Both are connected to the server, and reach each other over both families."""
    for node in (a, b):
        node.wait_until(lambda n: n.network().state == "up" and
                        n.network().server_state == "connected", 60)
    for address in b.addresses().values():
        a.reaches(address, 30)
    for address in a.addresses().values():
        b.reaches(address, 30)


def lost_while(a, b, happen):
    """What was lost between the two meanwhile."""
    talk_directly(a, b) # not by the server's relay, which ends with it
    talk_directly(b, a)
    pings = Pinger(a, b.addresses()[6])
    pings.goes_on()
    happen()
    works(a, b)
    lost = pings.lost()
    pings.stop()
    return lost


def main():
    with Lab() as lab:
        a, b, server = lab.node("a"), lab.node("b"), lab.server
        link = server.setup("home")
        server.up()
        for node, text in ((a, link), (b, None)):
            node.up()
            node.join(text or server.key("home"))
        works(a, b)
        before = {node.name: (node.addresses(), node.network().node_key, node.network().public_key)
                  for node in (a, b)}
        lab.ok("a mesh of two")

        parts = {"a": (a, "meshd"), "b": (b, "meshd"), "server": (server, "mesh-server")}
        for number, order in enumerate(itertools.permutations(parts)):
            kill = number % 2 == 1
            for name in order:
                parts[name][0].stop(parts[name][1], kill)
            for name in order:
                parts[name][0].up()
            works(a, b)
            lab.ok(f"{'killed' if kill else 'stopped'} and started again in the order "
                   f"{', '.join(order)}")
        after = {node.name: (node.addresses(), node.network().node_key, node.network().public_key)
                 for node in (a, b)}
        assert before == after, (before, after)
        lab.ok("addresses and keys are the same as before")

        lost = []
        while len(lost) < TRIES and [] not in lost:
            lost.append(lost_while(a, b, lambda: server.restart(kill=True)))
        assert [] in lost, lost
        lab.ok("not one packet is lost while the server is killed and comes back")

        works(a, b)
        server.stop("mesh-server", kill=True)
        for node in (a, b):
            node.stop("meshd", kill=True)
            assert node.run("ip", "link", "show", "mesh0", check=False).returncode != 0
        for node in (a, b):
            node.up()
            node.wait_until(lambda n: n.network().state == "up")
        for address in b.addresses().values():
            a.reaches(address, 30)
        assert a.network().server_state != "connected"
        lab.ok("with the server away, nodes start from their cached map and reach each other")
        server.up()
        works(a, b)
        lab.ok("when it comes back they find it")

        a.mesh("down", "home")
        assert a.network().state == "down"
        a.restart()
        assert a.network().state == "down"
        assert a.run("ip", "link", "show", "mesh0", check=False).returncode != 0
        a.mesh("up", "home")
        works(a, b)
        lab.ok("down stays down over a restart, and up brings it back")

        assert a.stop("meshd") == 0
        left = a.run("ip", "-br", "addr").stdout + a.run("ip", "route").stdout
        assert "mesh0" not in left and before["a"][0][4] not in left, left
        assert server.stop("mesh-server") == 0
        lab.ok("a polite stop ends well and leaves no interface, address or route")


main()
