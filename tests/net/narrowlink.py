"""A link on the way that carries less than others, and nobody tells: what test-mtu and test-mtutls share.

   narrow(lab, router, 1400)                 its outer link, from now on
   watch = Watch(lab, router)                sees what is taken apart outside
   finds(a, b, 1400, OUTER4)
   carries(lab, watch, a, b, "…")            TCP, whole
   arrives(lab, watch, a, b, "…")            UDP that may be taken apart, longer than the way carries, whole"""
import re
import sys

from lab import copy, wait_until
from router import outer_dev

OUTER4, OUTER6 = 28 + 32, 48 + 32  # IP, UDP, and WireGuard's
RELAY = 16  # its header
CLOSE = 4  # bytes that the search leaves open
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
FRAGMENTS = """table inet fragments {
 counter seen { }
 chain come {
  type filter hook prerouting priority -450;
  ip frag-off & 0x3fff != 0 counter name seen
  exthdr frag exists counter name seen
 }
}"""
TURNS = 5
SIZES = (1372, 1400, 4000)  # the first is a packet as long as the interface allows; others the kernel cuts as well
# Sends random datagrams without DF until each was answered with its hash.
SEND = """import hashlib, os, socket, sys
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.setsockopt(socket.IPPROTO_IP, 10, 0) # IP_MTU_DISCOVER, IP_PMTUDISC_DONT
sock.settimeout(1)
sock.connect((sys.argv[1], 9001))
for size in map(int, sys.argv[2:]):
    data = os.urandom(size)
    for _ in range(20):
        sock.send(data)
        try:
            answer = sock.recv(100)
        except TimeoutError:
            continue
        if answer == hashlib.sha256(data).digest():
            break
    else:
        sys.exit(f"{size} bytes did not arrive")"""
ANSWER = """import hashlib, socket, sys
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind((sys.argv[1], 9001))
print("ready", flush=True)
while True:
    data, who = sock.recvfrom(65536)
    sock.sendto(hashlib.sha256(data).digest(), who)"""


def narrow(lab, router, mtu):
    for host in (router, lab.wan): # deaf first: a relay that hears of it once takes packets apart itself
        host.run("nft", "-f", "-", text="table inet deaf { }\ndelete table inet deaf\n" + DEAF)
    router.run("ip", "link", "set", "wan0", "mtu", mtu)
    lab.wan.run("ip", "link", "set", outer_dev(router), "mtu", mtu)


class Watch:
    """Sees packets that were taken apart come to the middle of the network, and from there to a router."""

    def __init__(self, lab, *routers, relayed=False):
        """@relayed: the pair to be watched goes by a relay anyway."""
        self.lab, self.relayed, self.hosts = lab, relayed, (lab.wan, *routers)
        for host in self.hosts:
            host.run("nft", "-f", "-", text="table inet fragments { }\ndelete table inet fragments\n" + FRAGMENTS)

    def count(self):
        """How many since it was asked last."""
        texts = [host.run("nft", "reset", "counters", "table", "inet", "fragments").stdout for host in self.hosts]
        return sum(int(n) for text in texts for n in re.findall(r"packets (\d+)", text))

    def is_whole(self, what, do):
        """Does it; no router takes a packet apart, and none comes taken apart. While a way is in doubt, because the
        machine paused, copies go by the relay, whose header they have no room for: that does not count."""
        seen = []
        while len(seen) < TURNS:
            moved = self.lab.server.json("status").relay.packets
            self.count()
            do()
            seen.append(self.count())
            if seen[-1] == 0:
                return
            print(f"# {what}: {seen[-1]} fragments", flush=True)
            assert self.relayed or self.lab.server.json("status").relay.packets > moved, f"{what}: on the direct way"
        raise AssertionError(f"{what}: fragments each time: {seen}")


def is_told(one, other):
    """A host hears what the way carries, and `mesh` says it. Returns: that."""
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
    return mtu


def finds(one, other, link, outer):
    """Both find how long a packet may be."""
    want = link - outer
    for node, far in ((one, other), (other, one)):
        node.wait_until(lambda n: want - CLOSE < n.peer(far.name).mtu <= want, 40,
                        f"{node.name}: packets of {want} bytes")
    print(f"# {one.name} to {other.name}: {is_told(one, other)} bytes", flush=True)


def carries(lab, watch, one, other, what):
    def go():
        for sender, receiver in ((one, other), (other, one)):
            took, same = copy(sender, receiver, receiver.addresses()[4], BYTES)
            assert same, f"{sender.name} to {receiver.name}"
            print(f"# {sender.name} to {receiver.name}: {BYTES >> 20} MiB in {took:.1f} s, "
                  f"{one.peer(other.name).path} {one.peer(other.name).endpoint}", flush=True)
    watch.is_whole(what, go)
    lab.ok(what)


def count_cut(node):
    """Packets that its data plane sent in pieces."""
    return node.json("status", "--long")["networks"][0]["data-plane"]["cut"]


def forget(node):
    """What the host learned of ways: it takes apart itself what is longer."""
    node.run("ip", "route", "flush", "cache")


def send_datagrams(sender, receiver):
    address, before, said = receiver.addresses()[4], count_cut(sender), len(receiver.log("answer"))
    receiver.start("answer", sys.executable, "-c", ANSWER, address)
    wait_until(lambda: "ready" in receiver.log("answer")[said:], 10, "who answers")
    forget(sender)
    sender.run(sys.executable, "-c", SEND, address, *SIZES)
    receiver.stop("answer")
    cut = count_cut(sender) - before
    assert cut >= 4, cut # the first; the host's first piece of the second; two, at least, of the third
    print(f"# {sender.name} to {receiver.name}: UDP of {SIZES} bytes, {cut} packets cut", flush=True)


def arrives(lab, watch, one, other, what):
    def go():
        for sender, receiver in ((one, other), (other, one)):
            send_datagrams(sender, receiver)
    watch.is_whole(what, go)
    lab.ok(what)
