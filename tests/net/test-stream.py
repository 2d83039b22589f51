"""What may happen while two nodes that have no direct way use a relay: UDP is shut off and comes back, and
over TLS the relay dies, goes dark, stops in good order. Traffic goes on.

   [a] ─ symmetric NAT ══ wan ══ symmetric NAT ─ [b]     [server] with its relay"""
import pathlib
import re
import sys
import time

try:
    import cryptography # noqa: F401  (webfront.py)
except ImportError:
    print("skipped: missing python3-cryptography")
    sys.exit(77)
from lab import Lab, wait_until
from pathpair import Pinger, is_path
from pauses import Pauses

HERE = pathlib.Path(__file__).resolve().parent
USED = "relay server is used over TLS"
AGAIN = "relay server is used over UDP again"


def seen(node, text):
    return node.log("meshd").count(text)


def says(node, text, times, limit_s=60):
    wait_until(lambda: seen(node, text) >= times, limit_s, f"{node.name}: {text}")


def udp_goes(lab, a, b, ra, pings):
    began = time.time()
    ra.cut("both", "udp")
    says(a, USED, 1)
    pings.goes_on()
    is_path(a, b, "relay")
    peer, = [one for one in a.json("peers")["peers"] if one["name"] == b.name]
    assert peer["relay-tls"] and "server (TLS)" in a.mesh("peers").stdout, peer
    assert not b.json("peers")["peers"][0]["relay-tls"]
    lab.ok(f"UDP is shut off: the relay over TLS, {pings.gap_s(began):.2f} s without an answer")


def udp_comes_back(lab, a, ra, pings):
    ra.mend()
    began = time.time()
    says(a, AGAIN, 1, 90)
    pings.goes_on()
    lab.ok(f"UDP comes back: the relay over UDP, {pings.gap_s(began):.2f} s without an answer")


def relay_dies(lab, a, b, ra, rb, pings):
    for router in (ra, rb):
        router.cut("both", "udp")
    says(a, USED, 2)
    says(b, USED, 1)
    pings.goes_on()
    began = time.time()
    lab.server.restart(kill=True)
    says(a, USED, 3)
    says(b, USED, 2)
    pings.goes_on()
    lab.ok(f"the relay is killed and comes back: {pings.gap_s(began):.2f} s without an answer")
    began = time.time()
    lab.server.restart()
    says(a, USED, 4)
    says(b, USED, 3)
    pings.goes_on()
    lab.ok(f"it stops in good order and comes back: {pings.gap_s(began):.2f} s without an answer")


def relay_goes_dark(lab, a, ra, pings):
    """Not a word of it, and no end of the connection either."""
    lost = "does not answer over TLS any more"
    before = seen(a, lost)
    began = time.time()
    ra.cut("both", "all")
    says(a, lost, before + 1)
    noticed_s = time.time() - began
    used = seen(a, USED)
    ra.mend()
    ra.cut("both", "udp")
    says(a, USED, used + 1)
    pings.goes_on()
    lab.ok(f"the way to it goes dark: noticed after {noticed_s:.1f} s, used again when it is back")


def token_ends(lab, a, pings, pauses):
    """The next stream is open before the old one closes."""
    began = time.time()
    a.mesh("proxy", "auto") # opens conversations anew, and proves the relay
    pings.goes_on()
    gap_s = pings.gap_s(began)
    assert gap_s < 20 or pauses.since(began), gap_s
    lab.ok(f"conversations are opened anew: traffic goes on, {gap_s:.2f} s without an answer")


def front_is_picky(lab, a, pings):
    """What stands before the server now knows no Upgrade but WebSocket's."""
    keyfile = "/var/lib/mesh-server/server.key"
    lab.server.start("front", sys.executable, HERE / "webfront.py", keyfile, lab.server.ip4, 9443,
                     "127.0.0.1", 443)
    wait_until(lambda: "ready" in lab.server.log("front"), 10, "the front")
    lab.server.run("nft", "-f", "-", text=f"""table ip front {{
 chain arrive {{
  type nat hook prerouting priority dstnat;
  ip daddr {lab.server.ip4} tcp dport 443 redirect to :9443
 }}
}}
""")
    lab.server.restart()
    says(a, f"{USED} and WebSocket", 1)
    pings.goes_on()
    assert "refused mesh-relay/1" in lab.server.log("front") and "passed websocket" in lab.server.log("front")
    lab.ok("a front that refuses the plain form: the relay in WebSocket messages")


def main():
    with Lab() as lab:
        pauses = Pauses()
        lab.server.setup("home")
        lab.server.up()
        routers = [lab.nat("r" + name, kind="symmetric", v6=False) for name in "ab"]
        a, b = (lab.node(name, behind=router) for name, router in zip("ab", routers))
        for node in (a, b):
            node.up()
            node.join(lab.server.key("home"))
        ra, rb = routers
        pings = Pinger(a, b.addresses()[4])
        pings.goes_on()
        udp_goes(lab, a, b, ra, pings)
        udp_comes_back(lab, a, ra, pings)
        relay_dies(lab, a, b, ra, rb, pings)
        relay_goes_dark(lab, a, ra, pings)
        token_ends(lab, a, pings, pauses)
        front_is_picky(lab, a, pings)
        assert not re.search(r"critical|assert", a.log("meshd") + b.log("meshd"), re.I)
        a.stop("ping")


main()
