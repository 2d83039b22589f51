"""Runs the cells of pathcells.py: two nodes, what stands before them, one server, a ping from the first.

   [first] ─ its router ─ box ══╗
                                ╠══ wan ══ [server]     each cell has hosts and a network of its own
   [other] ─ its router ─ box ══╝"""
import datetime
import re
import time

import pathcells
from lab import wait_until
from onway import MAPPER, Nat64, Proxy, map_ports
from router import count_on, counted

PATHS = {"direct": "D", "direct-tcp": "D", "peer-relay": "P", "relay": "R"}
PING_S = 0.1
LIMIT_S = 90 # how long a cell may take to its goal; ends a hang only
LOOK_S = 4 # for what is not promised yet: recorded, not waited for
REPLY = re.compile(r"^\[(\d+\.\d+)\] \d+ bytes from .* icmp_seq=(\d+) .*time=([\d.]+) ms", re.M)
# What meshd logs at MESH_LOG=debug, with the time: its own clock is finer than asking it.
LOGGED = re.compile(r"^(\d\d:\d\d:\d\d\.\d+) meshd: debug: (a peer can be reached by a relay"
                    r"|a session with a peer|a peer is reached at)", re.M)


class Site:
    """One side of a cell: a node and what stands before it."""

    def __init__(self, lab, kind, name, shared, bad=False):
        self.lab, self.kind, self.name, self.env = lab, kind, name, {"MESH_LOG": "debug"}
        self.routers, self.made, self.box = [], [], None
        build = {"open": self.in_the_open, "carrier": self.behind_carrier, "mapped": self.behind_mapper,
                 "v6-only": self.in_the_open, "same-lan": self.behind_same_lan,
                 "same-carrier": self.behind_same_carrier,
                 "same-carrier-hairpin": self.behind_same_carrier}.get(kind, self.behind_router)
        self.node = build(shared, bad)

    def keep(self, host):
        self.made.append(host)
        if getattr(host, "box", None):
            self.box = host.box
            self.made.append(host.box)
        return host

    def router(self, kind, bad, **options):
        router = self.keep(self.lab.nat(f"r{self.name}", kind=kind, box=bad, **options))
        self.routers.append(router)
        return router

    def in_the_open(self, _shared, bad):
        six = self.kind == "v6-only"
        node = self.keep(self.lab.node(f"n{self.name}", v4=not six, v6=six, box=bad))
        count_on(node)
        return node

    def behind_router(self, shared, bad):
        six = self.kind in ("v6-firewall", "nat64")
        more = {}
        if self.kind == "proxy-only":
            proxy = shared.proxy(self.lab)
            more = {"proxy": (proxy.address, proxy.port)}
            self.env["https_proxy"] = proxy.url
        router = self.router("port-restricted" if six else self.kind, bad, v6=six, **more)
        node = self.keep(self.lab.node(f"n{self.name}", behind=router, v4=not six))
        if self.kind == "nat64":
            shared.nat64(self.lab).serve(node)
        return node

    def behind_carrier(self, _shared, bad):
        carrier = self.keep(self.lab.carrier(f"c{self.name}", kind="full-cone"))
        self.routers.append(carrier)
        return self.keep(self.lab.node(f"n{self.name}",
                                       behind=self.router("port-restricted", bad, carrier=carrier)))

    def behind_mapper(self, _shared, bad):
        router = self.router("port-restricted", bad, v6=False, wan4=f"5.5.5.{self.lab.number}")
        map_ports(router)
        return self.keep(self.lab.node(f"n{self.name}", behind=router))

    def behind_same_lan(self, shared, bad):
        router = shared.of_pair or self.router("port-restricted", bad, v6=False)
        shared.of_pair = router
        return self.keep(self.lab.node(f"n{self.name}", behind=router))

    def behind_same_carrier(self, shared, bad):
        if not shared.of_pair:
            kind = "full-cone-hairpin" if "hairpin" in self.kind else "full-cone"
            shared.of_pair = self.keep(self.lab.carrier(f"c{self.name}", kind=kind))
            self.routers.append(shared.of_pair)
        return self.keep(self.lab.node(
            f"n{self.name}", behind=self.router("port-restricted", bad, carrier=shared.of_pair)))

    def spent(self):
        """(UDP packets, UDP bytes, router entries) so far; the outermost counter tells."""
        outer = self.routers[0] if self.routers else self.node if "same" not in self.kind else None
        if outer is None:
            return (0, 0, 0)
        counts = counted(outer)
        return (counts["udp_out"][0] + counts["udp_in"][0], counts["udp_out"][1] + counts["udp_in"][1],
                max((router.entries() for router in self.routers), default=0))

    def events(self):
        """{what meshd logged: when first}, by the computer's clock."""
        today, found = datetime.date.today(), {}
        for clock, what in LOGGED.findall(self.node.log("meshd")):
            moment = datetime.datetime.combine(today, datetime.time.fromisoformat(clock[:12]))
            found.setdefault(what, moment.timestamp())
        return found

    def leave(self):
        for host in reversed(self.made):
            self.lab.leave(host)


class Shared:
    """What several sites use: of a pair, and of all cells of a lab."""

    def __init__(self):
        self.of_pair = self._proxy = self._nat64 = None

    def proxy(self, lab):
        self._proxy = self._proxy or Proxy(lab, user="mole", password="dig")
        return self._proxy

    def nat64(self, lab):
        self._nat64 = self._nat64 or Nat64(lab)
        return self._nat64


