"""The laboratory does not lie: what a plain socket behind each kind of NAT, firewall, carrier, proxy and
bad cable observes is what the kind's name promises. Only then do the cells of the path tests mean anything.

   [host] ─ router of each kind ══════════╗
   [c1] ─ home1 ─┐                        ║
   [c2] ─ home2 ─┴ carrier ═══════════════╬══ wan ══ [observer] two addresses, tells what it sees
   [six] IPv6 only ─ r6 ══ NAT64 ═════════╣          [stranger] speaks first
   [far] ─ box (delay, loss …) ═ router ══╝"""
import re
import sys

import nat
from lab import Lab, copy, need, wait_until
from natview import Observer
from onway import HERE, MAPPER, Nat64, Proxy, map_ports

need("conntrack", "curl")

KEPT, MOVED = True, False
# kind: mapping, filtering, whether ports are kept
UDP = {
    "port-restricted": ("EIM", "APDF", KEPT),
    "port-restricted-accept": ("EIM", "APDF", KEPT),
    "port-restricted-reject": ("EIM", "APDF", KEPT),
    "forwarded": ("EIM", "APDF", KEPT),
    "random-port": ("EIM", "APDF", MOVED),
    "restricted": ("EIM", "ADF", KEPT),
    "full-cone": ("EIM", "EIF", KEPT),
    "full-cone-hairpin": ("EIM", "EIF", KEPT),
    "address-dependent": ("ADM", "APDF", MOVED),
    "symmetric": ("APDM", "APDF", MOVED),
    "sequential": ("APDM", "APDF", MOVED),
    "block": ("APDM", "APDF", MOVED),
}
TCP = {"udp-blocked": (True, True), "tcp-443-only": (True, False), "proxy-only": (False, False)}
CHANCE = ("random-port", "address-dependent", "symmetric", "sequential", "block") # two ports may be the same one
LIVES_S = (10, 20)          # without an answer, and two-way
SILENCES_MS = (1000, 15000, 30000)
SAY = """
import socket, sys
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[2] else socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", int(sys.argv[1])))
s.sendto(sys.argv[4].encode(), (sys.argv[2], int(sys.argv[3])))
"""


def say(host, port, to, word):
    """One datagram from a port of a host."""
    host.run(sys.executable, "-c", SAY, port, to[0], to[1], word)


def arrives(host, port, listener, word, to=None):
    """Whether a word of a host comes to a listener's outer address (or another): its source, or None."""
    say(host, port, to or listener.mapped(), word)
    listener.next_rounds()
    return next((came[:2] for came in listener.came() if came[2] == word), None)


class Sites:
    """A router of each kind with a host, and a look from each, all at once."""

    def __init__(self, lab, observer):
        self.proxy = Proxy(lab, user="mole", password="dig:deep")
        self.nats, self.hosts, looks = {}, {}, {}
        for kind in sorted(nat.KINDS, key=lambda kind: kind not in TCP): # silence takes longest
            more = {"proxy": (self.proxy.address, self.proxy.port)} if kind == "proxy-only" else {}
            self.nats[kind] = lab.nat(f"r{len(self.nats)}", kind=kind, v6=False, **more)
            self.hosts[kind] = lab.node(f"h{len(self.hosts)}", behind=self.nats[kind])
            looks[kind] = observer.begin(self.hosts[kind])
        self.seen = {kind: finish() for kind, finish in looks.items()}
        for kind in CHANCE: # once in thousands of times; twice in a row is none
            if as_seen(self.seen[kind]) != UDP[kind]:
                print(f"# {kind}: {self.seen[kind]}", flush=True)
                self.seen[kind] = observer.look(self.hosts[kind])


def as_seen(seen):
    return (seen.mapping, seen.filtering, seen.kept) if seen.udp else None


def check_kinds(lab, sites):
    for kind, (mapping, filtering, kept) in UDP.items():
        seen, outer = sites.seen[kind], sites.nats[kind].wan4
        assert seen.udp and seen.tcp443 and seen.tcp80, (kind, seen)
        assert {ip for ip, _ in seen.mapped} == {outer}, (kind, seen)
        assert as_seen(seen) == (mapping, filtering, kept), (kind, seen)
        hairpin = kind == "full-cone-hairpin"
        assert bool(seen.hairpin) == hairpin, (kind, seen)
        assert not hairpin or seen.hairpin[0] == outer and seen.hairpin[2], seen
        lab.ok(f"{kind}: {mapping}, {filtering}, port {'kept' if kept else 'not kept'}"
               f"{', hairpin with the outer source' if hairpin else ''}")
    for kind, ports in TCP.items():
        seen = sites.seen[kind]
        assert not seen.udp and (seen.tcp443, seen.tcp80) == ports, (kind, seen)
        lab.ok(f"{kind}: no UDP; TCP to 443 {'passes' if ports[0] else 'does not'}, "
               f"to 80 {'passes' if ports[1] else 'does not'}")


