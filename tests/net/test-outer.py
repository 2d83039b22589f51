"""What goes between two ends, seen from the cable: padding to 16 bytes but not past the MTU, no "do not
fragment", and explicit congestion notification by RFC 6040: the inner mark goes out, a mark that the
network sets comes in, and what cannot be told is dropped."""
import json

from space import need, wait_until
from wgpair import PORT, Pair

need("wg", "nft")

# Sniffs one line per datagram of ours on eth0: outer version, mark, DF, bytes of UDP payload, type.
SNIFFER = """
import json, socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3)) # ETH_P_ALL
s.bind(("eth0", 0))
print("ready", flush=True)
while True:
    p, where = s.recvfrom(65535)
    if where[2] != 4: # PACKET_OUTGOING
        continue
    if p[0] >> 4 == 4 and p[9] == 17:
        mark, df, at = p[1] & 3, p[6] >> 6 & 1, (p[0] & 15) * 4
    elif p[0] >> 4 == 6 and p[6] == 17:
        mark, df, at = p[1] >> 4 & 3, 0, 40
    else:
        continue
    if int.from_bytes(p[at:at + 2], "big") == %d:
        print(json.dumps({"v": p[0] >> 4, "mark": mark, "df": df, "len": len(p) - at - 8,
                          "type": p[at + 8]}), flush=True)
""" % PORT

# Receives datagrams on an inner address and tells the mark each came with.
LISTENER = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
s = socket.socket(family, socket.SOCK_DGRAM)
if family == socket.AF_INET:
    s.setsockopt(socket.IPPROTO_IP, 13, 1) # IP_RECVTOS
else:
    s.setsockopt(socket.IPPROTO_IPV6, 66, 1) # IPV6_RECVTCLASS
s.bind((sys.argv[1], 7001))
print("ready", flush=True)
while True:
    data, control, _, _ = s.recvmsg(2048, 256)
    print(data.decode(), [c[2][0] & 3 for c in control if c[1] in (1, 67)][0], flush=True)
