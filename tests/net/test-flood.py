"""A flood of initiations that cost (valid mac1) from forged sources, and junk: nobody is answered more
than he sent, an established flow goes on, and a real peer connects, by way of a cookie.

   [a] wireguard-go ──── eth0 [b: mesh-wg] eth1 ──── [c: wireguard-go, and who floods]
   192.0.2.1        192.0.2.2      203.0.113.2      203.0.113.3, forged: 198.18.0.0/15

Then with the parts exchanged: others are flooded, and boringtun comes, where it is there. """
import pathlib
import threading
import time

from peers import find_boringtun, why_missing
from space import link, need, wait_until
from wgpair import PORT, End, Pair

need("wg", "wireguard-go")

AT_MOST_S = 900 # of flood: it goes on until we end it
CONNECT_S = 120
PINGS = 600     # of the established flow, 50 a second
LOST = 0.05  # of the established flow's packets, at most
GROWN_KIB = 16 * 1024

# Frames made before: IPv4, UDP, an initiation of random bytes whose mac1 is right, or junk in which
# nothing is. Each from a forged source.
FLOODER = """
import base64, hashlib, os, random, signal, socket, struct, sys, time
kind, public, seconds = sys.argv[1], base64.b64decode(sys.argv[2]), float(sys.argv[3])
burst, pause = int(sys.argv[4]), float(sys.argv[5])
key = hashlib.blake2s(b"mac1----" + public).digest()
def payload():
    if kind == "junk":
        return bytes([random.choice((1, 2, 3, 4)), 0, 0, 0]) + os.urandom(random.randrange(0, 180))
    body = b"\\x01\\0\\0\\0" + os.urandom(112)
    return body + hashlib.blake2s(body, key=key, digest_size=16).digest() + bytes(16)
def packet(n):
    data = payload()
    udp = struct.pack("!HHHH", 1024 + n, %d, 8 + len(data), 0) + data
    source = socket.inet_aton("198.%%d.%%d.%%d" %% (18 + n %% 2, n // 250 %% 250 + 1, n %% 250 + 1))
    return struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0) + source + \\
        socket.inet_aton("203.0.113.2") + udp
packets = [packet(n) for n in range(4000)]
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
began, sent, ended = time.monotonic(), 0, []
signal.signal(signal.SIGTERM, lambda *_: ended.append(1))
while not ended and time.monotonic() < began + seconds:
    at = sent %% len(packets)
    for p in packets[at:at + burst]:
        s.sendto(p, ("203.0.113.2", 0)); sent += 1
    time.sleep(pause)
print("sent %%d in %%.1f s" %% (sent, time.monotonic() - began), flush=True)
""" % PORT

# What comes back to the forged sources: datagrams and bytes.
WATCHER = """
import socket
s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
s.bind(("eth0", 0))
kinds = {}
print("ready", flush=True)
while True:
    p, where = s.recvfrom(2048)
    if where[2] == 4 or p[9] != 17 or p[16] != 198:
        continue
    kinds[(p[28], len(p) - 28)] = kinds.get((p[28], len(p) - 28), 0) + 1
    if sum(kinds.values()) & (sum(kinds.values()) - 1) == 0: # seldom: powers of two
        print("seen", sorted(kinds), flush=True)
"""

# Counts the cookie replies to c itself: the first byte behind the UDP header is a 3.
COOKIES = """
table ip cookies {
    chain come {
        type filter hook prerouting priority 0;
        ip daddr 203.0.113.3 udp sport %d @th,64,8 3 counter
    }
}
""" % PORT


def memory_kib(host):
    """Resident, of mesh-wg at this host; it runs nowhere else here."""
    pid = host.run("pgrep", "-x", "mesh-wg").stdout.strip()
    status = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(status.split("VmRSS:")[1].split()[0])