def check_ports(lab, observer, sites):
    """How the ports of those follow each other that give a new one for each flow."""
    steps = [port for _, port in sites.seen["sequential"].mapped]
    assert [b - a for a, b in zip(steps, steps[1:])] == [1, 1, 1], steps
    lab.ok("sequential: each flow has the next port")
    ports = {port for _, port in sites.seen["block"].mapped}
    assert len(ports) > 1 and all(20480 <= port < 20480 + nat.BLOCK_PORTS for port in ports), ports
    lab.ok(f"block: within {nat.BLOCK_PORTS} ports")
    pool, seen = sites.nats["pool"], {}

    def both():
        found = observer.look(sites.hosts["pool"])
        assert found.filtering == "APDF", found
        seen.update(found.mapped)
        return set(seen) == {pool.wan4, pool.rules.pool4}
    seen.update(sites.seen["pool"].mapped)
    wait_until(lambda: set(seen) == {pool.wan4, pool.rules.pool4} or both(), 30, "both addresses of a pool")
    lab.ok("pool: flows leave from two addresses")


def check_strays(lab, observer, sites, stranger):
    """A stray packet takes the port away from who it was meant for only if the router takes it in."""
    for number, kind in enumerate(("port-restricted", "port-restricted-reject", "port-restricted-accept")):
        port, outer = 6000 + number, sites.nats[kind].wan4
        sites.nats[kind].set_lifetimes(300, 300) # the stray one is remembered until the host speaks
        say(stranger, port, (outer, port), "stray")
        seen = observer.listen(stranger, port)
        seen.mapped()
        inside = observer.listen(sites.hosts[kind], port, f"{stranger.ip4}:{port}")
        source = wait_until(lambda n=seen: [came for came in n.came() if came[2] == "hello"], 20, kind)[0]
        taken = kind == "port-restricted-accept"
        assert source[0] == outer and (source[1] != port) == taken, (kind, source)
        assert inside.mapped() == source[:2], "all flows of that socket go with the first"
        lab.ok(f"{kind}: a stray packet {'takes' if taken else 'does not take'} the port")


def check_lan(lab, observer, sites):
    """Two hosts behind one router want the same port."""
    home = sites.nats["port-restricted"]
    first = observer.listen(sites.hosts["port-restricted"], 5555)
    assert first.mapped() == (home.wan4, 5555)
    second = lab.node("second", behind=home)
    other = observer.listen(second, 5555)
    assert other.mapped()[0] == home.wan4 and other.mapped()[1] != 5555
    say(second, 5556, (sites.hosts["port-restricted"].ip4, 5555), "near")
    first.next_rounds()
    assert (second.ip4, 5556, "near") in first.came()
    lab.ok("two hosts of one LAN: own outer ports, and they reach each other inside")


def check_carrier(lab, observer):
    """Home routers behind a carrier's: with a hairpin they meet at the outer address, else nowhere."""
    for number, kind in enumerate(("full-cone", "full-cone-hairpin")):
        carrier = lab.carrier(f"cgn{number}", kind=kind)
        homes = [lab.nat(f"home{number}{i}", kind="full-cone", carrier=carrier) for i in (0, 1)]
        hosts = [lab.node(f"sub{number}{i}", behind=home) for i, home in enumerate(homes)]
        listener = observer.listen(hosts[0], 5000)
        assert listener.mapped()[0] == carrier.wan4
        met = arrives(hosts[1], 5001, listener, "round")
        assert arrives(hosts[1], 5002, listener, "inner", (homes[0].wan4, 5000)) is None
        if kind == "full-cone":
            assert met is None, met
        else:
            assert met == (carrier.wan4, 5001), met
        if kind == "full-cone":
            assert observer.look(hosts[0]).filtering == "EIF"
            carrier.rules.kind = "symmetric"
            carrier.flush()
            assert observer.look(hosts[0]).mapping == "APDM"
        lab.ok(f"a carrier's {kind} in front of home routers, "
               f"{'with' if met else 'without'} a hairpin, subscribers apart")


