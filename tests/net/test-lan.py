"""Members on one LAN find each other when the server and the internet are gone; others learn nothing there.

   first  [a] ─ natA ══╗                       then  [a] ─╮
                       ╠══ wan ══ [server]             [b] ─┼─ a switch, and nothing else
          [b] ─ natB ══╝                             [eve] ─╯
"""
import base64
import json
import os
import pathlib
import struct
import subprocess
import sys

from lab import Lab, need, wait_until
from lanspy import make_key, seal, unseal
from space import Host, link

HERE = pathlib.Path(__file__).resolve().parent
LIMIT_S = 150 # ends a hang only: what is lost is announced again within 70 s
BLOCK = 64
NEWS = 3 # of one change of address at most, on a slow host: without the old one, with it again, with the new one

need("nft")


class Eve:
    """A stranger on the LAN, with lanspy.py."""

    def __init__(self, host):
        command = host.argv(sys.executable, HERE / "lanspy.py", "eth0")
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        host.processes["spy"] = self.process
        assert self._answer() == "ready"

    def _answer(self):
        return json.loads(self.process.stdout.readline())

    def hear(self, **order):
        """What came since the last time: [(source, bytes)]."""
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return [(source, bytes.fromhex(text)) for source, text in self._answer()]

    def say(self, datagrams):
        return self.hear(say=[data.hex() for data in datagrams])


def on(node):
    return node.network().lan_state


def says(node, peer, address):
    """Whether the node holds this address of the peer."""
    return any(text.startswith(address) for text in node.peer(peer).candidates)


def settled(node, peer, address):
    """The peer's candidates, when this address is the only one: what came before is news no more."""
    def alone():
        found = node.peer(peer).candidates
        return len(found) == 1 and found[0].startswith(f"{address}:") and found
    return wait_until(alone, LIMIT_S, f"{peer} at {address} alone")


def learned(node):
    return node.log("meshd").count("is on a link of this host")


def begin(lab):
    """a and b become members, and hold each other's records; UDP is cut, so that they never had a direct way."""
    routers = [lab.nat("natA"), lab.nat("natB")]
    nodes = [lab.node("a", behind=routers[0]), lab.node("b", behind=routers[1])]
    first = lab.server.setup("home")
    lab.server.up()
    for router in routers:
        router.cut("both", "udp")
    for node in nodes:
        node.up()
    nodes[0].join(first)
    nodes[1].join(lab.server.key("home"))
    for node, other in (nodes, nodes[::-1]):
        node.wait_until(lambda n, other=other: other.name in n.peers(), 20)
        assert node.peer(other.name).path != "direct"
    return nodes


def plug(host, switch, *addresses):
    """Onto the switch, with these addresses."""
    link(host, "eth0", switch, f"to-{host.name}")
    switch.run("ip", "link", "set", f"to-{host.name}", "master", "lan0")
    for address in addresses:
        host.run("ip", "addr", "add", address, "dev", "eth0")


def readdress(node, *addresses):
    """In one breath: it is one piece of news, or two."""
    script = ["addr flush dev eth0 scope global", *(f"addr add {address} dev eth0" for address in addresses)]
    node.run("ip", "-batch", "-", text="\n".join(script) + "\n")


def check_meeting(lab, a, b, switch):
    """Both have gone elsewhere; the server is gone too, and with it every way but this one."""
    target = b.addresses()
    for node in (a, b):
        node.stop("meshd")
    lab.server.stop("mesh-server")
    for node, address in ((a, "172.27.0.1/24"), (b, "172.27.0.2/24")):
        node.run("ip", "link", "del", "eth0")
        plug(node, switch, address)
    for node in (a, b):
        node.up()
        node.wait_until(lambda n: n.network().state == "up", 20)
    a.wait_until(lambda n: says(n, "b", "172.27.0.2:"), LIMIT_S, "b's new address at a")
    b.wait_until(lambda n: says(n, "a", "172.27.0.1:"), LIMIT_S, "a's new address at b")
    for node in (a, b):
        node.wait_until(lambda n: on(n) == "on", LIMIT_S)
    for family in (4, 6):
        a.reaches(target[family])
    a.wait_until(lambda n: (peer := n.peer("b")).path == "direct" and peer.endpoint.startswith("172.27.0.2:"), LIMIT_S)
    assert learned(a) and learned(b)
    lab.ok("two members that never were in direct touch find each other without server and internet")
    return target