"""

SENDER = """
import socket, sys
to, mark, text = sys.argv[1], int(sys.argv[2]), sys.argv[3].encode()
v6 = ":" in to
s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IPV6 if v6 else socket.IPPROTO_IP, 67 if v6 else 1, mark)
s.sendto(text, (to, 7001))
"""

LIMIT_S = 60 # ends a hang only
NOT_ECT, ECT1, ECT0, CE = range(4)


def sniffed(host):
    return [json.loads(line) for line in host.log("sniff").splitlines() if line.startswith("{")]


def listen(host, version):
    before = host.log("listen").count("ready")
    host.start("listen", "python3", "-u", "-c", LISTENER, host.inner(version))
    wait_until(lambda: host.log("listen").count("ready") > before, 10, "the listener")


def send(a, b, version, mark, text):
    a.run("python3", "-c", SENDER, b.inner(version), mark, text)


def arrived(host):
    return dict(line.split() for line in host.log("listen").splitlines() if " " in line)


def set_mark(host, mark):
    """What the network before `host` writes on each packet; None: nothing."""
    host.run("nft", "flush", "ruleset")
    if mark is None:
        return
    word = {NOT_ECT: "not-ect", ECT1: "ect1", ECT0: "ect0", CE: "ce"}[mark]
    host.run("nft", "-f", "-", text=f"""
        table inet network {{
            chain before {{
                type filter hook prerouting priority -300
                iifname eth0 meta nfproto ipv4 udp dport {PORT} ip ecn set {word}
                iifname eth0 meta nfproto ipv6 udp dport {PORT} ip6 ecn set {word}
            }}
        }}
        """)


def start(a, b, outer):
    a.up()
    b.up()
    a.peer(b, "endpoint", b.endpoint(outer))
    b.peer(a)
    a.reaches(b)
    a.start("sniff", "python3", "-u", "-c", SNIFFER)
    wait_until(lambda: "ready" in a.log("sniff"), 10, "the sniffer")


def check_outgoing(a, b, outer):
    """The inner mark is on the outer packet."""
    for inner in (4, 6):
        for mark in range(4):
            seen = len(sniffed(a))
            send(a, b, inner, mark, f"out-{inner}-{mark}")
            got = wait_until(lambda n=seen: [p for p in sniffed(a)[n:] if p["type"] == 4 and p["len"] > 32], LIMIT_S)
            assert [(p["v"], p["mark"]) for p in got] == [(outer, mark)], (inner, mark, got)
    print(f"ok: the inner mark goes out over IPv{outer}", flush=True)


def check_incoming(a, b, outer):
    """RFC 6040, figure 4, with marks set on the cable."""
    want = { # inner, on the cable: arrives as; what is not here is the inner mark
        (ECT0, ECT1): ECT1, (ECT0, CE): CE, (ECT1, CE): CE, (NOT_ECT, CE): None,
    }
    for inner in (4, 6):
        listen(b, inner)
        for cable in (None, NOT_ECT, ECT1, ECT0, CE):
            set_mark(b, cable)
            for mark in range(4):
                name = f"{inner}-{cable}-{mark}"
                end = f"end-{name}"
                send(a, b, inner, mark, name)
                send(a, b, inner, ECT0, end) # comes through always
                wait_until(lambda e=end: e in arrived(b), LIMIT_S, end)
                expected = want.get((mark, cable), mark)
                got = arrived(b).get(name)
                assert got == (None if expected is None else str(expected)), (name, got, expected)
        b.stop("listen", kill=True)
    set_mark(b, None)
    print(f"ok: marks of the network come in over IPv{outer}, 40 cases", flush=True)


def pinged(a, b, size):
    """What went out for one ping of so many bytes."""
    seen = len(sniffed(a))
    assert a.pings(b, 4, size=size, limit_s=LIMIT_S), size
    return wait_until(lambda: [p for p in sniffed(a)[seen:] if p["type"] == 4 and p["len"] > 32], LIMIT_S)


def check_sizes(a, b, outer):
    """Each payload is padded to 16 bytes, never past the MTU; nothing asks not to be fragmented."""
    for mtu in (1420, 1413, 1280):
        a.run("ip", "link", "set", "wg0", "mtu", mtu)
        b.run("ip", "link", "set", "wg0", "mtu", mtu)
        # The kernel tells the program of it, a moment later.
        wait_until(lambda m=mtu: [p["len"] for p in pinged(a, b, m - 28)] == [m + 32], LIMIT_S, f"padding at MTU {mtu}")
        for size in (0, 1, 4, 5, 20, 21, 100, mtu - 28 - 17, mtu - 28 - 1, mtu - 28):
            got = pinged(a, b, size)
            inner = 20 + 8 + size
            padded = min(-(-inner // 16) * 16, mtu)
            assert [p["len"] for p in got] == [padded + 32], (mtu, size, got)
            assert not got[0]["df"], got
    print(f"ok: padding at MTU 1420, 1413, 1280 over IPv{outer}", flush=True)


def check_narrow(a, b, outer):
    """A cable that is narrower than the tunnel's packets: they are fragmented, and arrive."""
    for end in (a, b):
        end.run("ip", "link", "set", "wg0", "mtu", 1420)
        end.run("ip", "link", "set", "eth0", "mtu", 1300)
    assert a.pings(b, 4, size=1392) and b.pings(a, 6, size=1372)
    for end in (a, b):
        end.run("ip", "link", "set", "eth0", "mtu", 1500)
    print(f"ok: whole packets through a cable of 1300 bytes over IPv{outer}", flush=True)


for over in (4, 6):
    with Pair("mesh-wg", "mesh-wg") as (one, other):
        start(one, other, over)
        check_outgoing(one, other, over)
        check_incoming(one, other, over)
        check_sizes(one, other, over)
        check_narrow(one, other, over)
