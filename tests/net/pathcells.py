"""What path two nodes must end on, by what stands before each of them: data, and no more.

A goal is a class: D direct, P by another node, R by a server's relay; better is welcome, worse is a
failure. `needs` names what meshd must be able to do for it. What is not in BUILT yet is run and recorded,
not asserted: add the word when the thing lands, and every cell that waited for it is a promise.

   nodes may stand: in the open, behind one router of a kind of nat.py, "carrier" (port-restricted behind
   a carrier's full cone), "v6-only", "v6-firewall" (IPv6 only, behind a firewall), "nat64" (IPv6 only,
   with NAT64), "mapped" (a port-restricted router that maps ports), or in pairs: "same-lan",
   "same-carrier", "same-carrier-hairpin" """
import dataclasses

# opener: low-TTL opener and timed start · probe: probes both ways, learning where answers come from ·
# predict, birthday: hard NATs · stream: a relay over TLS · the others as they are called
# of: opener, probe, predict, birthday, relay, stream, nat64, proxy, portmap
BUILT = {"opener", "birthday", "nat64", "portmap", "predict", "probe", "proxy", "relay", "stream"}

RANK = {"D": 3, "P": 2, "R": 1, "none": 0}

OPEN = ("open", "mapped")
CONES = ("full-cone", "restricted")
KEEPING = ("port-restricted", "port-restricted-reject", "port-restricted-accept", "carrier")
EASY = CONES + KEEPING + ("random-port",)
HARD = ("address-dependent", "sequential", "block", "symmetric")
NO_UDP = ("udp-blocked", "tcp-443-only", "proxy-only")
PAIRED = {"same-lan": "D", "same-carrier-hairpin": "D", "same-carrier": "R"}

# The twelve that are crossed with each other; the others come as extra pairs.
CROSSED = ("open", "full-cone", "restricted", "port-restricted", "random-port", "port-restricted-accept",
           "address-dependent", "sequential", "block", "symmetric", "carrier", "udp-blocked")


@dataclasses.dataclass(frozen=True)
class Cell:
    """One pair: who sends first, who is sent to, the round trip between them, loss each way, the goal."""

    first: str
    other: str
    goal: str
    needs: frozenset = frozenset()
    rtt_ms: int = 0
    loss_pct: float = 0

    @property
    def name(self):
        bad = f" {self.rtt_ms} ms" if self.rtt_ms else ""
        return f"{self.first} x {self.other}{bad}" + (f" {self.loss_pct:g} %" if self.loss_pct else "")

    @property
    def promised(self):
        return self.needs <= BUILT

    def passes(self, reached):
        return RANK[reached] >= RANK[self.goal]


def judge(first, other):
    """(goal, needs) of an IPv4 pair: PATHS of the design, column U."""
    pair = {first, other}
    if "proxy-only" in pair:
        return "R", {"stream", "proxy"}
    if pair & set(NO_UDP):
        return "R", {"stream"}
    if "mapped" in pair:
        return "D", {"portmap"}
    if pair & set(OPEN):
        return "D", set()
    hard = [kind for kind in (first, other) if kind in HARD]
    if not hard:
        return "D", judge_easy(pair)
    if pair & set(CONES):
        return "D", {"probe"}
    if len(hard) == 2: # two sequential ones predict each other; for the others one side must be known
        return ("D", {"predict"}) if pair == {"sequential"} else ("R", {"relay"})
    return "D", {"birthday"} if pair & {"symmetric", "address-dependent"} else {"predict"}


def judge_easy(pair):
    """A router that takes in strays loses its port to the first one, whoever the far side of a closed
    filter is: its own side has to speak first. Behind a cone it may come late."""
    needs = {"probe"} if "random-port" in pair else set()
    if "port-restricted-accept" in pair and not pair & set(CONES):
        needs.add("opener")
    return needs


def cell(first, other, rtt_ms=0, loss_pct=0):
    goal, needs = judge(first, other)
    return Cell(first, other, goal, frozenset(needs), rtt_ms, loss_pct)


def extra():
    """Pairs that are no product of kinds."""
    relay = frozenset({"relay"})
    yield Cell("same-lan", "same-lan", "D")
    yield Cell("same-carrier-hairpin", "same-carrier-hairpin", "D", frozenset({"probe"}))
    yield Cell("same-carrier", "same-carrier", "R", relay)
    yield Cell("v6-only", "v6-firewall", "D")
    yield Cell("v6-firewall", "v6-firewall", "D")
    yield Cell("v6-only", "port-restricted", "R", relay)
    yield Cell("nat64", "open", "D", frozenset({"nat64"}))
    yield Cell("nat64", "port-restricted", "D", frozenset({"nat64"}))
    for kind in ("tcp-443-only", "proxy-only"):
        yield cell(kind, "port-restricted")
        yield cell(kind, "open")
    yield cell("proxy-only", "proxy-only")
    yield cell("mapped", "symmetric")
    yield cell("mapped", "port-restricted")
    yield cell("port-restricted", "port-restricted-reject")
    yield cell("pool", "open")


def everything():
    """All cells: either may send first, at 0, 20 and 80 ms, without and with 2 % loss."""
    for rtt_ms in (0, 20, 80):
        for loss_pct in (0, 2):
            for first in CROSSED:
                for other in CROSSED:
                    yield cell(first, other, rtt_ms, loss_pct)
            if not loss_pct and rtt_ms in (0, 20):
                yield from (dataclasses.replace(one, rtt_ms=rtt_ms) for one in extra())


def chosen():
    """What CI runs: every kind at least once, both sides of each border of the table."""
    pairs = (("open", "symmetric"), ("symmetric", "open"), ("full-cone", "random-port"),
             ("restricted", "symmetric"), ("port-restricted", "port-restricted"),
             ("port-restricted", "carrier"), ("port-restricted-accept", "port-restricted-accept"),
             ("port-restricted", "address-dependent"), ("port-restricted", "sequential"),
             ("port-restricted", "block"), ("port-restricted", "symmetric"), ("carrier", "symmetric"),
             ("sequential", "sequential"), ("block", "symmetric"), ("udp-blocked", "port-restricted"))
    yield from (cell(*pair) for pair in pairs)
    worse = (("port-restricted", "port-restricted", 20), ("restricted", "port-restricted", 80, 2),
             ("full-cone", "port-restricted", 20, 2), ("carrier", "random-port", 80),
             ("port-restricted-accept", "port-restricted-accept", 80), ("open", "symmetric", 80, 2),
             ("port-restricted", "sequential", 80), ("port-restricted", "sequential", 20, 2),
             ("port-restricted", "block", 20, 2), ("sequential", "sequential", 80, 2),
             ("restricted", "address-dependent", 20, 2), ("block", "symmetric", 80, 2),
             ("udp-blocked", "port-restricted", 80, 2))
    yield from (cell(*one) for one in worse)
    yield from (one for one in extra() if (one.first, one.other) in {
        ("same-lan", "same-lan"), ("same-carrier-hairpin", "same-carrier-hairpin"),
        ("same-carrier", "same-carrier"), ("v6-only", "v6-firewall"), ("nat64", "port-restricted"),
        ("pool", "open"), ("port-restricted", "port-restricted-reject"), ("tcp-443-only", "port-restricted"), ("proxy-only", "port-restricted"), ("mapped", "symmetric")})
