"""A link on the way is narrow, and nobody hears of it: ICMP errors are lost, and only TCP that the
router sees is told to keep short, as is usual. Much TCP in the tunnel comes through
nevertheless: directly over IPv4, where routers take packets apart, and past IPv6, where nobody does.

   [a] ─ router ═ 1300 bytes ═ wan ─ [server]
                                └─── router ─ [b]"""
from lab import Lab, copy
from pathpair import Pinger, is_path, pair
from router import outer_dev

NARROW = 1300
BYTES = 3 << 20
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


def narrow(lab, router):
    router.run("ip", "link", "set", "wan0", "mtu", NARROW)
    lab.wan.run("ip", "link", "set", outer_dev(router), "mtu", NARROW)
    for host in (router, lab.wan):
        host.run("nft", "-f", "-", text="table inet deaf { }\ndelete table inet deaf\n" + DEAF)


def carries(lab, one, other, what):
    for sender, receiver in ((one, other), (other, one)):
        took, same = copy(sender, receiver, receiver.addresses()[4], BYTES, limit_s=60)
        assert same, f"{sender.name} to {receiver.name}"
        print(f"# {sender.name} to {receiver.name}: {BYTES >> 20} MiB in {took:.1f} s, "
              f"{one.peer(other.name).path} {one.peer(other.name).endpoint}", flush=True)
    lab.ok(what)


def main():
    with Lab() as lab:
        lab.server.setup("home")
        lab.server.up()
        (a, ra), (b, _) = pair(lab, "ab", "port-restricted")
        mtu = a.run("cat", f"/sys/class/net/{a.network().interface}/mtu").stdout.strip()
        assert mtu == "1400", mtu
        lab.ok("the interface has an MTU of 1400: a packet of it fits by a relay over IPv6")
        narrow(lab, ra)
        a.reaches(b.addresses()[4])
        is_path(a, b, "direct")
        carries(lab, a, b, "IPv4, 1300 bytes: TCP goes directly")

        (u, ru), (v, _) = pair(lab, "uv", "port-restricted", v6=True)
        pings = Pinger(u, v.addresses()[4])
        pings.goes_on()
        is_path(u, v, "direct")
        u.wait_until(lambda n: n.peer("v").endpoint.startswith("["), 20, "they talk by IPv6")
        carries(lab, u, v, "IPv6: TCP goes directly")
        assert u.peer("v").endpoint.startswith("["), u.peer("v").endpoint
        for node in (u, v):
            node.stop("meshd")
        narrow(lab, ru)
        for node in (u, v):
            node.up()
        pings.stop()
        u.reaches(v.addresses()[4])
        pings = Pinger(u, v.addresses()[4])
        u.wait_until(lambda n: "loses long packets" in n.log("meshd"), 40, "the news of the narrow link")
        carries(lab, u, v, "IPv6, 1300 bytes: TCP goes past it")
        assert not u.peer("v").endpoint.startswith("["), u.peer("v").endpoint
        pings.is_whole()
        pings.stop()


main()
