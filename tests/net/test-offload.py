"""Super-packets in mesh-wg, on real devices and sockets: they are used where they can be, and where they
are switched off, or the network refuses them, everything arrives all the same.

   [a] ──── cable ──── [b]      both run mesh-wg; see wgpair.py"""
import pathlib
import re
import shutil

from space import need, wait_until
from wgpair import Pair, copy_through

need("wg")
WAYS = ("from the host", "to the host", "to the network", "from the network")

DATAGRAMS = """
import socket, sys
role, addr = sys.argv[1], sys.argv[2]
s = socket.socket(socket.AF_INET6 if ":" in addr else socket.AF_INET, socket.SOCK_DGRAM)
UDP_SEGMENT, SIZE, EACH, ROUNDS = 103, 1200, 30, 20
part = lambda n: bytes([n % 251]) * (SIZE if n % EACH != EACH - 1 else 77)
if role == "receive":
    s.bind((addr, 7001))
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    s.settimeout(60)
    print("listening", flush=True)
    for n in range(EACH * ROUNDS):
        got, _ = s.recvfrom(65536)
        assert got == part(n), (n, len(got), got[:1])
        s.sendto(b"next", _) if n % EACH == EACH - 1 else None
    print("all", flush=True)
else:
    s.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, SIZE)
    s.settimeout(60)
    for r in range(ROUNDS):
        s.sendto(b"".join(part(n) for n in range(r * EACH, (r + 1) * EACH)), (addr, 7001))
        s.recvfrom(100)
"""


OPENER = """
import fcntl, os, struct, sys
tun = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tun, 0x400454CA, struct.pack("16sH22x", b"wg0", int(sys.argv[1])))  # TUNSETIFF
os.set_inheritable(tun, True)
os.environ["WG_TUN_FD"] = str(tun)
os.execv(sys.argv[2], sys.argv[2:])
"""


def datagrams_through(sender, receiver, version):
    """Datagrams in bursts of one system call, of equal size but the last; asserts that each arrives whole
    and in order."""
    script = pathlib.Path(sender.lab.dir / "datagrams.py")
    script.write_text(DATAGRAMS)
    address = receiver.inner(version)
    receiver.start("datagrams", "python3", script, "receive", address)
    wait_until(lambda: receiver.log("datagrams").endswith("listening\n"), 10, "receiver of datagrams")
    sender.run("python3", script, "send", address)
    assert receiver.processes.pop("datagrams").wait(timeout=90) == 0, receiver.log("datagrams")
    assert receiver.log("datagrams").endswith("all\n")


def down(end):
    """Ends it. Returns {way: (super-packets, packets, refused)}, as it logs."""
    end.down()
    found = {way: tuple(int(n) for n in re.findall(
        rf"super-packets {way}: (\d+) of (\d+) packets, (\d+) refused", end.log("wg"))[-1]) for way in WAYS}
    print(f"  {end.name} {' '.join(end.arguments)}: {found}", flush=True)
    return found


def run(a, b, outer=4):
    a.up()
    b.up()
    a.peer(b, "endpoint", b.endpoint(outer))
    b.peer(a, "endpoint", a.endpoint(outer))
    a.reaches(b)
    for version in (4, 6):
        copy_through(a, b, version)
        copy_through(b, a, version)
        datagrams_through(a, b, version)
    return down(a), down(b)


def units(found, way):
    return found[way][0]


def test_used():
    for outer in (4, 6):
        with Pair("mesh-wg", "mesh-wg") as (a, b):
            for found in run(a, b, outer):
                for way in WAYS:
                    assert units(found, way) > 0 and found[way][2] == 0, (way, found)
        print(f"ok: super-packets are used every way over IPv{outer}", flush=True)


def test_switched_off():
    with Pair("mesh-wg", "mesh-wg") as (a, b):
        a.arguments = ("--offload=off", "--gso=off")
        found_a, found_b = run(a, b)
        assert all(units(found_a, way) == 0 for way in WAYS), found_a
        assert units(found_b, "from the host") > 0 and units(found_b, "to the network") > 0, found_b
        a.arguments, b.arguments = ("--gso=off",), ("--offload=off",)
        found_a, found_b = run(a, b)
        assert units(found_a, "to the network") == units(found_a, "from the network") == 0, found_a
        assert units(found_a, "from the host") > 0 and units(found_a, "to the host") > 0, found_a
        assert units(found_b, "to the host") == units(found_b, "from the host") == 0, found_b
    print("ok: with every switch off, and half of them", flush=True)


def test_small_cable():
    """The cable's MTU is below our datagrams: they go in fragments, which GSO cannot do."""
    with Pair("mesh-wg", "mesh-wg") as (a, b):
        for end in (a, b):
            end.run("ip", "link", "set", "eth0", "mtu", 1300)
        for found in run(a, b):
            assert found["to the network"][2] > 0, found
    print("ok: over a cable of a smaller MTU", flush=True)


def test_plain_card():
    """The cable neither segments nor checksums: the kernel does it in software."""
    if shutil.which("ethtool") is None:
        print("left out: cards without offloads; missing ethtool", flush=True)
        return
    with Pair("mesh-wg", "mesh-wg") as (a, b):
        for end in (a, b):
            end.run("ethtool", "-K", "eth0", "tx", "off", "gso", "off", "tso", "off", "gro", "off")
        run(a, b)
    print("ok: over cards without offloads", flush=True)


def test_given():
    """A descriptor that somebody else opened, with virtio header and without."""
    with Pair("mesh-wg", "mesh-wg") as (a, b):
        for flags, used in ((0x5001, True), (0x1001, False)):  # TUN, NO_PI; VNET_HDR
            a.opener = ("python3", "-c", OPENER, str(flags))
            found, _ = run(a, b)
            assert (units(found, "from the host") > 0) == (units(found, "to the host") > 0) == used, found
    print("ok: with a given descriptor", flush=True)


test_used()
test_given()
test_switched_off()
test_small_cable()
test_plain_card()
