"""Two nodes whose path is watched while something happens to it.

   (a, ra), (b, rb) = pair(lab, "ab", "port-restricted")
   pings = Pinger(a, b.addresses()[4])
   pings.goes_on(); is_path(a, b, "direct"); …; pings.is_whole(); pings.stop()"""
import re
import time

from lab import wait_until

REPLY = re.compile(r"^\[(\d+\.\d+)\] \d+ bytes from .* icmp_seq=(\d+)", re.M)
INTERVAL_S = 0.05
WINDOWS = 4


class Pinger:
    """Pings twenty times a second; tells when answers came."""

    def __init__(self, node, address):
        self.node = node
        self.from_byte = len(node.log("ping"))
        node.start("ping", "ping", "-n", "-D", "-O", "-i", INTERVAL_S, address)

    def replies(self):
        return [(float(when), int(number))
                for when, number in REPLY.findall(self.node.log("ping")[self.from_byte:])]

    def times(self):
        return [when for when, _ in self.replies()]

    def goes_on(self, limit_s=120):
        """Waits until answers come again, ten of them after this moment."""
        now = time.time()
        wait_until(lambda: sum(when > now for when in self.times()) >= 10, limit_s,
                   f"{self.node.name}: answers go on")

    def lacks(self, count):
        """Which of so many from now on are lost."""
        self.goes_on()
        last = max(number for _, number in self.replies())
        wait_until(lambda: max(number for _, number in self.replies()) > last + count, 30, "more answers")
        came = {number for _, number in self.replies()}
        return [number for number in range(last, last + count) if number not in came]

    def is_whole(self, count=40):
        """Of so many from now on none is lost. A machine that pauses for a second or two makes a path look dead: what
        it carried is lost once more, and not again and again."""
        for _ in range(WINDOWS):
            missing = self.lacks(count)
            if not missing:
                return
            print(f"# {self.node.name}: lost after it went on: {missing}", flush=True)
        raise AssertionError(f"{self.node.name}: lost after it went on: {missing}, and before that in {WINDOWS - 1} "
                             "windows")

    def lost(self):
        """Of all until now, when they have gone on."""
        last = max(number for _, number in self.replies())
        self.goes_on()
        return sorted(set(range(1, last + 1)) - {number for _, number in self.replies()})

    def gap_s(self, since):
        """The longest time without an answer that ended after `since`."""
        times = self.times()
        return max(later - sooner for sooner, later in zip(times, times[1:]) if later > since)

    def stop(self):
        self.node.stop("ping")


def talk_directly(one, other):
    """Until they do, under traffic: without any a search that failed is not repeated soon."""
    one.wait_until(lambda n: n.ping(other.addresses()[6]).lost == 0 and n.peer(other.name).path == "direct", 150,
                   f"{one.name} reaches {other.name} directly")


def is_path(node, far, kind, limit_s=150):
    node.wait_until(lambda n: n.peer(far.name).path == kind, limit_s)


def pair(lab, names, kind, v6=False, **env):
    """[(node, its router), …], up and joined."""
    made = []
    for name in names:
        router = lab.nat("r" + name, kind=kind, v6=v6)
        node = lab.node(name, behind=router)
        node.up(**env)
        node.join(lab.server.key("home"))
        made.append((node, router))
    return made
