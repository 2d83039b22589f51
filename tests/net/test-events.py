"""What the kernel tells of links, addresses and routes reaches meshd, and the mesh follows.

   [a] wan0 203.0.113.11, later wan1 203.0.113.60 ══ internet ══ [b]        [server] mesh.example"""
import time

from lab import Lab, wait_until
from space import link

CHANGED, GATHER_S = "the host's network changed", 0.2  # said once in that time at most, however slow the flaps are


def told(lab, name, words):
    return any(words in endpoint for endpoint in lab.server.nodes("home")[name].endpoints)


def new_address(lab, a, b):
    a.sh("ip addr add 203.0.113.50/32 dev wan0")
    wait_until(lambda: told(lab, "a", "203.0.113.50:"), 20, "the server hears of a new address")
    b.wait_until(lambda n: any("203.0.113.50:" in text for text in n.peer("a").candidates), 20)
    a.sh("ip addr del 203.0.113.50/32 dev wan0")
    wait_until(lambda: not told(lab, "a", "203.0.113.50:"), 20, "and that it went")
    lab.ok("an address comes and goes: server and peers hear of it")


def second_link(lab, a):
    link(a, "wan1", lab.wan, "w-a1")
    lab.wan.sh("ip addr add 203.0.113.1/32 dev w-a1; ip route add 203.0.113.60 dev w-a1")
    a.sh("ip addr add 203.0.113.60/32 dev wan1; ip route replace 203.0.113.1 dev wan1")


def other_way_out(lab, a, b):
    """Another link and default route; the first one's address goes, as from one Wi-Fi to the next."""
    second_link(lab, a)
    a.sh("ip route del default; ip route add default via 203.0.113.1 dev wan1 src 203.0.113.60; "
         f"ip addr del {a.ip4}/32 dev wan0; ip link set wan0 down")
    wait_until(lambda: told(lab, "a", "203.0.113.60:") and not told(lab, "a", f"{a.ip4}:"), 30,
               "the server hears of the other way")
    a.wait_until(lambda n: n.network().server_state == "connected", 30)
    a.reaches(b.addresses()[4])
    b.reaches(a.addresses()[4])
    b.wait_until(lambda n: n.peer("a").endpoint.startswith("203.0.113.60:"), 20)
    lab.ok("the default route moves to another link: the conversation and the peers follow")


def flaps(lab, a, b):
    """Ten times a second for three seconds; then it stays."""
    before, began = a.log("meshd").count(CHANGED), time.monotonic()
    a.run("sh", "-c", "for i in $(seq 30); do ip link set wan1 down; sleep 0.05; ip link set wan1 up; sleep 0.05; "
          "done; ip route replace 203.0.113.1 dev wan1; "
          "ip route replace default via 203.0.113.1 dev wan1 src 203.0.113.60")
    a.wait_until(lambda n: n.network().state == "up" and n.network().server_state == "connected", 30)
    a.reaches(b.addresses()[4])
    b.reaches(a.addresses()[4])
    changes, took_s = a.log("meshd").count(CHANGED) - before, time.monotonic() - began
    assert 0 < changes <= 2 + took_s / GATHER_S, (changes, took_s)  # gathered: a flap is more than ten messages
    wait_until(lambda: told(lab, "a", "203.0.113.60:"), 20, "our endpoint")
    lab.ok("a link that flaps ten times a second: all is well when it stays")


def main():
    with Lab() as lab:
        a, b, server = lab.node("a", v6=False), lab.node("b"), lab.server
        text = server.setup("home")
        server.up()
        for node, own in ((a, text), (b, None)):
            node.up()
            node.join(own or server.key("home"))
        a.reaches(b.addresses()[4])
        new_address(lab, a, b)
        other_way_out(lab, a, b)
        flaps(lab, a, b)


main()
