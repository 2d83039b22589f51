"""A flow through a tunnel over a bad cable: what arrives is what was sent. TCP is compared by the hash of
all of it; of datagrams, each that arrives is whole, none arrives twice, and those that the cable did not
hold back keep their order.

Also with several shards, sealed by AES-256-GCM where the processor can.

   [a] ── cable ── [box: loses, repeats, reorders, delays] ── cable ── [b]      both run mesh-wg"""
import json
import pathlib
import shutil
import subprocess
import types

from box import Box
from space import find_program, make_dir, need, wait_until
from wgpair import End, copy_through

need("wg")
COUNT = 5000 # datagrams each way
N_BYTES = 4_000_000

# Datagram n: its number, then bytes that follow from it. Sent in bursts, with GSO or one by one.
DATAGRAMS = """
import hashlib, json, socket, struct, sys, time
role, address, count, run = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
SIZES = (64, 700, 1200) # of a whole burst each
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, 33, 8 << 20) # SO_RCVBUFFORCE
def part(n, size):
    return struct.pack("!Q", n) + hashlib.shake_128(struct.pack("!QQ", n, size)).digest(size - 8)
if role == "receive":
    s.bind((address, 7002))
    s.settimeout(60)
    print("listening", flush=True)
    seen, twice, broken, back, newest, ended = set(), 0, 0, 0, -1, False
    while not ended:
        got = s.recv(65536)
        ended = got == b"end"
        if ended:
            break
        n, = struct.unpack_from("!Q", got)
        twice += n in seen
        broken += got != part(n, len(got)) or len(got) != SIZES[n // run % 3]
        back += n < newest
        newest = max(n, newest)
        seen.add(n)
    print(json.dumps({"seen": len(seen), "twice": twice, "broken": broken, "back": back}), flush=True)
else:
    s.connect((address, 7002))
    for first in range(0, count, run):
        size = SIZES[first // run % 3]
        s.setsockopt(socket.IPPROTO_UDP, 103, size) # UDP_SEGMENT
        s.send(b"".join(part(n, size) for n in range(first, min(first + run, count))))
        time.sleep(0.0005)
    s.setsockopt(socket.IPPROTO_UDP, 103, 0)
    end = time.monotonic() + 5
    try:
        while time.monotonic() < end: # some of these arrive
            s.send(b"end")
            time.sleep(0.05)
    except ConnectionRefusedError:
        pass # one has
"""


def aes():
    """Options of mesh-wg for AES-256-GCM; it looks at the processor before the engine, which there is not."""
    told = subprocess.run([find_program("mesh-wg"), "--suite=aes256gcm", "--engine=none-such", "-f", "check0"],
                          capture_output=True, text=True, timeout=20, check=False)
    return () if "not for this machine" in told.stderr else ("--suite=aes256gcm",)


class Impaired:
    """with Impaired(whole, arguments of mesh-wg) as (a, box, b): both up and peers of each other."""

    def __init__(self, whole, arguments):
        self.lab = types.SimpleNamespace(dir=make_dir(), hosts=[])
        self.a, self.b = (End(self.lab, name, number, "mesh-wg") for number, name in enumerate("ab", 1))
        self.a.arguments = self.b.arguments = arguments
        self.box = Box(self.lab, "box")
        self.box.insert(self.a, "eth0", self.b, "eth0", whole)

    def __enter__(self):
        for end in (self.a, self.b):
            end.run("ip", "address", "add", f"{end.outer(4)}/24", "dev", "eth0")
            end.up()
        for one, other in ((self.a, self.b), (self.b, self.a)):
            one.peer(other, "endpoint", other.endpoint(4))
        self.a.reaches(self.b)
        return self.a, self.box, self.b

    def __exit__(self, kind, *rest):
        if kind is not None:
            for host in (self.a, self.b):
                print(f"---- {host.name}\n{host.log('wg')}", flush=True)
        for host in (self.a, self.b, self.box):
            host.close()
        shutil.rmtree(self.lab.dir, ignore_errors=True)


def datagrams(sender, receiver, run):
    """Sends COUNT datagrams in bursts of `run`. Returns what the receiver saw."""
    script = pathlib.Path(sender.lab.dir / "datagrams.py")
    script.write_text(DATAGRAMS)
    address, key = receiver.inner(4), f"receive{run}"
    receiver.start(key, "python3", script, "receive", address, COUNT, run)
    wait_until(lambda: "listening" in receiver.log(key), 20, "the receiver")
    sender.run("python3", script, "send", address, COUNT, run, limit_s=300)
    assert receiver.processes.pop(key).wait(timeout=300) == 0, receiver.log(key)
    return types.SimpleNamespace(**json.loads(receiver.log(key).splitlines()[-1]))


def befallen(box):
    """What the cable has done to packets both ways."""
    counts = box.counts().values()
    return types.SimpleNamespace(**{key: sum(getattr(way, key) for way in counts)
                                    for key in ("lost", "duplicated", "reordered")})


def check_datagrams(a, b, settings):
    for one, other in ((a, b), (b, a)):
        for run in (1, 30):
            found = datagrams(one, other, run)
            print(f"  {one.name} to {other.name} by {run}: {found}", flush=True)
            assert found.twice == found.broken == 0, found
            assert found.seen > COUNT / 10, found
            assert found.back == 0 or "reorder_pct" in settings, found


def check(whole, arguments=(), **settings):
    """All kinds of traffic while the cable does this."""
    with Impaired(whole, arguments) as (a, box, b):
        box.set(seed=7, **settings)
        before = befallen(box)
        check_datagrams(a, b, settings)
        for version in (4, 6):
            copy_through(a, b, version, N_BYTES)
            copy_through(b, a, version, N_BYTES)
        after = befallen(box)
        for key, setting in (("lost", "loss_pct"), ("duplicated", "duplicate_pct"), ("reordered", "reorder_pct")):
            happened = getattr(after, key) - getattr(before, key)
            assert (happened > 0) == (setting in settings), (key, happened)
    kind = "super-packets" if whole else "single packets"
    print(f"ok: {kind}, {settings} {' '.join(arguments)}", flush=True)


AES = aes()
for pass_whole in (False, True):
    check(pass_whole, delay_ms=2, loss_pct=1)
    check(pass_whole, delay_ms=2, duplicate_pct=5)
    check(pass_whole, delay_ms=2, jitter_ms=1, reorder_pct=5, reorder_ms=2)
    check(pass_whole, delay_ms=5, loss_pct=0.5, duplicate_pct=2, reorder_pct=2, reorder_ms=3)
    check(pass_whole, ("--shards=4", *AES), delay_ms=5, loss_pct=0.5, duplicate_pct=2, reorder_pct=2, reorder_ms=3)