def lacking(cell):
    """The package that a cell needs and this machine does not have, or None."""
    kinds = {cell.first, cell.other}
    if "nat64" in kinds and not Nat64.program:
        return "tayga"
    return "miniupnpd-nftables" if "mapped" in kinds and not MAPPER else None


def path_of(one, other):
    """The class of the worse direction; a node is named as its network knows it."""
    worst = "D"
    for node, far in ((one, other), (other, one)):
        found = node.peers()
        kind = PATHS.get(found[far.name].path, "none") if far.name in found else "none"
        worst = min(worst, kind, key=pathcells.RANK.get)
    return worst


def join_both(lab, sites, network, before, joined=lambda _site: None):
    """Both in a network of their own; times begin when they know each other. What is spent is counted
    from when only the first is there (into `before`): the second may find its way before we look.
    @joined is told of each that has joined."""
    lab.server.ctl("network", "create", network)
    for site in sites:
        site.node.up(**site.env)
        before[:] = [each.spent() for each in sites]
        done = site.node.join(lab.server.key(network), check=False)
        if done.returncode:
            return f"{site.kind}: cannot join: {(done.stderr or done.stdout).strip()[-200:]}"
        joined(site)
    for site, far in (sites, sites[::-1]):
        wait_until(lambda s=site, f=far: f.node.name in s.node.peers(), 20, f"{site.name} knows its peer")
    return None


class Pinger:
    """Pings ten times a second from the first sender, until stopped."""

    def __init__(self, node, address):
        self.node, self.began = node, time.time()
        node.start("ping", "ping", "-n", "-D", "-O", "-i", PING_S, address)

    def replies(self):
        """[(when it came, its round trip in s)]"""
        return [(float(when), float(ms) / 1000) for when, _number, ms in
                REPLY.findall(self.node.log("ping"))]

    def stop(self):
        self.node.stop("ping")


def run(lab, shared, cell, number):
    """One cell: a dict of what was reached and what it took. Everything of it is gone afterwards."""
    shared.of_pair = None
    bad = bool(cell.rtt_ms or cell.loss_pct)
    sites = []
    try:
        for side, kind in (("a", cell.first), ("b", cell.other)):
            sites.append(Site(lab, kind, f"{side}{number}", shared, bad))
        for side, site in enumerate(sites):
            if site.box: # half of the way each: a quarter of the round trip in each direction
                site.box.set(delay_ms=cell.rtt_ms / 4, loss_pct=cell.loss_pct / 2,
                             seed=2 * number + side)
        return measure(lab, cell, sites, f"cell{number}")
    finally:
        for site in reversed(sites):
            site.leave()


def measure(lab, cell, sites, network):
    found = {"cell": cell.name, "goal": cell.goal, "needs": sorted(cell.needs), "class": "none",
             "first-s": None, "direct-s": None, "entries": 0, "packets": 0, "bytes": 0,
             "promised": cell.promised}
    before = []
    found["why"] = join_both(lab, sites, network, before)
    if found["why"]:
        return found
    one, other = sites[0].node, sites[1].node
    addresses, began, joined = other.addresses(), time.monotonic(), time.time()
    pinger = Pinger(one, addresses.get(4) or addresses[6])
    limit_s = LIMIT_S if cell.promised else LOOK_S

    def settled():
        found["class"] = path_of(one, other)
        done = cell.passes(found["class"]) and pinger.replies()
        return done or time.monotonic() - began > limit_s
    wait_until(settled, limit_s + 60, cell.name)
    replies = pinger.replies()
    if not replies: # a path that carries nothing is none
        found["class"] = "none"
    pinger.stop()
    found.update(times_of([site.events() for site in sites], replies, joined))
    if found["class"] != "D":
        found["direct-s"] = None
    for key, place in (("packets", 0), ("bytes", 1), ("entries", 2)):
        found[key] = max(site.spent()[place] - was[place] for site, was in zip(sites, before))
    if found["class"] == "none":
        found["why"] = one.peer(other.name).reason
    return found


def times_of(events, replies, joined):
    """Seconds from when each could reach the other by its relay (without one: both had joined) to the
    first packet there and back, and to the direct way in both directions."""
    def both(what, otherwise):
        return max((each[what] for each in events), default=None) if all(
            what in each for each in events) else otherwise
    began = both("a peer can be reached by a relay", joined)
    direct, session = both("a peer is reached at", None), both("a session with a peer", None)
    first = None
    if replies: # most often the session is older than the ping
        moment, trip_s = replies[0]
        first = max(0.0, min(moment, (session or moment) + trip_s) - began)
    return {"first-s": first, "direct-s": None if direct is None else max(0.0, direct - began)}


def words_of(found):
    """A line for people."""
    def seconds(value):
        return "-" if value is None else f"{value:.2f} s"
    later = "" if found["promised"] else f", not yet: {' '.join(found['needs'])}"
    why = f" ({found['why']})" if found["why"] else ""
    return (f"{found['cell']}: {found['class']} (goal {found['goal']}{later}), first packet "
            f"{seconds(found['first-s'])}, direct {seconds(found['direct-s'])}, {found['packets']} packets, "
            f"{found['bytes']} bytes, {found['entries']} entries{why}")
