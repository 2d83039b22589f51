"""mesh-wg and boringtun (Cloudflare's implementation in Rust) understand each other: both roles, outer
IPv4 and IPv6, with and without preshared key, through new sessions and roaming.

boringtun is no Debian package: see peers.py. Its rekey by time is in test-rekey.py, its cookies are in
test-flood.py."""
from peers import find_boringtun, why_missing
from space import need, wait_until
from wgcells import check_cells, check_new_sessions
from wgpair import PORT, Pair

need("wg", find_boringtun() or why_missing("boringtun-cli"))


def test_roaming():
    """The initiator's way changes in mid-session; boringtun follows, and so do we."""
    for programs in (("mesh-wg", "boringtun-cli"), ("boringtun-cli", "mesh-wg")):
        with Pair(*programs) as (a, b):
            a.up()
            b.up()
            a.peer(b, "endpoint", b.endpoint(4))
            b.peer(a)
            a.reaches(b)
            handshake = b.shown(a).handshake
            if a.program == "mesh-wg": # boringtun cannot change a peer that it has
                a.run("wg", "set", "wg0", "peer", b.public, "endpoint", b.endpoint(6))
                wait_until(lambda: a.pings(b, 6, limit_s=2), 60, "a pings over IPv6")
                assert b.shown(a).endpoint == a.endpoint(6), "from IPv4 to IPv6"
            a.run("wg", "set", "wg0", "listen-port", PORT + 1)
            wait_until(lambda: a.pings(b, 4, limit_s=2), 60, "a pings from its new port")
            assert b.shown(a).endpoint.endswith(f":{PORT + 1}")
            assert b.pings(a, 4), "and back"
            if b.program == "mesh-wg":
                assert b.shown(a).handshake == handshake, "the session stayed"
            print(f"ok: {b.program} follows {a.program}", flush=True)


check_cells("boringtun-cli")
check_new_sessions("boringtun-cli")
test_roaming()