def check_events(lab, observer, sites):
    """What happens to routers happens."""
    home, host = sites.nats["restricted"], sites.hosts["restricted"]
    seen = observer.listen(host, 5100)
    assert seen.mapped() == (home.wan4, 5100)
    stranger_sees = home.entries()
    assert stranger_sees > 0
    home.rebind()
    wait_until(lambda: seen.mapped()[1] != 5100, 20, "another port")
    again = observer.look(host)
    if as_seen(again) != ("EIM", "ADF", MOVED): # by chance, as above
        again = observer.look(host)
    assert as_seen(again) == ("EIM", "ADF", MOVED), again
    lab.ok("rebind: other ports, the same kind")
    port = seen.mapped()[1]
    home.move(f"203.0.113.{230}")
    wait_until(lambda: seen.mapped() == ("203.0.113.230", port), 20, "another address")
    lab.ok("the WAN address changes")
    home.down()
    before = seen.rounds()
    home.up()
    wait_until(lambda: seen.rounds() > before + 2, 20, "the link again")
    with home.off():
        before = seen.rounds()
    wait_until(lambda: seen.rounds() > before + 2 and seen.mapped()[1] != port, 20, "a router again")
    lab.ok("link flap and reboot: back, after a reboot with another port")
    for way in ("in", "out"):
        home.cut(way)
        before = seen.rounds()
        assert host.ping(observer.addresses[0]).lost == 0, "only UDP was cut"
        assert seen.rounds() <= before + 1
        home.mend()
        wait_until(lambda n=before: seen.rounds() > n + 3, 20, "mended")
    lab.ok("one direction of UDP is lost, and mended")
    home.rules.max_flows = 5
    home.flush()
    seen.stop()
    home.flush()
    assert observer.flows(host, 12) == 5
    lab.ok("a limit of flows for each host holds")


def check_v6(lab, observer):
    """Routed IPv6 behind a firewall, IPv6 that vanishes, and IPv4 through NAT64."""
    home = lab.nat("home6")
    six = lab.node("six", behind=home, v4=False)
    seen = observer.look(six, *observer.addresses6)
    assert {ip for ip, _ in seen.mapped} == {six.ip6} and seen.filtering == "APDF" and seen.kept, seen
    lab.ok("IPv6: no NAT, strangers stay outside")
    if Nat64.program:
        nat64 = Nat64(lab)
        nat64.serve(six)
        wanted = [nat64.address6(ip) for ip in observer.addresses]
        seen = observer.look(six, *wanted)
        assert {ip for ip, _ in seen.mapped} == {nat64.wan4} and seen.mapping == "EIM", seen
        found = six.run("getent", "ahostsv6", "ipv4only.arpa").stdout
        assert nat64.address6("192.0.0.170") in found and nat64.address6("192.0.0.171") in found, found
        lab.ok("NAT64: IPv4 is reached from IPv6 only, and DNS tells the prefix")
    else:
        skip(lab, "NAT64", "tayga")
    home.lose_v6()
    assert six.ping(observer.addresses6[0], limit_s=1).lost == 1
    home.mend()
    wait_until(lambda: six.ping(observer.addresses6[0], limit_s=1).lost == 0, 20, "IPv6 again")
    lab.ok("IPv6 vanishes without a word, and comes back")


def check_mapper(lab, observer, stranger):
    """A router that maps ports on request, by three protocols."""
    if not MAPPER:
        skip(lab, "port mapping", "miniupnpd-nftables")
        return
    home = lab.nat("mapper", v6=False, wan4="5.5.5.1")
    host = lab.node("asks", behind=home)
    map_ports(home)
    for port, how in enumerate(("natpmp", "pcp", "upnp"), 41000):
        listener = observer.listen(host, port)
        listener.mapped()
        assert arrives(stranger, 9000, listener, "early", ("5.5.5.1", port)) is None
        said = host.run(sys.executable, HERE / "portask.py", how, host.ip4, f"192.168.{home.number}.1",
                        port, 600).stdout
        assert f'"port": {port}, "ip": "5.5.5.1"' in said, said
        assert arrives(stranger, 9001, listener, "mapped", ("5.5.5.1", port)) == (stranger.ip4, 9001)
    lab.ok("a router maps ports by NAT-PMP, PCP and UPnP")


def check_proxy(lab, observer, sites):
    host, proxy = sites.hosts["proxy-only"], sites.proxy
    through = ("curl", "-sS", "-m", "20", "--http0.9", "--proxytunnel", "-x")
    target = f"http://{observer.addresses[0]}:443/"
    right = proxy.url.replace("dig:deep", "dig%3Adeep")
    assert host.run(*through, right, target).stdout == "hello\n"
    assert host.run(*through, f"http://{proxy.address}:{proxy.port}", target, check=False).returncode != 0
    assert [status for _, status in proxy.connects()] == [200, 407], proxy.connects()
    lab.ok("the proxy connects those who know its password")


