"""A hole in the IPv6 firewall of a home router, asked for by PCP: opened, used, given back.

   [a] ─ a router that drops all UDP ═══╗
                                        ╠══ wan ══ [server] [stranger]
   [c] ─ m, a firewall that speaks PCP ═╝             c has IPv6 alone, and m by its link-local address"""
import os
import sys
import time

from lab import Lab, need, wait_until
from onway import MAPPER, map_ports

LIMIT_S = 120 # ends a hang only
SEEN = """table inet seen {{
 chain come {{
  type filter hook input priority 0;
  ip6 saddr {} udp dport {} counter
 }}
}}
"""

need("nft")


def found(node):
    return node.json("netcheck")["networks"][0]["found"]


def holes(nat):
    """(of TCP, of UDP), by the router's own list"""
    lines = nat.run("nft", "list", "chain", "inet", "upnp", "miniupnpd").stdout.splitlines()
    return tuple(sum("accept" in line and (f" {word} " in line or f" {number} " in line) for line in lines)
                 for word, number in (("tcp", "0x6"), ("udp", "0x11")))


def settle(node, wanted):
    node.wait_until(lambda n: found(n)["pinhole"] == wanted, LIMIT_S, f"pinhole {wanted}")


def arrived(node):
    """The stranger's packets that came to our port."""
    text = node.run("nft", "list", "table", "inet", "seen").stdout
    return int(text.split("packets ", 1)[1].split()[0])


def throw(stranger, node):
    code = ("import socket,sys\ns=socket.socket(socket.AF_INET6,socket.SOCK_DGRAM)\n"
            "s.sendto(b'knock',(sys.argv[1],int(sys.argv[2])))\n")
    stranger.run("python3", "-c", code, node.ip6, node.network().listen_port)


def check_hole(lab, nat, c):
    settle(c, "pcp")
    port = c.network().listen_port
    told = found(c)
    assert (told["pinhole-at"], told["pinhole-error"]) == (f"[{c.ip6}]:{port}", ""), told
    c.wait_until(lambda n: f"pinhole    pcp: [{c.ip6}]:{port}" in n.mesh("netcheck").stdout, LIMIT_S)
    assert holes(nat) == (0, 1) and told["tcp-pinhole"] == "off", "TCP only where somebody would come by it"
    stranger = lab.host("stranger")
    c.run("nft", "-f", "-", text=SEEN.format(stranger.ip6, port))
    before = arrived(c)
    throw(stranger, c)
    wait_until(lambda: arrived(c) > before, LIMIT_S, "a packet from anywhere comes in")
    c.mesh("set", "--portmap=off")
    wait_until(lambda: holes(nat) == (0, 0), LIMIT_S, "given back")
    before = arrived(c)
    throw(stranger, c)
    c.reaches("2001:db8::1") # later than that packet would have been
    assert arrived(c) == before, "the firewall lets in what nobody asked for"
    c.mesh("set", "--portmap=on")
    settle(c, "pcp")
    lab.ok("PCP over IPv6: the firewall lets packets in to our port, and no more after it is given back")


def age_s(pid):
    return time.time() - os.stat(f"/proc/{pid}").st_ctime


def check_life(lab, nat, c):
    c.restart(kill=True) # the router still has it for the one before
    settle(c, "pcp")
    assert holes(nat) == (0, 1)
    # A clock that began anew within two seconds of the old one's beginning may be the old one (RFC 6887 §8.5).
    wait_until(lambda: age_s(nat.processes["miniupnpd"].pid) > 5, LIMIT_S, "a router whose age shows")
    nat.stop("miniupnpd", kill=True)
    nat.run("nft", "flush", "chain", "inet", "upnp", "miniupnpd")
    map_ports(nat)
    wait_until(lambda: holes(nat) == (0, 1), LIMIT_S, "opened again by a router that started anew")
    c.stop("meshd")
    wait_until(lambda: holes(nat) == (0, 0), LIMIT_S, "closed at the end")
    c.up()
    settle(c, "pcp")
    lab.ok("killed, stopped, and the router begun anew: the hole follows")


def check_tcp(lab, nat, a, c):
    a.start("flow", "ping", "-n", "-i", "0.1", c.addresses()[6])
    for node, far in ((a, "c"), (c, "a")):
        node.wait_until(lambda n, f=far: n.peer(f).path == "direct-tcp", LIMIT_S, f"{node.name} to {far} by TCP")
    a.wait_until(lambda n: n.peer("c").endpoint == f"[{c.ip6}]:{c.network().listen_port}", LIMIT_S, "where c listens")
    wait_until(lambda: holes(nat) == (1, 1) and found(c)["tcp-pinhole"] == "pcp", LIMIT_S, "a hole for TCP, too")
    a.stop("flow")
    lab.ok("a peer without UDP comes by TCP through a hole of its own")


def main():
    if not MAPPER:
        print("SKIP missing: miniupnpd-nftables; run ./run deps")
        sys.exit(77)
    with Lab() as lab:
        nat = lab.nat("m", wan4="5.5.5.1")
        map_ports(nat)
        c = lab.node("c", behind=nat, v4=False)
        inner = nat.sh("ip -6 -o addr show dev lan0 scope link | grep -o 'fe80[^/]*'").stdout.strip()
        c.run("ip", "-6", "route", "replace", "default", "via", inner, "dev", "eth0")
        a = lab.node("a", behind=lab.nat("natA", kind="udp-blocked"))
        link = lab.server.setup("home")
        lab.server.up()
        for node, text in ((a, link), (c, None)):
            node.up()
            node.join(text or lab.server.key("home"))
        check_hole(lab, nat, c)
        check_life(lab, nat, c)
        check_tcp(lab, nat, a, c)


main()