def check_moves(lab, a, b, target):
    """At once, so that neither can follow the other's packets."""
    readdress(a, "172.28.0.1/24")
    readdress(b, "172.28.0.2/24")
    a.wait_until(lambda n: says(n, "b", "172.28.0.2:"), LIMIT_S)
    a.reaches(target[4], LIMIT_S)
    readdress(a, "fd77::1/64")
    readdress(b, "fd77::2/64")
    a.wait_until(lambda n: says(n, "b", "[fd77::2]:"), LIMIT_S)
    a.reaches(target[4], LIMIT_S)
    a.wait_until(lambda n: n.peer("b").endpoint.startswith("[fd77::2]:"), LIMIT_S)
    readdress(a, "172.27.0.1/24")
    readdress(b, "172.27.0.2/24")
    a.wait_until(lambda n: says(n, "b", "172.27.0.2:"), LIMIT_S)
    lab.ok("both change address at once, over IPv4 and over IPv6 alone")


def collect(eve, a, b, wanted):
    """Announcements of both, by new addresses that they get in turn; one for each that is asked for."""
    found = []
    for turn in range(wanted):
        for node, last in ((a, 1), (b, 2)):
            readdress(node, f"172.27.0.{last}/24", f"172.27.{turn + 1}.{last}/24")
        wait_until(lambda: found.extend(eve.hear()) or len(found) >= 6 * (turn + 1), LIMIT_S,
                   "announcements to be heard")
    for node, last in ((a, 1), (b, 2)):
        readdress(node, f"172.27.0.{last}/24")
    return found


def check_strangers(lab, eve, a, b):
    """Of what is sent nothing is the same but its length, in blocks; nobody is named in it."""
    found = [data for source, data in collect(eve, a, b, 4)]
    assert {len(data) % BLOCK for data in found} == {0}, [len(data) for data in found]
    assert len({data[:8] for data in found}) == len(found), "the same beginning twice"
    for at in range(min(map(len, found))):
        seen = {data[at] for data in found}
        assert len(seen) > min(len(found), 60) // 3, f"byte {at} of {len(found)} is often the same: {seen}"
    for node in (a, b):
        network = node.network()
        for secret in (network.node_key, network.public_key, '"eps":', network.id):
            assert not any(secret.encode() in data for data in found), f"{secret} is told"
        raw = base64.urlsafe_b64decode(network.node_key + "=")
        assert not any(raw in data for data in found)
    lab.ok("a stranger on the LAN sees random bytes, in whole blocks")
    return found


def check_noise(lab, eve, a, b, target, found):
    """A stranger repeats what was said, changes it, and makes it up. Who comes then is still heard."""
    candidates = settled(a, "b", "172.27.0.2")
    settled(b, "a", "172.27.0.1")
    before = learned(a)
    flipped = [data[:40] + bytes([data[40] ^ 1]) + data[41:] for data in found]
    eve.say(found * 3 + flipped)
    eve.say([os.urandom(256 + BLOCK * (i % 40)) for i in range(3000)] + [b"", b"x", os.urandom(9000)])
    readdress(b, "172.27.0.2/24", "172.27.9.2/24")
    a.wait_until(lambda n: says(n, "b", "172.27.9.2:"), LIMIT_S)
    assert learned(a) - before <= NEWS, a.log("meshd")[-2000:] # of the address that came, no more
    readdress(b, "172.27.0.2/24")
    assert settled(a, "b", "172.27.0.2") == candidates
    a.reaches(target[4], LIMIT_S)
    lab.ok("replays, changed ones and noise do nothing, and who is new is found through them")


def read_secret(node):
    """As somebody has it who was a member once: (key of announcements, network's id)."""
    place = next(pathlib.Path(f"/proc/{node.holder.pid}/root/var/lib/mesh/networks").glob("*/map"))
    network = json.loads(place.read_text().split("\n")[1])["network"]
    return make_key(base64.urlsafe_b64decode(network["lan"] + "="), bytes.fromhex(network["id"]))