def check_box(lab, observer):
    """A cable with delay, loss and a limit."""
    router = lab.nat("bad", v6=False, box=True)
    host, box = lab.node("far", behind=router), router.box
    assert observer.look(host).mapping == "EIM"
    for delay_ms in (20, 80):
        box.set(delay_ms=delay_ms / 2)
        least = min(x for x in observer.round_trips(host, 10) if x) * 1e3
        assert least >= delay_ms, least
        lab.ok(f"box: a round trip of {delay_ms} ms takes at least {least:.2f} ms")
    box.set(delay_ms=0)
    box.set(duplicate_pct=100)
    before = box.counts()["out"]
    observer.round_trips(host, 20)
    after = box.counts()["out"]
    assert after.duplicated - before.duplicated == after.packets - before.packets >= 20, after
    box.set(duplicate_pct=0)
    box.set("in", hole=1)
    assert observer.round_trips(host, 2) == [None, None]
    box.set("in", hole=0)
    box.set("out", drop_next=1)
    answers = observer.round_trips(host, 3)
    assert answers[0] is None and None not in answers[1:], answers
    lab.ok("box: duplicates, a black hole, a packet dropped")
    check_bursts(lab, observer, host, box)
    took, same = copy(host, observer.host, observer.addresses[0], 64 << 20)
    assert same
    lab.ok(f"box: carries {64 * 8.388608 / took:.0f} Mbit/s")


BURST = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", 5200))
for n in range(int(sys.argv[3])):
    s.sendto(b"burst%04d" % n + b"." * 991, (sys.argv[1], int(sys.argv[2])))
"""


class Bursts:
    """Bursts of numbered packets from behind the box to a sink."""

    def __init__(self, lab, observer, host, box):
        self.host, self.box, self.sink = host, box, lab.host("sink")
        self.into = observer.listen(self.sink, 7000)
        self.into.mapped()

    def send(self, count, **settings):
        """Which numbers arrived, in their order; the box lost the others."""
        self.box.set("out", **settings)
        before, known = self.box.counts()["out"], len(self.into.came())
        self.host.run(sys.executable, "-c", BURST, self.sink.ip4, 7000, count)
        wait_until(lambda: self.box.counts()["out"].held == 0, 20, "an empty box")
        self.into.next_rounds()
        after = self.box.counts()["out"]
        numbers = [int(re.match(r"burst(\d+)", came[2])[1]) for came in self.into.came()[known:]]
        lost = after.queue_drops - before.queue_drops + after.lost - before.lost
        assert len(numbers) == count - lost, (numbers, after)
        return numbers


def check_bursts(lab, observer, host, box):
    bursts = Bursts(lab, observer, host, box)
    first, same, other = (bursts.send(400, loss_pct=20, seed=seed) for seed in (7, 7, 8))
    lost = 400 - len(first)
    assert first == same != other and 40 <= lost <= 120, (first, same, other) # 80, and 5 sigma
    lab.ok(f"box: 20 % loss takes {lost} of 400, the same ones with the same seed")
    kept = bursts.send(200, loss_pct=0, rate_kbit=200, queue_bytes=20000) # 8 s of packets, sent at once
    assert 19 <= len(kept) < 200 and kept == sorted(kept), kept
    moved = bursts.send(60, rate_kbit=0, reorder_pct=30, reorder_ms=5, seed=3)
    assert sorted(moved) == list(range(60)) and moved != sorted(moved), moved
    still = bursts.send(60, reorder_pct=0, jitter_ms=3)
    assert still == list(range(60)), still
    box.set("out", jitter_ms=0)
    lab.ok(f"box: 200 kbit/s with a queue of 20 kB kept {len(kept)} of 200, reordering reorders, jitter does not")


def check_lifetimes(lab, found):
    for two_way, least_s, most_s, alive in found:
        life_s = LIVES_S[two_way]
        if most_s < life_s - 0.5:
            assert alive, (two_way, most_s)
        if least_s > life_s + 1.5:
            assert not alive, (two_way, least_s)
    assert {(two_way, alive) for two_way, _, _, alive in found} == \
        {(False, False), (False, True), (True, False), (True, True)}, found
    lab.ok(f"mappings live {LIVES_S[0]} s unanswered and {LIVES_S[1]} s two-way")


def skip(lab, what, package):
    lab.ok(f"{what} # SKIP missing: {package}; run ./run deps")


def main():
    with Lab(server=False) as lab:
        observer, stranger = Observer(lab), lab.host("stranger")
        short = lab.nat("short", v6=False)
        short.set_lifetimes(*LIVES_S)
        lives = observer.lifetimes(lab.node("patient", behind=short), *SILENCES_MS)
        sites = Sites(lab, observer)
        check_kinds(lab, sites)
        check_ports(lab, observer, sites)
        check_strays(lab, observer, sites, stranger)
        check_lan(lab, observer, sites)
        check_carrier(lab, observer)
        check_events(lab, observer, sites)
        check_v6(lab, observer)
        check_mapper(lab, observer, stranger)
        check_proxy(lab, observer, sites)
        check_box(lab, observer)
        check_lifetimes(lab, lives())


main()
