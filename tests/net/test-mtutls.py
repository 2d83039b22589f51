"""A narrow link that nobody tells of (narrowlink.py), and the server's relay over TLS, at both ends or at one. Long
packets go through, and no router takes anything apart. Over TLS nothing is too long; when UDP comes back on a narrow
link, that is noticed.

   [a] ─ symmetric NAT ═ narrow, perhaps no UDP ══╦══ wan ══ [server], with the relay of the network
   [b] ─ symmetric NAT ═══════════ perhaps no UDP ╝"""
from lab import Lab, wait_until
from narrowlink import OUTER4, RELAY, Watch, arrives, carries, finds, narrow
from pathpair import Pinger, is_path, pair

LIMIT_S = 90 # ends a hang only
USED = "relay server is used over TLS"
AGAIN = "relay server is used over UDP again"
WIDE = 1400 + OUTER4 + RELAY # as much as the interface's packets are long


def says(node, text):
    """A context: within it `node` says so."""
    before = node.log("meshd").count(text)
    return lambda: wait_until(lambda: node.log("meshd").count(text) > before, LIMIT_S, f"{node.name}: {text}")


def over_tls(lab, ends, ra, rb):
    a, b = ends
    pings = Pinger(a, b.addresses()[4])
    pings.goes_on()
    finds(a, b, 1300, OUTER4 + RELAY) # by the server's relay, over UDP
    used = [says(node, USED) for node in ends]
    for router in (ra, rb):
        router.cut("both", "udp")
    for wait in used:
        wait()
    pings.goes_on()
    watch = Watch(lab, ra, lab.server, relayed=True)
    carries(lab, watch, a, b, "by the relay over TLS, a link of 1300 bytes: TCP goes through")
    for node in ends: # what was known of UDP is forgotten
        node.restart()
    finds(a, b, WIDE, OUTER4 + RELAY)
    carries(lab, watch, a, b, "over TLS all that the interface allows goes through")
    back = says(a, AGAIN)
    ra.mend()
    back()
    pings.goes_on()
    finds(a, b, 1300, OUTER4 + RELAY)
    carries(lab, watch, a, b, "UDP comes back at one end, where the link is narrow: TCP goes through")
    arrives(lab, watch, a, b, "and UDP without DF")
    peer, = [one for one in b.json("peers")["peers"] if one["name"] == a.name]
    assert peer["relay-tls"], peer
    back = says(b, AGAIN)
    rb.mend()
    back()
    pings.goes_on()
    finds(a, b, 1300, OUTER4 + RELAY)
    carries(lab, watch, a, b, "UDP comes back at the other end, too: TCP goes through")
    is_path(a, b, "relay")
    pings.stop()


def main():
    with Lab() as lab:
        lab.server.setup("home")
        lab.server.up()
        (a, ra), (b, rb) = pair(lab, "ab", "symmetric")
        for node in (a, b):
            node.mesh("set", "--hard-nat=off")
        narrow(lab, ra, 1300)
        a.reaches(b.addresses()[4])
        over_tls(lab, (a, b), ra, rb)


main()
