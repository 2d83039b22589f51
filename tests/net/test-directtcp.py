"""TCP straight to a peer, for a node whose UDP is blocked; and who is no peer gets nothing there.

   [a] ─ a router that drops all UDP ══╗
                                       ╠══ wan ══ [server]
   [b] in the open ════════════════════╣
   [c] ─ a router that maps ports ═════╝"""

from lab import Lab, copy, need, wait_until
from onway import MAPPER, map_ports

LIMIT_S = 180 # ends a hang only: UDP is given up, the relay over TLS taken, and ways looked for
BYTES = 20 * 1000 * 1000

need("nft")


def by(node, name, path):
    return node.peer(name).path == path


def both(a, b, path):
    for node, far in ((a, "b"), (b, "a")):
        node.wait_until(lambda n, f=far: by(n, f, path), LIMIT_S, f"{node.name} to {far}: {path}")


def listens(node):
    port = node.network().listen_port
    return f":{port} " in node.run("ss", "-Htln").stdout


def check_path(lab, a, b):
    a.start("flow", "ping", "-n", "-i", "0.1", b.addresses()[4])
    both(a, b, "direct-tcp")
    place = f"{b.ip4}:{b.network().listen_port}"
    a.wait_until(lambda n: n.peer("b").endpoint == place, LIMIT_S, f"b at {place}")
    a.wait_until(lambda n: "UDP does not get through" in n.peer("b").reason, LIMIT_S, "the reason")
    a.wait_until(lambda n: f"direct-tcp via {place}" in n.mesh("ping", "b").stdout, LIMIT_S, "mesh ping by TCP")
    moved = lab.server.json("status").relay.packets # in doubt packets are copied to it, as where the machine stops
    took, same = copy(a, b, b.addresses()[4], BYTES)
    assert same
    assert lab.server.json("status").relay.packets - moved < BYTES / 1400 / 2, "the relay carried it"
    lab.ok(f"directly by TCP, and {BYTES // 1000000} MB with equal hashes in {took:.1f} s")


def check_end(lab, a, b):
    """Whoever ends it, and whatever: the relay goes on, and the way comes back."""
    port = b.network().listen_port
    b.run("nft", "-f", "-", text=f"""table inet closed {{
 chain come {{
  type filter hook input priority 0;
  tcp dport {port} reject with tcp reset
 }}
}}
""")
    both(a, b, "relay")
    seen = a.log("flow").count("bytes from")
    wait_until(lambda: a.log("flow").count("bytes from") > seen + 10, LIMIT_S, "the relay carries them")
    b.run("nft", "delete", "table", "inet", "closed")
    both(a, b, "direct-tcp")
    lab.ok("the port closes: the relay goes on; it opens again: directly by TCP again")


def check_strangers(lab, b):
    port = b.network().listen_port
    stranger = lab.host("stranger")
    code = ("import socket,ssl,sys\n"
            "s=socket.create_connection((sys.argv[1],int(sys.argv[2])),60)\n"
            "c=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT);c.check_hostname=False;c.verify_mode=ssl.CERT_NONE\n"
            "try: c.wrap_socket(s)\n"
            "except (ssl.SSLError, ConnectionError) as e: print('refused')\n"
            "else: print('taken')\n")
    done = stranger.run("python3", "-c", code, b.ip4, port)
    assert done.stdout.strip() == "refused", done
    code = ("import socket,sys\n"
            "s=[socket.create_connection((sys.argv[1],int(sys.argv[2])),60) for _ in range(40)]\n"
            "for c in s:\n"
            "    c.settimeout(90)\n"
            "    try: assert c.recv(1) == b''\n"
            "    except ConnectionError: pass\n"
            "print('ended')\n")
    assert stranger.run("python3", "-c", code, b.ip4, port).stdout.strip() == "ended"
    lab.ok("strangers: no TLS without a key of the pair, silent ones are hung up on")


def forwarded(nat):
    """(TCP ports, UDP ports) that the router forwards, by its own list."""
    lines = nat.run("nft", "list", "chain", "inet", "upnp", "prerouting_miniupnpd").stdout.splitlines()
    return tuple(sum("dnat" in line and (f" {word} " in line or f" {number} " in line) for line in lines)
                 for word, number in (("tcp", "0x6"), ("udp", "0x11")))


def found(node):
    return node.json("netcheck")["networks"][0]["found"]


