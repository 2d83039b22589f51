"""A link on the way is narrow, and nobody hears of it: ICMP errors are lost, and only TCP that the
router sees is told to keep short, as is usual. The nodes find out by probes of their own how much
goes through, and tell their hosts: much TCP comes through, and no router takes anything apart. A
link that becomes narrow later on is noticed, too. Where less goes through than IPv6 needs inside,
packets are taken apart over IPv4, and go past IPv6, where nobody does that. By relay it is the same.
What is longer than the way carries, and may be taken apart, is so inside the tunnel: UDP and TCP without DF.

   [a] ─ router ═ 1300 bytes ═ wan ─ [server]
                                └─── router ─ [b]"""
from lab import Lab
from narrowlink import OUTER4, OUTER6, RELAY, Watch, arrives, carries, count_cut, finds, forget, narrow
from pathpair import Pinger, is_path, pair


def without_df(lab, watch, one, other):
    """TCP whose packets may be taken apart, as the host hands it over: as super-packets."""
    for node in (one, other):
        node.run("sysctl", "-qw", "net.ipv4.ip_no_pmtu_disc=1")
        forget(node)
    before = count_cut(one), count_cut(other)
    carries(lab, watch, one, other, "TCP without DF goes through a link that its segments do not fit")
    cut = [count_cut(node) - was for node, was in zip((one, other), before)]
    assert min(cut) > 1000, cut
    for node in (one, other):
        node.run("sysctl", "-qw", "net.ipv4.ip_no_pmtu_disc=0")


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
        watch = Watch(lab, ra)
        carries(lab, watch, a, b, "IPv4, 1400 bytes: TCP goes directly, and no router takes a packet apart")
        arrives(lab, watch, a, b, "nor UDP without DF")
        without_df(lab, watch, a, b)
        pings = Pinger(a, b.addresses()[4])
        narrow(lab, ra, 1300)
        finds(a, b, 1300, OUTER4)
        carries(lab, watch, a, b, "IPv4, narrower while it is in use: TCP goes directly")
        arrives(lab, watch, a, b, "and UDP without DF")
        pings.stop()

        (u, ru), (v, _) = pair(lab, "uv", "port-restricted", v6=True)
        pings = Pinger(u, v.addresses()[4])
        pings.goes_on()
        is_path(u, v, "direct")
        u.wait_until(lambda n: n.peer("v").endpoint.startswith("["), 20, "they talk by IPv6")
        watch = Watch(lab, ru)
        carries(lab, watch, u, v, "IPv6: TCP goes directly")
        narrow(lab, ru, 1400)
        finds(u, v, 1400, OUTER6)
        carries(lab, watch, u, v, "IPv6, 1400 bytes: TCP goes directly")
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
        finds(u, v, 1300, OUTER4)
        carries(lab, watch, u, v, "IPv6, 1300 bytes: TCP goes past it")
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
    watch = Watch(lab, rx, lab.server, relayed=True)
    carries(lab, watch, x, y, "by relay, a link of 1400 bytes at one end: TCP goes through")
    arrives(lab, watch, x, y, "and UDP without DF")
    narrow(lab, rx, 1300)
    finds(x, y, 1300, OUTER4 + RELAY)
    carries(lab, watch, x, y, "by relay, narrower while it is in use: TCP goes through")
    arrives(lab, watch, x, y, "and UDP without DF")
    is_path(x, y, "relay")
    pings.stop()


main()
