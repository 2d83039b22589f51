"""mesh-wg with several shards: many peers and flows, each flow in its order; peers that roam, restart and
lose packets; wireguard-go among them.

   [hub] 192.0.2.1, mesh-wg --shards=4 ─┬─ cable ── [s2] 192.0.2.2, mesh-wg --shards=4
    └ wg0: 10.9.0.1, fd09::1            ├─ bad cable ── [s3] 192.0.2.3, mesh-wg
                                        └─ … [s7] 192.0.2.7, wireguard-go """
import os
import pathlib
import shutil
import types

from box import Box
from space import link, make_dir, need, wait_until
from wgpair import PORT, End, copy_through

need("wg", "ethtool")
SHARDS, SPOKES, FLOWS, NUMBERS = 4, 6, 8, 3000
LANES = 8 # queues of the TUN a shard has
LIMIT_S = 150

# Each flow is a socket of its own. The receiver answers each burst, so that nothing overflows; a datagram that
# overtook another of its flow ends it. Few may be lost; a burst without answer is followed by the next one.
NUMBERED = """
import select, socket, struct, sys
role, addr, port, n_flows, n = sys.argv[1], sys.argv[2], *(int(w) for w in sys.argv[3:])
family = socket.AF_INET6 if ":" in addr else socket.AF_INET
BURST, SIZE, END = 32, 900, 0xffffffff
if role == "receive":
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)  # SO_RCVBUFFORCE
    s.bind((addr, port))
    s.settimeout(100)
    print("listening", flush=True)
    last, got, ended = {}, 0, set()
    while len(ended) < n_flows:
        data, source = s.recvfrom(2048)
        flow, number = struct.unpack("!II", data[:8])
        if number % BURST == BURST - 1 or number == END:
            s.sendto(data[:8], source)
        if number == END:
            ended.add(flow)
            continue
        assert len(data) == SIZE and data[8:] == bytes([number % 251]) * (SIZE - 8), "another packet's bytes"
        assert number > last.get(flow, -1), f"flow {flow}: {number} after {last.get(flow)}"
        last[flow] = number
        got += 1
    print(f"in order, {n_flows * n - got} lost", flush=True)
    assert got > 0.9 * n_flows * n
else:
    flows = [socket.socket(family, socket.SOCK_DGRAM) for _ in range(n_flows)]
    sent, waiting = [0] * n_flows, dict(enumerate(flows))
    ready = list(waiting)
    while waiting:
        for i in ready:
            for number in range(sent[i], min(sent[i] + BURST, n)):
                flows[i].sendto(struct.pack("!II", i, number) + bytes([number % 251]) * (SIZE - 8), (addr, port))
            if sent[i] >= n:
                flows[i].sendto(struct.pack("!II", i, END), (addr, port))
            sent[i] = min(sent[i] + BURST, n)
        answered = select.select(list(waiting.values()), [], [], 0.5)[0]
        ready = [i for i, s in waiting.items() if s in answered] or list(waiting)
        for i in ready:
            if flows[i] in answered and struct.unpack("!II", flows[i].recv(2048)) == (i, END):
                del waiting[i]
        ready = [i for i in ready if i in waiting]
"""


class Star:
    """The hub and its spokes, cabled; nothing runs yet."""

    def __init__(self):
        self.lab = types.SimpleNamespace(dir=make_dir(), hosts=[])
        self.hub = End(self.lab, "hub", 1, "mesh-wg")
        programs = ["mesh-wg"] * SPOKES
        if shutil.which("wireguard-go"):
            programs[-1] = "wireguard-go"
        self.spokes = [End(self.lab, f"s{n}", n, program) for n, program in enumerate(programs, 2)]
        self.hub.arguments = self.spokes[0].arguments = (f"--shards={SHARDS}",)
        self.hub.run("ip", "address", "add", "192.0.2.1/32", "dev", "lo")
        self.box = Box(self.lab, "box")
        for spoke in self.spokes:
            port = f"p{spoke.number}"
            if spoke.number == 3:
                self.box.insert(spoke, "eth0", self.hub, port, whole=True)
            else:
                link(spoke, "eth0", self.hub, port)
            self.keep_order(self.hub, port)
            self.keep_order(spoke, "eth0")
            self.give(spoke, spoke.outer(4))
            spoke.run("ip", "route", "add", "192.0.2.1/32", "dev", "eth0")

    @staticmethod
    def keep_order(host, dev):
        """With GRO a cable's end has one queue; without, one a CPU, and a thread that the scheduler moves
        overtakes itself."""
        host.run("ethtool", "-K", dev, "gro", "on")

    def give(self, spoke, address):
        spoke.run("ip", "address", "add", f"{address}/32", "dev", "eth0")
        self.hub.run("ip", "route", "replace", f"{address}/32", "dev", f"p{spoke.number}")

    def __enter__(self):
        return self

    def __exit__(self, kind, *rest):
        for host in (self.hub, *self.spokes, self.box):
            if kind is not None:
                print(f"---- {host.name}\n{host.log('wg')}", flush=True)
            host.close()
        shutil.rmtree(self.lab.dir, ignore_errors=True)


def threads(end):
    """CPU time of each thread of the program, ticks."""
    found = {}
    for entry in os.listdir(f"/proc/{end.processes['wg'].pid}/task"):
        base = pathlib.Path(f"/proc/{end.processes['wg'].pid}/task/{entry}")
        fields = (base / "stat").read_text().rpartition(")")[2].split()
        found[(base / "comm").read_text().strip()] = int(fields[11]) + int(fields[12])
    return found