def check_mapped(lab, nat, a, c):
    """A router is asked for TCP when somebody would come by it, and not before."""
    c.wait_until(lambda n: n.network().port_map_state == "pcp", LIMIT_S, "the UDP map")
    assert forwarded(nat) == (0, 1) and found(c)["tcp-map"] == "off" and not listens(c)
    a.up()
    a.start("flow-c", "ping", "-n", "-i", "0.1", c.addresses()[4])
    for node, far in ((a, "c"), (c, "a")):
        node.wait_until(lambda n, f=far: by(n, f, "direct-tcp"), LIMIT_S, f"{node.name} to {far} by TCP")
    place = f"5.5.5.1:{c.network().listen_port}"
    a.wait_until(lambda n: n.peer("c").endpoint == place, LIMIT_S, f"c at {place}")
    c.wait_until(lambda n: f"{place} tcp" in n.network().endpoints, LIMIT_S, "the endpoint shown")
    wait_until(lambda: [found(c)["tcp-map" + what] for what in ("", "-at", "-error")] == ["pcp", place, ""], LIMIT_S,
               "the map in netcheck")
    c.wait_until(lambda n: f"TCP map    pcp: {place}" in n.mesh("netcheck").stdout, LIMIT_S, "the map in netcheck's text")
    wait_until(lambda: forwarded(nat) == (1, 1) and listens(c), LIMIT_S, "both ports forwarded")
    lab.ok("a node behind a router that maps ports, and one without UDP: directly by TCP")
    took, same = copy(a, c, c.addresses()[4], BYTES)
    assert same
    lab.ok(f"{BYTES // 1000000} MB with equal hashes in {took:.1f} s")


def check_mapped_life(lab, nat, a, c):
    """A new epoch brings both maps back; off and the end give both back."""
    nat.stop("miniupnpd", kill=True)
    nat.run("nft", "flush", "chain", "inet", "upnp", "prerouting_miniupnpd")
    map_ports(nat)
    wait_until(lambda: forwarded(nat) == (1, 1), LIMIT_S, "mapped again")
    c.mesh("set", "--portmap=off")
    wait_until(lambda: forwarded(nat) == (0, 0), LIMIT_S, "given back")
    c.wait_until(lambda n: not listens(n) and not any(text.endswith(" tcp") for text in n.network().endpoints), LIMIT_S,
                 "nobody listens")
    nat.stop("miniupnpd")
    nat.run("nft", "delete", "table", "inet", "upnp")
    map_ports(nat, pcp=False)
    c.mesh("set", "--portmap=on")
    c.wait_until(lambda n: found(n)["tcp-map"] == "upnp", LIMIT_S, "UPnP for TCP")
    wait_until(lambda: forwarded(nat) == (1, 1), LIMIT_S, "both by UPnP")
    c.stop("meshd")
    wait_until(lambda: forwarded(nat) == (0, 0), LIMIT_S, "given back")
    c.up()
    for node, far in ((a, "c"), (c, "a")):
        node.wait_until(lambda n, f=far: by(n, f, "direct-tcp"), LIMIT_S, f"{node.name} to {far} by TCP")
    a.stop("flow-c")
    lab.ok("a router that starts anew, portmap=off, UPnP, a restart: the TCP map follows")


def check_router(lab, a):
    """Behind a router that maps ports; skipped without one."""
    if not MAPPER:
        print("# not tested: missing miniupnpd-nftables; run ./run deps")
        return
    nat = lab.nat("m", v6=False, wan4="5.5.5.1")
    map_ports(nat)
    c = lab.node("c", behind=nat)
    a.stop("meshd") # it would come by TCP before that is looked at
    c.up()
    c.join(lab.server.key("home"))
    check_mapped(lab, nat, a, c)
    check_mapped_life(lab, nat, a, c)


def main():
    with Lab() as lab:
        link = lab.server.setup("home")
        lab.server.up()
        a = lab.node("a", behind=lab.nat("natA", kind="udp-blocked", v6=False))
        b = lab.node("b", v6=False)
        for node in (a, b):
            node.up()
            node.join(link if node is a else lab.server.key("home"))
        wait_until(lambda: listens(b) and not listens(a), LIMIT_S, "only who can be reached listens")
        check_path(lab, a, b)
        check_end(lab, a, b)
        check_strangers(lab, b)
        both(a, b, "direct-tcp")
        a.stop("flow")
        check_router(lab, a)


main()
