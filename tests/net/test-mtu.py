"""A link on the way is narrow, and nobody hears of it: ICMP errors are lost, and only TCP that the
router sees is told to keep short, as is usual. The nodes find out by probes of their own how much
goes through, and tell their hosts: much TCP comes through, and no router takes anything apart. A
link that becomes narrow later on is noticed, too. Where less goes through than IPv6 needs inside,
packets are taken apart over IPv4, and go past IPv6, where nobody does that. By relay it is the same.

   [a] ─ router ═ 1300 bytes ═ wan ─ [server]
                                └─── router ─ [b]"""
import re

from lab import Lab, copy
from pathpair import Pinger, is_path, pair
from router import outer_dev

OUTER4, OUTER6 = 28 + 32, 48 + 32  # IP, UDP, and WireGuard's
RELAY = 16  # its header
CLOSE = 4  # bytes that the search leaves open
BYTES = 3 << 20
ROUNDS = 5
DEAF = """table inet deaf {
 chain leave {
  type filter hook output priority 0;
  icmp type destination-unreachable drop
  icmpv6 type packet-too-big drop
 }
 chain pass {
  type filter hook forward priority 0;
  tcp flags & (syn | rst) == syn tcp option maxseg size set 1200
 }
}"""
FRAGMENTS = """table inet fragments {
 counter seen { }
 chain come {
  type filter hook prerouting priority -450;
  ip frag-off & 0x3fff != 0 counter name seen
  exthdr frag exists counter name seen
 }
}"""


def narrow(lab, router, mtu):
    router.run("ip", "link", "set", "wan0", "mtu", mtu)
    lab.wan.run("ip", "link", "set", outer_dev(router), "mtu", mtu)
    for host in (router, lab.wan):
        host.run("nft", "-f", "-", text="table inet deaf { }\ndelete table inet deaf\n" + DEAF)


def count_fragments(lab):
    """How many came to the middle of the network since it was asked last."""
    if "table inet fragments" not in lab.wan.run("nft", "list", "tables").stdout:
        lab.wan.run("nft", "-f", "-", text=FRAGMENTS)
    text = lab.wan.run("nft", "reset", "counters", "table", "inet", "fragments").stdout
    return sum(int(n) for n in re.findall(r"packets (\d+)", text))


def finds(one, other, link, outer):
    """Both find how long a packet may be; a host is told, and `mesh` says it."""
    want = link - outer
    for node, far in ((one, other), (other, one)):
        node.wait_until(lambda n: want - CLOSE < n.peer(far.name).mtu <= want, 40,
                        f"{node.name}: packets of {want} bytes")

    def told(node):
        mtu = node.peer(other.name).mtu
        return mtu if f"packets of up to {mtu} bytes" in node.mesh("why", other.name).stdout else None
    mtu = one.wait_until(told, 40, "the same in words")
    ping = ("ping", "-n", "-c", 1, "-W", 5, "-M", "do")
    one.wait_until(lambda n: f"mtu = {mtu}" in n.run(
        *ping, "-s", mtu + 1 - 28, other.addresses()[4], check=False).stdout or
        f"mtu={mtu}" in n.run(*ping, "-s", mtu + 1 - 28, other.addresses()[4], check=False).stderr,
        20, "the host knows")
    one.wait_until(lambda n: n.run(*ping, "-s", mtu - 28, other.addresses()[4], check=False).returncode == 0, 40,
                   "packets as long as that")
    print(f"# {one.name} to {other.name}: {mtu} bytes", flush=True)


def copies(one, other):
    for sender, receiver in ((one, other), (other, one)):
        took, same = copy(sender, receiver, receiver.addresses()[4], BYTES)
        assert same, f"{sender.name} to {receiver.name}"
        print(f"# {sender.name} to {receiver.name}: {BYTES >> 20} MiB in {took:.1f} s, "
              f"{one.peer(other.name).path} {one.peer(other.name).endpoint}", flush=True)


def carries(lab, one, other, what):
    copies(one, other)
    lab.ok(what)


def carries_whole(lab, one, other, what):
    """No router has to take a packet apart. What goes by the relay for a moment, because the machine paused, is
    longer by its header: then it does not count."""
    for _ in range(ROUNDS):
        is_path(one, other, "direct")
        is_path(other, one, "direct")
        moved = lab.server.json("status").relay.packets
        count_fragments(lab)
        copies(one, other)
        found = count_fragments(lab)
        if found == 0:
            lab.ok(f"{what}, and no router took a packet apart")
            return
        assert lab.server.json("status").relay.packets > moved, f"{found} fragments on the direct way"
    raise AssertionError("fragments, and the relay in use each time")


def main():
    with Lab() as lab:
        lab.server.setup("home")
        lab.server.up()
        (a, ra), (b, _) = pair(lab, "ab", "port-restricted")
        mtu = a.run("cat", f"/sys/class/net/{a.network().interface}/mtu").stdout.strip()
        assert mtu == "1400", mtu
        lab.ok("the interface has an MTU of 1400: a packet of it fits by a relay over IPv6")
        narrow(lab, ra, 1400)
        a.reaches(b.addresses()[4])
        is_path(a, b, "direct")
        finds(a, b, 1400, OUTER4)
        carries_whole(lab, a, b, "IPv4, 1400 bytes: TCP goes directly")
        pings = Pinger(a, b.addresses()[4])
        narrow(lab, ra, 1300)
        finds(a, b, 1300, OUTER4)
        carries_whole(lab, a, b, "IPv4, narrower while it is in use: TCP goes directly")
        pings.stop()

        (u, ru), (v, _) = pair(lab, "uv", "port-restricted", v6=True)
        pings = Pinger(u, v.addresses()[4])
        pings.goes_on()
        is_path(u, v, "direct")
        u.wait_until(lambda n: n.peer("v").endpoint.startswith("["), 20, "they talk by IPv6")
        carries(lab, u, v, "IPv6: TCP goes directly")
        narrow(lab, ru, 1400)
        finds(u, v, 1400, OUTER6)
        carries(lab, u, v, "IPv6, 1400 bytes: TCP goes directly")
        u.wait_until(lambda n: n.peer("v").endpoint.startswith("["), 60, "IPv6, still")
        for node in (u, v):
            node.stop("meshd")
        narrow(lab, ru, 1300)
        for node in (u, v):
            node.up()
        pings.stop()
        u.reaches(v.addresses()[4])
        pings = Pinger(u, v.addresses()[4])
        u.wait_until(lambda n: "loses long packets" in n.log("meshd"), 40, "the news of the narrow link")
        carries(lab, u, v, "IPv6, 1300 bytes: TCP goes past it")
        u.wait_until(lambda n: not n.peer("v").endpoint.startswith("["), 60, "past IPv6")
        pings.is_whole()
        pings.stop()
        relayed(lab)


def relayed(lab):
    """By the server's relay: the near end's link is narrow, and the far end's."""
    (x, rx), (y, _) = pair(lab, "xy", "symmetric")
    for node in (x, y):
        node.mesh("set", "--hard-nat=off")
    narrow(lab, rx, 1400)
    x.reaches(y.addresses()[4])
    is_path(x, y, "relay")
    pings = Pinger(x, y.addresses()[4])
    finds(x, y, 1400, OUTER4 + RELAY)
    carries(lab, x, y, "by relay, a link of 1400 bytes at one end: TCP goes through")
    narrow(lab, rx, 1300)
    finds(x, y, 1300, OUTER4 + RELAY)
    carries(lab, x, y, "by relay, narrower while it is in use: TCP goes through")
    is_path(x, y, "relay")
    pings.stop()


main()
