"""Who reaches whom through NATs and firewalls, and what is said where there is no direct way.

   [pub] ═══════════════════════ internet ══ [six] IPv6 only
   [a1] [a2] ─ natA (IPv6 behind a firewall) ══╣
   [b] ─ natB (IPv6 behind a firewall) ════════╣
   [x] ─ natX, [y] ─ natY (IPv4 only, symmetric)╣
   [k] ─ natK, [l] ─ natL (IPv4 only, keep ports)╣
   [f] ─ natF (UDP 41000 forwarded) ═══════════╝"""
import time

from lab import Lab, wait_until

MAPPING_S = 30 # what most home routers keep an idle UDP mapping for
ROUNDS = 3 # who keeps it open does so some seconds before that: where the machine pauses for as long, it is late


def direct(one, other, limit_s=20):
    one.reaches(other.addresses()[4], limit_s)
    one.reaches(other.addresses()[6], limit_s)
    one.wait_until(lambda n: n.peer(other.name).path == "direct", limit_s)


def outlives(pub, node):
    """Whether the first packet after a silence comes in; nothing sends it again."""
    began = time.monotonic()
    wait_until(lambda: time.monotonic() - began > MAPPING_S + 10, MAPPING_S + 60,
               "longer than the NAT keeps an idle mapping")
    if pub.ping(node.addresses()[4]).lost == 0:
        return True
    print("# lost after a silence", flush=True)
    direct(pub, node)
    return False


def main():
    with Lab() as lab:
        nat_a, nat_b = lab.nat("natA", udp_timeout_s=MAPPING_S), lab.nat("natB", kind="symmetric")
        nat_x, nat_y = (lab.nat(name, kind="symmetric", v6=False) for name in ("natX", "natY"))
        nat_k, nat_l = lab.nat("natK", v6=False), lab.nat("natL", v6=False)
        nat_f = lab.nat("natF", v6=False, forwards=[(41000, 10, 41000)])
        nodes = {name: lab.node(name, behind=nat) for name, nat in (
            ("pub", None), ("a1", nat_a), ("a2", nat_a), ("b", nat_b), ("x", nat_x), ("y", nat_y),
            ("f", nat_f), ("k", nat_k), ("l", nat_l))}
        nodes["six"] = lab.node("six", v4=False)
        lab.server.setup("home")
        lab.server.up()
        for node in nodes.values():
            node.up()
        for name, node in nodes.items():
            options = ("--port", "41000", "--endpoint", f"{nat_f.wan4}:41000") if name == "f" else ()
            node.join(lab.server.key("home"), *options)
        for node in nodes.values():
            node.wait_until(lambda n: len(n.peers()) == len(nodes) - 1)
        lab.ok(f"{len(nodes)} nodes know each other")

        pub, a1, a2, b, x, y, f, six, k, l = (nodes[name] for name in (
            "pub", "a1", "a2", "b", "x", "y", "f", "six", "k", "l"))
        for node in (a1, b, x):
            direct(node, pub)
        lab.ok("nodes behind NATs reach the public one directly")
        for node in (a1, b, x):
            direct(pub, node)
        lab.ok("and the public one reaches them")

        direct(a1, a2)
        a1.wait_until(lambda n: n.peer("a2").endpoint.startswith((f"{a2.ip4}:", f"[{a2.ip6}]:")))
        lab.ok("two nodes of one LAN talk within it")

        direct(x, f)
        direct(y, f)
        lab.ok("a forwarded port is reached from behind other NATs")

        direct(a1, six)
        direct(six, pub)
        lab.ok("an IPv6-only node is reached from behind a firewall, with IPv4 inside too")

        direct(a1, b)
        lab.ok("routed IPv6 behind stateful firewalls at both ends: direct")

        direct(k, l)
        lab.ok("NATs that keep ports let both open at once")

        x.reaches(y.addresses()[4], 30)
        x.wait_until(lambda n: n.peer("y").path == "relay", 30)
        x.wait_until(lambda n: "relay" in n.mesh("ping", "y", check=False).stdout)
        reason = x.peer("y").reason
        lab.ok(f"a pair without a direct way talks by the relay: {reason}")

        assert any(outlives(pub, a1) for _ in range(ROUNDS)), "the NAT has forgotten, each time"
        lab.ok(f"after {MAPPING_S + 10} s of silence the NAT's mapping is still open")


main()