def add_third(a, b, program):
    c = End(a.lab, "c", 3, program)
    link(b, "eth1", c, "eth0")
    b.run("ip", "address", "add", "203.0.113.2/24", "dev", "eth1")
    c.run("ip", "address", "add", "203.0.113.3/24", "dev", "eth0")
    b.run("ip", "route", "add", "198.18.0.0/15", "via", "203.0.113.3") # answers find their way
    c.run("ip", "route", "add", "198.18.0.0/15", "dev", "lo") # and end there
    c.run("nft", "-f", "-", text=COOKIES)
    return c


def flood(b, c, gentle):
    """@gentle: in bursts that put an implementation under load, and leave it time to answer."""
    pace = (400, 0.1) if gentle else (4000, 0)
    for kind in ("mac1",) if gentle else ("mac1", "junk"):
        c.start(kind, "python3", "-c", FLOODER, kind, b.public, AT_MOST_S, *pace)
    c.start("watch", "python3", "-u", "-c", WATCHER)
    wait_until(lambda: "seen" in c.log("watch"), 20, "the first cookie reply")


def check_flow(a, b, result):
    result["missed"] = len(a.missed(b, 4, count=PINGS, interval_s=0.02)) / PINGS


def connect(b, c):
    """c wants to talk to b; b did not know it yet."""
    c.up()
    b.run("wg", "set", "wg0", "peer", c.public, "allowed-ips", f"{c.inner(4)}/32")
    let_in(b, c)


def let_in(b, c):
    c.run("wg", "set", "wg0", "peer", b.public, "allowed-ips", f"{b.inner(4)}/32", "endpoint",
          f"203.0.113.2:{PORT}")
    wait_until(lambda: c.pings(b, 4, limit_s=2), CONNECT_S, "c connects while the flood is on")


def is_asked(c):
    """Whether a cookie came back to c itself."""
    return "counter packets 0" not in c.run("nft", "list", "ruleset").stdout


def connect_by_cookie(b, c):
    """Again, if need be: where the flood had no processor for a while there was no load just then, and no cookie."""
    connect(b, c)
    end = time.monotonic() + CONNECT_S
    while not is_asked(c):
        assert time.monotonic() < end, "c was asked for one"
        c.run("wg", "set", "wg0", "peer", b.public, "remove") # and its session with it
        let_in(b, c)


def end_of_flood(c):
    for kind in ("mac1", "junk"):
        if kind in c.processes:
            c.stop(kind)
            print(f"    {kind}: {c.log(kind).strip()}", flush=True)


def check_ours(b, c, result, before):
    grown = memory_kib(b) - before
    print(f"    flow: {result['missed']:.1%} lost; {grown} KiB more resident", flush=True)
    last = c.log("watch").splitlines()[-1]
    assert last == "seen [(3, 64)]", f"only cookie replies: {last}"
    assert grown <= GROWN_KIB, grown
    assert result["missed"] <= LOST, result


def run(flooded, comes):
    """A flow between wireguard-go and `flooded`, which is flooded; `comes` connects to it."""
    with Pair("wireguard-go", flooded) as (a, b):
        a.up()
        b.up()
        a.peer(b, "endpoint", b.endpoint(4))
        b.peer(a)
        a.reaches(b)
        c, result = add_third(a, b, comes), {}
        try:
            before = memory_kib(b) if flooded == "mesh-wg" else 0
            flood(b, c, gentle=flooded != "mesh-wg")
            flow = threading.Thread(target=check_flow, args=(a, b, result))
            flow.start()
            connect_by_cookie(b, c)
            flow.join()
            assert c.runs("mac1"), "all of it while the flood was on"
            end_of_flood(c)
            if flooded == "mesh-wg":
                check_ours(b, c, result, before)
            a.reaches(b)
        finally:
            c.close()
    print(f"ok: {comes} connects to {flooded} through a flood", flush=True)


run("mesh-wg", "wireguard-go")
run("wireguard-go", "mesh-wg") # we show the cookie that another asks for
if find_boringtun():
    run("mesh-wg", "boringtun-cli")
    run("boringtun-cli", "mesh-wg")
else:
    print(f"skipped: with {why_missing('boringtun-cli')}", flush=True)