def split(plain):
    """Node key, K and E of an announcement, the records as (body, signature)."""
    records, at = [], 33
    for _ in "KE":
        size = struct.unpack_from(">H", plain, at)[0]
        records.append((plain[at + 2:at + 2 + size], plain[at + 2 + size:at + 66 + size]))
        at += 66 + size
    return plain[1:33], *records


def join(node, *records):
    plain = b"\x01" + node + b"".join(struct.pack(">H", len(body)) + body + sign for body, sign in records)
    return plain + bytes(-(len(plain) + 40) % BLOCK)


def check_forged(lab, eve, a, b, found):
    """Somebody who was a member once can read and seal them, and still change nothing."""
    key = read_secret(a)
    opened = [plain for plain in (unseal(key, data) for data in found) if plain]
    assert len(opened) == len(found)
    parts = [split(plain) for plain in opened]
    nodes = {node: (k, e) for node, k, e in parts}
    assert len(nodes) == 2
    (one, (k1, e1)), (two, (k2, e2)) = nodes.items()
    later = lambda e: (e[0].replace(b'"seq":', b'"seq":9'), e[1])
    made = [join(*part) for part in parts] # old ones, sealed anew
    made += [join(one, k1, later(e1)), join(two, k2, later(e2)), join(one, k1, e2), join(two, k1, e1),
             join(os.urandom(32), k1, e1), join(one, (b"{}", k1[1]), (b"{}", e1[1])),
             b"\x02" + join(one, k1, e1)[1:], b"\x01" + bytes(215)]
    candidates = settled(a, "b", "172.27.0.2"), settled(b, "a", "172.27.0.1")
    before = learned(a)
    eve.hear()
    for plain in made: # not more at once than are opened in a second
        eve.say([seal(key, plain)])
    eve.say([])
    readdress(b, "172.27.0.2/24", "172.27.10.2/24")
    a.wait_until(lambda n: says(n, "b", "172.27.10.2:"), LIMIT_S)
    assert learned(a) - before <= NEWS, a.log("meshd")[-2000:]
    readdress(b, "172.27.0.2/24")
    assert settled(a, "b", "172.27.0.2") == candidates[0]
    assert b.peer("a").candidates == candidates[1]
    for node in (a, b):
        assert base64.urlsafe_b64encode(key)[:43].decode() not in node.log("meshd")
    lab.ok("old, altered and borrowed records do nothing, even sealed with the secret")


def check_switch(lab, eve, a, b):
    b.mesh("set", "--lan=off")
    assert on(b) == "off"
    b.restart()
    b.wait_until(lambda n: n.network().state == "up", 20)
    assert on(b) == "off" # kept
    eve.hear()
    readdress(b, "172.27.11.2/24")
    b.wait_until(lambda n: any(text.startswith("172.27.11.2:") for text in n.network().endpoints), 20)
    readdress(a, "172.27.0.1/24", "172.27.11.1/24")
    found = []
    wait_until(lambda: found.extend(eve.hear()) or found, LIMIT_S, "a's announcement")
    assert all(source != "172.27.11.2" for source, data in found), found
    assert not says(a, "b", "172.27.11.2:")
    b.mesh("set", "--lan=on")
    a.wait_until(lambda n: says(n, "b", "172.27.11.2:"), LIMIT_S)
    assert on(b) == "on"
    assert "LAN" in b.mesh("status").stdout
    done = b.mesh("set", "--lan=perhaps", check=False)
    assert done.returncode == 2 and "--lan: on or off" in done.stderr, done
    lab.ok("mesh set --lan=off ends it, and is kept")


def main():
    with Lab() as lab:
        a, b = begin(lab)
        switch = lab.adopt(Host(lab, "switch"))
        switch.sh("ip link add lan0 type bridge mcast_snooping 0; ip link set lan0 up")
        host = lab.adopt(Host(lab, "eve"))
        plug(host, switch, "172.27.0.66/24")
        eve = Eve(host)
        target = check_meeting(lab, a, b, switch)
        check_moves(lab, a, b, target)
        found = check_strangers(lab, eve, a, b)
        check_noise(lab, eve, a, b, target, found)
        check_forged(lab, eve, a, b, found)
        check_switch(lab, eve, a, b)


if __name__ == "__main__":
    main()
