"""The first packet between two nodes that never spoke: by the relay, in two round trips, one for WireGuard's
handshake and one for the packet and its answer.

   [x] ─ symmetric NAT ─ box ─┐
                              ├─ wan ─ [server] + simulated nodes: in a small network all would have met before
   [y] ─ symmetric NAT ─ box ─┘"""
import pathlib
import re
import sys
import time

from lab import Lab, wait_until
from pauses import Pauses

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "load"))
from rig import Crowd, skip_without  # noqa: E402
from space import programs_dir  # noqa: E402

NODES, ROUNDS = 80, 5
AGAIN = 6 # looks for five starts that the machine does not disturb: a third round trip would be there each time


def median(values):
    return sorted(values)[len(values) // 2]


def first_ms(x, y):
    """Milliseconds to the first answer, and those of a round trip by the relay. None: one was lost."""
    x.restart()
    y.restart()
    for node in (x, y):
        node.wait_until(lambda n: n.network().server_state == "connected" and
                        len(n.peers()) == NODES + 1, 60)
    for node, far in ((x, y), (y, x)):
        node.wait_until(lambda n, f=far: f.name in n.peers() and n.peers()[f.name].path == "idle", 60)
        wait_until(lambda n=node: "relays answer over UDP" in n.log("meshd").rpartition(" ready, ")[2], 60,
                   "the relay answers")
    # Late is not lost: it goes on until eight have answered.
    text = x.run("ping", "-n", "-c", "8", "-i", "0.3", "-w", "60", y.addresses()[4]).stdout
    times = {int(number): float(ms) for number, ms in re.findall(r"icmp_seq=(\d+) .*time=([\d.]+) ms", text)}
    if not set(range(1, 9)) <= set(times):
        print("\n".join(f"# {line}" for line in text.splitlines()), flush=True)
        return None
    assert x.peer(y.name).path == "relay", x.peer(y.name)
    return times[1], median([times[n] for n in range(5, 9)])


def starts(x, y, pauses):
    """Some starts in which none is lost: where the machine stops for so long that the relay is in doubt, one may be.
    Where it does not stop most lose none."""
    found, lost = [], 0
    for tried in range(1, ROUNDS * AGAIN + 1):
        began = time.time()
        one = first_ms(x, y)
        found += [one] if one else []
        lost += not one and not pauses.since(began)
        assert lost < ROUNDS / 2, f"lost in {lost} of {tried} starts in which the computer did not pause"
        if len(found) == ROUNDS:
            return found
    raise AssertionError(f"lost in all but {len(found)} of {tried} starts")


def is_two_trips(found, rtt_ms):
    """Whether the first answers took two round trips; a third one would show. What the machine adds is printed only."""
    first, round_trip = median([one for one, _ in found]), median([two for _, two in found])
    return first < 2.7 * max(round_trip, rtt_ms)


def main():
    skip_without(programs_dir())
    with Lab() as lab:
        pauses = Pauses()
        lab.server.setup("home")
        lab.server.up()
        many = re.sub(r"//[^/]*/", "//127.0.0.1/", lab.server.key("home", "--reusable"))
        crowd = Crowd(programs_dir(), many, NODES, host=lab.server)
        crowd.ask("join")
        routers = [lab.nat("r" + name, kind="symmetric", v6=False, box=True) for name in "xy"]
        x, y = (lab.node(name, behind=router) for name, router in zip("xy", routers))
        for node in (x, y):
            node.up()
            node.join(lab.server.key("home"))
        for rtt_ms in (20, 80):
            for router in routers:
                router.box.set(delay_ms=rtt_ms / 4)
            for _ in range(AGAIN):
                found = starts(x, y, pauses)
                if rtt_ms < 80 or is_two_trips(found, rtt_ms):
                    break
            else:
                raise AssertionError(found)
            first, round_trip = median([one for one, _ in found]), median([two for _, two in found])
            over = median([one - 2 * two for one, two in found])
            lab.ok(f"relay round trip {round_trip:.1f} ms: the first answer after {first:.1f} ms, "
                   f"two round trips and {over:.1f} ms")
        crowd.close()


main()
