"""A narrow link that nobody tells of (narrowlink.py), on the way by a relay that another node keeps. Long packets go
through, and no router takes anything apart.

   [hub] public, keeps a relay ══╗
   [a] ─ symmetric NAT ═ narrow ═╬══ wan ══ [server], with the relay of the network
   [b] ─ symmetric NAT ══════════╝"""
from lab import Lab, need
from narrowlink import OUTER4, RELAY, Watch, arrives, carries, finds, narrow
from pathpair import Pinger, is_path, pair

need("nft")
PORT = 41700
LIMIT_S = 90 # ends a hang only


def by_node(lab, a, b, ra):
    hub = lab.node("hub", v6=False)
    hub.up()
    hub.join(lab.server.key("home"))
    narrow(lab, ra, 1400)
    hub.mesh("set", f"--peer-relay={PORT}")
    a.reaches(b.addresses()[4])
    pings = Pinger(a, b.addresses()[4])
    for node, far in ((a, b), (b, a)):
        is_path(node, far, "peer-relay", LIMIT_S)
    finds(a, b, 1400, OUTER4 + RELAY)
    watch = Watch(lab, ra, hub, relayed=True)
    carries(lab, watch, a, b, "by a node's relay, a link of 1400 bytes at one end: TCP goes through")
    arrives(lab, watch, a, b, "and UDP without DF")
    narrow(lab, ra, 1300)
    finds(a, b, 1300, OUTER4 + RELAY)
    carries(lab, watch, a, b, "by a node's relay, narrower while it is in use: TCP goes through")
    arrives(lab, watch, a, b, "and UDP without DF")
    for node, far in ((a, b), (b, a)):
        is_path(node, far, "peer-relay", LIMIT_S)
    hub.mesh("set", "--peer-relay=off")
    for node, far in ((a, b), (b, a)):
        is_path(node, far, "relay", LIMIT_S)
    pings.goes_on()
    pings.stop()


def main():
    with Lab() as lab:
        lab.server.setup("home")
        lab.server.up()
        (a, ra), (b, _) = pair(lab, "ab", "symmetric")
        for node in (a, b):
            node.mesh("set", "--hard-nat=off")
        by_node(lab, a, b, ra)


main()
