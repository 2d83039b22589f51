#!/usr/bin/env python3
"""From the start of meshd to packets, and its rest: tests/bench/start.py BUILD [ROUNDS (5)] [REST_S (60)]

   [a] meshd, started again and again ══ internet ══ [b] meshd        [server] mesh.example

The network is known and up, server and peer are up. Counted is from the exec of meshd until the answer to an echo has
come back through the tunnel (one is asked for every 20 ms): where the direct way is closed, by the relay; where it is
open, until the first answer, and until the way is direct. Then a has nothing connected: b is gone for good."""
import os
import pathlib
import re
import statistics
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "net"))
import echo  # noqa: E402

GOAL_MS, GOAL_RATE = 500, 0.2
SETTLE_S = 150 # an initiation is given up after 90


def show(name, values, unit, goal):
    listed = " ".join(f"{value:.0f}" for value in values)
    middle = statistics.median(values)
    verdict = "reached" if middle <= goal else "MISSED "
    print(f"{verdict} {name:40} {middle:7.0f} {unit}, median of {listed} (goal ≤ {goal})", flush=True)


def threads_of(pid):
    """How often each thread has gone to sleep so far."""
    found = {}
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        text = (task / "status").read_text()
        name = f"{(task / 'comm').read_text().strip()}/{task.name}"
        found[name] = int(re.search(r"\nvoluntary_ctxt_switches:\s+(\d+)", text)[1])
    return found


def close(node, far):
    """No packet passes between the two but by the server."""
    for family, address in (("ip", far.ip4), ("ip6", far.ip6)):
        node.sh(f"""nft add table inet shut
            nft 'add chain inet shut in {{ type filter hook input priority 0; }}'
            nft add rule inet shut in {family} saddr {address} drop""")


def start_once(a, path):
    """Milliseconds to the first answer, and until that is the path."""
    a.stop("meshd")
    wait_until(lambda: echo.is_silent(a), 20, "no answers")
    began = time.monotonic()
    a.launch()
    wait_until(lambda: echo.replies(a)[-1] > began, 30, "an answer")
    a.wait_until(lambda n: n.peer("b").path == path, 30)
    ended = time.monotonic()
    return 1000 * (next(at for at in echo.replies(a) if at > began) - began), 1000 * (ended - began)


def rest(a, b, seconds):
    """Wake-ups a second of each thread of a's meshd while nothing is connected."""
    a.stop("echo")
    b.stop("meshd")
    a.restart()
    a.wait_until(lambda n: n.network().server_state == "connected")
    time.sleep(SETTLE_S) # no condition tells that all has been told, saved, tried and given up
    pid = a.processes["meshd"].pid
    before = threads_of(pid)
    time.sleep(seconds)
    after = threads_of(pid)
    woken = {name: after[name] - before.get(name, 0) for name in after if after[name] != before.get(name, 0)}
    rate = sum(woken.values()) / seconds
    print(f"{'reached' if rate <= GOAL_RATE else 'MISSED '} {'wake-ups, nothing connected':40} {rate:7.2f} /s "
          f"(goal ≤ {GOAL_RATE}) {woken}", flush=True)


def main():
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    with Lab() as lab:
        a, b = lab.node("a"), lab.node("b")
        echo.between(lab, a, b)
        found = [start_once(a, "direct") for _ in range(rounds)]
        show("to the first answer", [first for first, _ in found], "ms", GOAL_MS)
        show("until the way is direct", [direct for _, direct in found], "ms", GOAL_MS)
        for near, far in ((a, b), (b, a)):
            close(near, far)
        show("to the first answer, by the relay", [start_once(a, "relay")[0] for _ in range(rounds)], "ms", GOAL_MS)
        rest(a, b, int(sys.argv[3]) if len(sys.argv) > 3 else 60)


if len(sys.argv) < 2:
    sys.exit("usage: tests/bench/start.py BUILD [ROUNDS] [REST_S]")
os.environ["MESH_BUILD"] = str(pathlib.Path(sys.argv[1]).resolve())
from lab import Lab, wait_until  # noqa: E402  (moves into namespaces first)

main()
