"""mesh-wg and Debian's wireguard-go understand each other: both roles, outer IPv4 and IPv6, with and
without preshared key, inner IPv4 and IPv6, through new sessions, with exact counters."""
from space import need, wait_until
from wgcells import check_cells, check_new_sessions
from wgpair import PORT, Pair, make_key

need("wg", "wireguard-go")


def move_address(a, b):
    a.run("ip", "address", "add", "192.0.2.11/24", "dev", "eth0")
    a.run("ip", "address", "del", "192.0.2.1/24", "dev", "eth0")
    a.run("ip", "address", "replace", "192.0.2.11/24", "dev", "eth0")
    wait_until(lambda: a.pings(b, 4, limit_s=2), 60, "a pings from its new address")
    assert b.shown(a).endpoint == f"192.0.2.11:{PORT}"


def test_roaming():
    """The initiator's way changes in mid-session: the next authentic packet tells."""
    for programs in (("mesh-wg", "wireguard-go"), ("wireguard-go", "mesh-wg")):
        with Pair(*programs) as (a, b):
            a.up()
            b.up()
            a.peer(b, "endpoint", b.endpoint(4))
            b.peer(a)
            a.reaches(b)
            handshake = b.shown(a).handshake
            if a.program == "mesh-wg": # wireguard-go holds on to an address that is no more
                move_address(a, b)
            a.run("wg", "set", "wg0", "peer", b.public, "endpoint", b.endpoint(6))
            assert a.pings(b, 6)
            assert b.shown(a).endpoint == a.endpoint(6), "from IPv4 to IPv6"
            a.run("wg", "set", "wg0", "listen-port", PORT + 1)
            wait_until(lambda: a.pings(b, 4, limit_s=2), 60, "a pings from its new port")
            assert b.shown(a).endpoint.endswith(f":{PORT + 1}")
            assert b.pings(a, 4), "and back"
            assert b.shown(a).handshake == handshake, "the session stayed"
            print(f"ok: {b.program} follows {a.program}", flush=True)


def test_keepalive():
    """Persistent keepalives alone start a session and hold it: 32 bytes each, no answer."""
    for programs in (("mesh-wg", "wireguard-go"), ("wireguard-go", "mesh-wg")):
        with Pair(*programs) as (a, b):
            a.up()
            b.up()
            b.peer(a)
            a.peer(b, "endpoint", b.endpoint(4), "persistent-keepalive", 1)
            wait_until(lambda: b.shown(a).handshake > 0, 10, "a session without traffic")
            first = wait_until(lambda: b.shown(a).rx, 5)
            wait_until(lambda: b.shown(a).rx >= first + 3 * 32, 10, "three keepalives")
            assert (b.shown(a).rx - first) % 32 == 0
            print(f"ok: {a.program} keeps {b.program} informed", flush=True)


def test_source_check():
    """What comes through the tunnel from an address that is not the peer's goes nowhere."""
    with Pair("wireguard-go", "mesh-wg") as (a, b):
        a.up()
        b.up()
        a.peer(b, "endpoint", b.endpoint(4))
        b.peer(a)
        a.reaches(b)
        for version, stranger in ((4, "10.9.0.77/32"), (6, "fd09::77/128")):
            a.run("ip", "address", "add", stranger, "dev", "wg0")
            b.run("ip", "route", "replace", stranger, "dev", "wg0")
            rx = int(b.run("cat", "/sys/class/net/wg0/statistics/rx_packets").stdout)
            done = a.run("ping", f"-{version}", "-n", "-q", "-c", 2, "-i", 0.1, "-W", 1, "-I",
                         stranger.split("/")[0], b.inner(version), check=False)
            assert done.returncode != 0
            assert int(b.run("cat", "/sys/class/net/wg0/statistics/rx_packets").stdout) == rx
        assert a.pings(b, 4)
        print("ok: forged inner sources are dropped", flush=True)


def test_wrong_psk():
    with Pair("mesh-wg", "wireguard-go") as (a, b):
        a.up()
        b.up()
        a.peer(b, "endpoint", b.endpoint(4), psk=make_key())
        b.peer(a, psk=make_key())
        assert not a.pings(b, 4, limit_s=2)
        assert a.shown(b).handshake == 0
        psk = make_key()
        a.peer(b, psk=psk)
        b.peer(a, psk=psk)
        a.reaches(b)
        print("ok: different preshared keys make no session, the same ones do", flush=True)


check_cells("wireguard-go")
check_new_sessions("wireguard-go")
test_roaming()
test_keepalive()
test_source_check()
test_wrong_psk()
