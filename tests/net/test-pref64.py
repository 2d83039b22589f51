"""A NAT64 that only its router tells of (RFC 8781): no name server here knows the prefix.

   [a] ─ home router, IPv6 alone ══╗
                                   ╠══ wan ══ [server] [nat64]      the announcements are sent by hand
   [b] ─ IPv4 alone ═══════════════╝                                by the home router and by a neighbour"""
from lab import Lab, need, wait_until
from onway import PREFIX64, Nat64

LIMIT_S = 120 # ends a hang only
ANNOUNCE = """import socket,struct,sys
life,prefix,router,dev=int(sys.argv[1]),sys.argv[2],int(sys.argv[3]),sys.argv[4]
s=socket.socket(socket.AF_INET6,socket.SOCK_RAW,socket.IPPROTO_ICMPV6)
s.setsockopt(socket.IPPROTO_IPV6,socket.IPV6_MULTICAST_HOPS,255)
head=struct.pack('!BBHBBHII',134,0,0,64,0,router,0,0)
option=struct.pack('!BBH',38,2,life//8<<3)+socket.inet_pton(socket.AF_INET6,prefix)[:12]
s.sendto(head+option,('ff02::1',0,0,socket.if_nametoindex(dev)))
"""

need("nft")


def announce(host, life_s, prefix=PREFIX64, router_s=1800, dev="lan0"):
    """One router advertisement with a PREF64 for /96; router_s 0: it does not offer to be a router."""
    host.run("python3", "-c", ANNOUNCE, life_s, prefix.split("/")[0], router_s, dev)


def says(node):
    return node.log("meshd").count("IPv4 can be reached through a NAT64")


def check_direct(lab, router, a, b):
    a.start("flow", "ping", "-n", "-i", "0.2", b.addresses()[4])
    wait_until(lambda: a.log("flow").count("bytes from") > 2, LIMIT_S, "packets by the relay")
    a.wait_until(lambda n: n.peer("b").path == "relay", LIMIT_S, "the relay")
    assert says(a) == 0
    announce(router, 600)
    a.wait_until(lambda n: n.peer("b").path == "direct", LIMIT_S, "a to b through the NAT64")
    assert says(a) == 1 and "NAT64 2001:db8:64::/96" in a.log("meshd")
    before = a.log("meshd").count("the host's network changed")
    announce(router, 600)
    announce(router, 1200)
    announce(router, 600, "64:ff9b::") # the first one goes on
    a.reaches(b.addresses()[4])
    lab.ok("a router announces a NAT64: direct to a node that has IPv4 alone")
    assert a.log("meshd").count("the host's network changed") - before <= 1, "it is the same each time"


def check_stranger(lab, router, a):
    """Who is not the router of the default route is not believed."""
    stranger = lab.node("stranger", behind=router, v4=False)
    announce(router, 0, "64:ff9b::")
    announce(router, 0)
    wait_until(lambda: "with NAT64" not in a.log("meshd").rsplit("the host's network changed", 1)[1], LIMIT_S,
               "it is taken back")
    seen = says(a)
    announce(stranger, 600, router_s=0, dev="eth0")
    announce(router, 600)
    wait_until(lambda: says(a) > seen, LIMIT_S, "announced again")
    assert says(a) == seen + 1
    lab.ok("taken back with a lifetime of 0; a neighbour's announcement does not count")


def check_refused(lab, router, a):
    """What is no NAT64's, and what would lead into the mesh; then a good one, to know that those were heard."""
    announce(router, 0)
    wait_until(lambda: "with NAT64" not in a.log("meshd").rsplit("the host's network changed", 1)[1], LIMIT_S,
               "it is taken back")
    seen = says(a)
    inside = a.network().prefixes[-1].split("/")[0]
    announce(router, 600, "::")
    announce(router, 600, inside)
    wait_until(lambda: f"with NAT64 {inside}" in a.log("meshd"), LIMIT_S, "the last is heard")
    announce(router, 0, inside)
    announce(router, 600)
    wait_until(lambda: says(a) > seen, LIMIT_S, "announced again")
    assert says(a) == seen + 1 and "NAT64, ::/96" not in a.log("meshd") and f"NAT64, {inside}" not in a.log("meshd")
    lab.ok("a prefix that nothing can be behind, or that is the mesh's own, is refused")


def check_end(lab, router, a):
    assert "with NAT64" in a.log("meshd").rsplit("the host's network changed", 1)[1]
    announce(router, 8) # the shortest there is
    wait_until(lambda: "with NAT64" not in a.log("meshd").rsplit("the host's network changed", 1)[1], LIMIT_S, "its end")
    lab.ok("it ends with its lifetime")


def main():
    with Lab() as lab:
        if not Nat64.program:
            print("SKIP missing: tayga; run ./run deps")
            raise SystemExit(77)
        Nat64(lab)
        router = lab.nat("ra", v6=True)
        a, b = lab.node("a", behind=router, v4=False), lab.node("b", v6=False)
        a.sh("ip -6 route del default; echo 1 > /proc/sys/net/ipv6/conf/eth0/accept_ra; "
             "echo 0 > /proc/sys/net/ipv6/conf/eth0/accept_ra_pinfo")
        announce(router, 0) # it offers to be a router, and no NAT64
        wait_until(lambda: "default via fe80" in a.run("ip", "-6", "route").stdout, LIMIT_S, "a default route")
        link = lab.server.setup("home")
        lab.server.up()
        for node, text in ((a, link), (b, None)):
            node.up()
            node.join(text or lab.server.key("home"))
        check_direct(lab, router, a, b)
        check_stranger(lab, router, a)
        check_refused(lab, router, a)
        check_end(lab, router, a)
        a.stop("flow")


main()
