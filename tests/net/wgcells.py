"""What mesh-wg and any other WireGuard implementation have to do together; see wgpair.py."""
import time

from space import wait_until
from wgpair import Pair, copy_through, make_key

SILENT_S = 8  # shorter than what brings a keepalive


def cell(a, b, version, psk):
    """a initiates to b over outer IP `version`."""
    a.up()
    b.up()
    a.peer(b, "endpoint", b.endpoint(version), psk=psk)
    b.peer(a, psk=psk)
    a.reaches(b)
    assert b.pings(a, 4) and b.pings(a, 6), "and back"
    assert b.shown(a).endpoint == a.endpoint(version), "learned from the initiation"
    for here, there in ((a, b), (b, a)):
        if here.program != "boringtun-cli": # tells it as initiator only, and counts inner bytes
            assert here.shown(there).handshake > 0
    if "boringtun-cli" not in (a.program, b.program):
        check_counters(a, b)
    copy_through(a, b, 4)
    copy_through(b, a, 6)
    a.down()
    b.down()


def check_counters(a, b):
    """What one end sent is what the other received, and both are the sum of the packets."""
    for size in (1, 56, 1392):
        before_a, before_b, after_a, after_b = count_ping(a, b, size)
        assert before_a.tx == before_b.rx and before_a.rx == before_b.tx, (before_a, before_b)
        padded = -(-(20 + 8 + size) // 16) * 16
        want = min(padded, 1420) + 32
        assert after_a.tx - before_a.tx == want, (size, after_a.tx - before_a.tx, want)
        assert after_b.tx - before_b.tx == want, (size, after_b.tx - before_b.tx, want)
        assert after_a.rx - before_a.rx == want and after_b.rx - before_b.rx == want, size


def count_ping(a, b, size):
    """What both ends show before and after a ping. Ten seconds after one there is a keepalive, which counts too: who
    is as slow as that looks again."""
    for _ in range(30):
        began = time.monotonic()
        assert a.pings(b, 4)
        before = a.shown(b), b.shown(a)
        assert a.pings(b, 4, size=size)
        after = a.shown(b), b.shown(a)
        if time.monotonic() - began < SILENT_S:
            return *before, *after
    raise TimeoutError("no two pings within some seconds")


def check_cells(other):
    """Role × outer IP version × preshared key, against the program `other`."""
    for programs in (("mesh-wg", other), (other, "mesh-wg")):
        with Pair(*programs) as (a, b):
            for version in (4, 6):
                for psk in (None, make_key()):
                    cell(a, b, version, psk)
                    print(f"ok: {a.program} initiates to {b.program} over IPv{version}, "
                          f"{'with' if psk else 'without'} preshared key", flush=True)


def check_new_sessions(other):
    """Either end loses its session and memory of it; the other goes on."""
    with Pair("mesh-wg", other) as (a, b):
        a.up()
        b.up()
        a.peer(b, "endpoint", b.endpoint(4))
        b.peer(a, "endpoint", a.endpoint(4))
        for here, there in ((a, b), (b, a)):
            here.reaches(there)
            here.down() # a new process knows nothing of its sessions
            here.up()
            here.peer(there, "endpoint", there.endpoint(4))
            here.reaches(there)
            print(f"ok: {here.program} restarted", flush=True)
            here.forget(there)
            assert not here.pings(there, 4, limit_s=2), "nobody to send to"
            here.peer(there, "endpoint", there.endpoint(4))
            here.reaches(there)
            there.reaches(here)
            print(f"ok: {here.program} forgot its peer and got it back", flush=True)
