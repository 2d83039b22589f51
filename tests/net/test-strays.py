"""A node starts again in a network that is too large for it to call everybody: who talks to it need not find out by
silence, nor from the server, whose news do not reach it meanwhile. How long their flows were without an answer is printed.

   [a] ─ port-restricted NAT ─┐                  ┌─ symmetric NAT ─ [x]      and 70 members that are
                              ├─ wan ─ [server] ─┤                           not there
   [b] ─ port-restricted NAT ─┘                  └─ symmetric NAT ─ [y]"""
import pathlib
import re
import sys
import time

from lab import Lab
from pathpair import Pinger, is_path, pair
from pauses import Pauses

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "load"))
from rig import Crowd, skip_without  # noqa: E402
from space import programs_dir  # noqa: E402

MEMBERS = 70 # more than are called at the start (PATH_MAX_MET)
TRIES = 3
SOON_S = 8 # less than the 15 s of silence, after which a flow begins a new session by itself
YOUNG_S = 100 # nor is a session renewed before it is two minutes old
CALLS = "data of a session that we do not have"
NO_NEWS = """table inet strays { chain in {
    type filter hook input priority 0
    tcp sport 443 drop
}
}"""


def is_called(one, other, pings, pauses):
    """Whether [other] calls when it starts again. It need not if it takes so long for its start that [one] begins a new
    session by itself."""
    before = other.log("meshd").count(CALLS)
    one.run("nft", "-f", "-", text=NO_NEWS)
    pings.began = time.time()
    other.stop("meshd", kill=True)
    other.up(MESH_LOG="debug")
    started = time.time()
    pings.goes_on()
    one.run("nft", "delete", "table", "inet", "strays")
    called = other.log("meshd").count(CALLS) > before
    must = started - pings.began < SOON_S and started - pings.first < YOUNG_S
    assert called or not must or pauses.since(pings.began), "it was there at once, and waited for the other one"
    return called


def starts_again(lab, one, other, kind, pauses):
    began = time.time()
    pings = Pinger(one, other.addresses()[4])
    pings.first = began
    pings.goes_on()
    is_path(one, other, kind)
    pings.is_whole()
    assert CALLS not in other.log("meshd") or pauses.since(began), "nobody had lost anything"
    assert any(is_called(one, other, pings, pauses) for _ in range(TRIES)), "it waited for the other one"
    began = pings.began
    is_path(one, other, kind)
    pings.is_whole()
    lab.ok(f"{kind}: started again under traffic, {pings.gap_s(began):.2f} s without an answer, then {kind}")
    pings.stop()


def main():
    skip_without(programs_dir())
    with Lab() as lab:
        pauses = Pauses()
        lab.server.setup("home")
        lab.server.up()
        many = re.sub(r"//[^/]*/", "//127.0.0.1/", lab.server.key("home", "--reusable"))
        crowd = Crowd(programs_dir(), many, MEMBERS, host=lab.server)
        crowd.ask("enrol")
        crowd.close()
        (a, _), (b, _) = pair(lab, "ab", "port-restricted", MESH_LOG="debug")
        (x, _), (y, _) = pair(lab, "xy", "symmetric", MESH_LOG="debug")
        for node in (a, b, x, y):
            node.wait_until(lambda n: n.network().peers_total == MEMBERS + 3, 60)
        starts_again(lab, a, b, "direct", pauses)
        starts_again(lab, x, y, "relay", pauses)


main()
