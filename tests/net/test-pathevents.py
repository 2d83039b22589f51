"""What may happen to a path while it is in use: the direct way goes dark and comes back, routers forget
or move, the relay dies, a daemon stands still. Traffic goes on, by another way where there is one.

   [a] ─ port-restricted NAT ─┐                 ┌─ symmetric NAT ─ [x]
                              ├─ wan ─ [server]─┤
   [b] ─ port-restricted NAT ─┘                 └─ symmetric NAT ─ [y]"""
import os
import signal
import time

from lab import Lab, wait_until
from pathpair import Pinger, is_path, pair


def direct_events(lab, a, ra, b, rb):
    pings = Pinger(a, b.addresses()[4])
    pings.goes_on()
    is_path(a, b, "direct")
    lab.ok("two behind port-restricted NATs: direct")

    began = time.time()
    ra.go_dark(rb)
    rb.go_dark(ra)
    is_path(a, b, "relay")
    pings.goes_on()
    lab.ok(f"the direct way goes dark: by the relay, {pings.gap_s(began):.2f} s without an answer")

    ra.lighten()
    rb.lighten()
    is_path(a, b, "direct")
    pings.goes_on()
    lab.ok("it comes back: direct again")

    for what, happen in (("one router forgets its mappings", ra.flush),
                         ("one router has another address", lambda: ra.move("203.0.113.200"))):
        began = time.time()
        happen()
        pings.goes_on()
        is_path(a, b, "direct")
        lab.ok(f"{what}: {pings.gap_s(began):.2f} s without an answer, then direct")
    began = time.time()
    lab.server.stop("mesh-server", kill=True)
    a.wait_until(lambda n: n.network("home").server_state != "connected", 30)
    pings.goes_on()
    is_path(a, b, "direct")
    is_path(b, a, "direct")
    gap_s = pings.gap_s(began)
    lab.server.launch()
    a.wait_until(lambda n: n.network("home").server_state == "connected", 120)
    is_path(a, b, "direct")
    lab.ok(f"the server, and the relay with it, is gone: {gap_s:.2f} s without an answer, still direct")
    pings.stop()


def stand_still(lab, a, b):
    """Nobody hears a daemon that is stopped; when it goes on, so does everything."""
    pings = Pinger(a, b.addresses()[4])
    pings.goes_on()
    pid = b.processes["meshd"].pid
    os.kill(pid, signal.SIGSTOP)
    now = time.time()
    wait_until(lambda: time.time() - now > 5, 10, "five seconds of standing still")
    os.kill(pid, signal.SIGCONT)
    pings.goes_on()
    is_path(a, b, "direct")
    pings.stop()
    lab.ok("a daemon that stood still for five seconds: traffic goes on, direct")


def relay_dies(lab, x, y):
    pings = Pinger(x, y.addresses()[4])
    pings.goes_on()
    is_path(x, y, "relay")
    began = time.time()
    lab.server.restart(kill=True)
    pings.goes_on()
    is_path(x, y, "relay")
    lab.ok(f"the relay is killed and comes back: {pings.gap_s(began):.2f} s without an answer")
    pings.stop()


def main():
    with Lab() as lab:
        lab.server.setup("home")
        lab.server.up()
        (a, ra), (b, rb) = pair(lab, "ab", "port-restricted")
        (x, _), (y, _) = pair(lab, "xy", "symmetric")
        direct_events(lab, a, ra, b, rb)
        stand_still(lab, a, b)
        relay_dies(lab, x, y)


main()