def introduce(star):
    for spoke in star.spokes:
        star.hub.peer(spoke)
        spoke.peer(star.hub, "endpoint", f"192.0.2.1:{PORT}")


def numbered(star, spokes, to_hub, version):
    """FLOWS flows a spoke, all at once. Each arrives complete and in its order."""
    script = star.lab.dir / "numbered.py"
    script.write_text(NUMBERED)
    pairs = [(spoke, star.hub) if to_hub else (star.hub, spoke) for spoke in spokes]
    for sender, receiver in pairs:
        key = f"numbers-{sender.name}-{receiver.name}"
        before = receiver.log(key).count("listening\n")
        receiver.start(key, "python3", script, "receive", receiver.inner(version), 7000 + sender.number,
                       FLOWS, NUMBERS)
        wait_until(lambda r=receiver, k=key, n=before: r.log(k).count("listening\n") > n, 20, key)
    for sender, receiver in pairs:
        sender.start(f"send-{receiver.name}", "python3", script, "send", receiver.inner(version),
                     7000 + sender.number, FLOWS, NUMBERS)
    for sender, receiver in pairs:
        key = f"numbers-{sender.name}-{receiver.name}"
        assert receiver.processes.pop(key).wait(timeout=LIMIT_S) == 0, f"{key}: {receiver.log(key)}"
        print(f"  {key}: {receiver.log(key).splitlines()[-1]}", flush=True)
        assert sender.processes.pop(f"send-{receiver.name}").wait(timeout=LIMIT_S) == 0


def test_many(star):
    """All spokes at once, both ways; more than one shard of the hub works."""
    for spoke in star.spokes:
        spoke.reaches(star.hub)
    queues = star.hub.run("ls", "/sys/class/net/wg0/queues").stdout.split()
    assert len(queues) == 2 * SHARDS * LANES, queues
    steady = [spoke for spoke in star.spokes if spoke.number != 3]
    for version in (4, 6):
        numbered(star, steady, True, version)
        numbered(star, steady, False, version)
    used = threads(star.hub)
    print(f"  {used}", flush=True)
    assert sum(ticks > 0 for name, ticks in used.items() if name.startswith("mesh-in")) > 1, used
    rss = pathlib.Path(f"/proc/{star.hub.processes['wg'].pid}/status").read_text().split("VmHWM:")[1].split()
    print(f"ok: {len(steady)} peers, {FLOWS} flows each way each, in order; {int(rss[0]) // 1024} MiB", flush=True)


def test_bad_cable(star):
    spoke = star.spokes[1]
    star.box.set(loss_pct=1, reorder_pct=5, reorder_ms=3, duplicate_pct=5, delay_ms=1, seed=7)
    for version in (4, 6):
        copy_through(spoke, star.hub, version, 2_000_000)
        copy_through(star.hub, spoke, version, 2_000_000)
    counts = star.box.counts()
    assert all(counts[way].lost and counts[way].reordered and counts[way].duplicated for way in counts), counts
    star.box.set(loss_pct=0, reorder_pct=0, duplicate_pct=0, delay_ms=0)
    print("ok: over a bad cable nothing is damaged", flush=True)


def test_roaming(star):
    for spoke in star.spokes:
        star.give(spoke, f"192.0.2.{spoke.number + 100}")
        spoke.run("ip", "address", "del", f"{spoke.outer(4)}/32", "dev", "eth0")
        spoke.reaches(star.hub)
        assert star.hub.shown(spoke).endpoint == f"192.0.2.{spoke.number + 100}:{PORT}"
    numbered(star, star.spokes[:1] + star.spokes[2:], True, 4)
    print("ok: every peer moves to another address", flush=True)


def test_other_port(star):
    """All sockets of the port are other ones then; another program has not got the port meanwhile."""
    star.hub.run("wg", "set", "wg0", "listen-port", PORT + 1)
    for spoke in star.spokes:
        spoke.peer(star.hub, "endpoint", f"192.0.2.1:{PORT + 1}")
        spoke.reaches(star.hub)
    taken = star.hub.run("python3", "-c", f"""
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("0.0.0.0", {PORT + 1}))""", check=False)
    assert "Address already in use" in taken.stderr, taken
    print("ok: another port", flush=True)


def test_again(star):
    """The hub starts again: its peers' sessions end, new ones begin by the next packets."""
    star.hub.down()
    star.hub.up()
    introduce(star)
    for spoke in star.spokes:
        spoke.peer(star.hub, "endpoint", f"192.0.2.1:{PORT}")
        spoke.reaches(star.hub, 40)
    numbered(star, star.spokes[:1] + star.spokes[2:], False, 4)
    print("ok: the hub starts again", flush=True)


def test_renewed(star):
    """New keys for all while packets flow: other sessions, the same shard."""
    for _ in range(5):
        for spoke in star.spokes:
            for end, other in ((spoke, star.hub), (star.hub, spoke)):
                end.forget(other)
        introduce(star)
        for spoke in star.spokes:
            spoke.reaches(star.hub, 40)
    print("ok: new sessions, five times", flush=True)


def main():
    with Star() as star:
        for end in (star.hub, *star.spokes):
            end.up()
        introduce(star)
        for test in (test_many, test_bad_cable, test_roaming, test_other_port, test_again, test_renewed):
            test(star)
        for end in (star.hub, *star.spokes):
            if end.program == "mesh-wg":
                assert end.stop("wg") == 0, end.log("wg")


main()
