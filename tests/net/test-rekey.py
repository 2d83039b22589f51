"""A session of 120 s is renewed while packets flow, and none of them is lost: mesh-wg beside each other
implementation that is here, once as the one that began the session, once as the other. All pairs at once,
for the test is nearly all waiting.

   [a] wg0 ──── cable ──── wg0 [b]     four times; see wgpair.py """
import contextlib
import threading

from peers import find_boringtun, why_missing
from space import need
from wgpair import Pair

need("wg", "wireguard-go")

PINGS, INTERVAL_S = 6750, 0.02 # 135 s


def start(pair):
    a, b = pair
    a.up()
    b.up()
    a.peer(b, "endpoint", b.endpoint(4))
    b.peer(a)
    a.reaches(b)


def watched(pair):
    """The ends that tell the time of a handshake; boringtun does as initiator only."""
    a, b = pair
    return [(x, y) for x, y in ((a, b), (b, a)) if x.program != "boringtun-cli"]


def ping(pair, result):
    a, b = pair
    result["missed"] = a.missed(b, 4, count=PINGS, interval_s=INTERVAL_S)


def check(pair, first, result):
    a, b = pair
    assert result.get("missed") == [], f"{a.program} to {b.program}: lost {result}"
    for here, there in watched(pair):
        # 120 s, or a multiple where pings were held up so long; each renewal may be a little late
        passed = here.shown(there).handshake - first
        assert any(100 * n < passed < 140 * n + 20 for n in range(1, 5)), f"{here.program} beside {there.program}: {passed} s"
    print(f"ok: {a.program} renewed its session with {b.program}", flush=True)


def main():
    others = ["wireguard-go"] + (["boringtun-cli"] if find_boringtun() else [])
    with contextlib.ExitStack() as stack:
        runs = []
        for programs in [(x, y) for other in others for x, y in (("mesh-wg", other), (other, "mesh-wg"))]:
            pair, result = stack.enter_context(Pair(*programs)), {}
            start(pair)
            here, there = watched(pair)[0]
            runs.append((pair, here.shown(there).handshake, result,
                         threading.Thread(target=ping, args=(pair, result))))
        for *_, thread in runs:
            thread.start()
        for *_, thread in runs:
            thread.join()
        for pair, first, result, _ in runs:
            check(pair, first, result)
    if "boringtun-cli" not in others:
        print(f"skipped: beside {why_missing('boringtun-cli')}", flush=True)


main()
