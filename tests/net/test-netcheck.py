"""The doctor: `mesh netcheck` behind each kind of NAT, `mesh why` and `mesh ping` of a relayed pair.

   [n-KIND] 192.168.N.2 ─ router of KIND ══╗
   [open]  ════════════════════════════════╬══ wan ══ [server] STUN and relay, 203.0.113.10:3478, :3479
   [n-KIND] …                            ══╝"""
import json

from lab import Lab, need, wait_until
from lonerelay import make_relay
from nat import BLOCK_PORTS

need("unshare", "ip", "nft", "dbus-daemon")

# kind of nat.py: what netcheck has to say. The lab's relay has one address, so that a full cone cannot be told from a
# restricted one.
KINDS = {
    "port-restricted": {"nat": "port-restricted", "port-kept": "yes", "hairpin": "no"},
    "port-restricted-accept": {"nat": "port-restricted"},
    "random-port": {"nat": "port-restricted", "port-kept": "no"},
    "full-cone": {"nat": "restricted", "hairpin": "no"},
    "full-cone-hairpin": {"nat": "restricted", "hairpin": "yes"},
    "symmetric": {"nat": "symmetric", "port-kept": "no"},
    "sequential": {"nat": "sequential", "step": 1},
    "block": {"nat": "block"},
    "udp-blocked": {"nat": "unknown", "udp4": "no", "udp6": "unknown", "mapped": ""},
}
LOOKS = 5 # an answer that is a second late counts for none: where the machine pauses, a look finds less than there is
USUAL = {"udp4": "yes", "udp6": "unknown", "behind-nat": "yes", "one-address": True}


def check(node):
    """What netcheck finds; the address of a new interface may come a moment after the network is up."""
    def look():
        (network,) = node.json("netcheck")["networks"]
        return network["found"] if network["found"]["udp4"] != "unknown" else None
    return wait_until(look, 20, f"{node.name} has asked the relay")


def look_for(node, want):
    """A look that finds all of this; none of several in a row is a failure."""
    for _ in range(LOOKS):
        found = check(node)
        if {key: found.get(key) for key in want} == want:
            return found
        print(f"# {node.name}: {found}", flush=True)
    raise AssertionError((node.name, want, found))


def echo(node, name):
    """The path, relay and endpoint of an echo; None: it was lost."""
    done = node.mesh("ping", name, "--json", check=False)
    answers = json.loads(done.stdout)["answers"] if done.returncode == 0 else []
    return (answers[0]["path"], answers[0]["relay"], answers[0]["endpoint"]) if answers else None


def check_open(lab, node):
    found = look_for(node, {"nat": "open", "behind-nat": "no", "udp4": "yes", "udp6": "yes"})
    (relay,) = found["relays"]
    assert relay["udp4-us"] > 0 and relay["udp6-us"] > 0, relay
    port = node.network().listen_port
    assert found["mapped"] == f"{node.ip4}:{port}", found
    wait_until(lambda: check(node)["relays"][0]["session"] == "udp", 20, "a session at the relay")
    wait_until(lambda: (found := check(node))["port-map"] == "none" and found["port-mapped"] == "" and
               "no router answers" in found["port-map-error"], 30, "nobody maps ports here")
    words = ("home", "UDP, IPv6  works", "no NAT", "port map   none: no router")
    wait_until(lambda: (text := node.mesh("netcheck").stdout) and all(word in text for word in words), 60, str(words))

    def is_well():
        (relay,) = check(node)["relays"]
        return (relay["second"], relay["down"], relay["draining"]) == (False, False, False)
    wait_until(is_well, 60, "a relay that is well")
    lab.ok("a host on the internet has no NAT, UDP by both families, and knows its home relay")


def check_kind(lab, node, kind, router):
    want = {**({} if kind == "udp-blocked" else USUAL), **KINDS[kind]}
    found = look_for(node, want)
    (relay,) = found["relays"]
    assert (relay["udp4-us"] > 0) == (want["udp4"] == "yes") and relay["udp6-us"] == 0, relay
    if kind == "block":
        first, last = found["block"]
        assert first <= 20480 and 20480 + BLOCK_PORTS - 1 <= last < first + 4096, found
    if kind != "udp-blocked":
        assert found["mapped"].startswith(f"{router.wan4}:"), found
    lab.ok(f"{kind}: {found['nat-text']}")
    look_for(node, want)  # mappings of the first look still live: they must not change the second


def check_why(lab, one, other, own_nat, peer_nat, words):
    """A pair that only the relay connects, and the sentence for it."""
    wait_until(lambda: other.name in one.peers(), 20, "the peer")
    wait_until(lambda: one.mesh("ping", other.name, check=False).returncode == 0, 20, "an echo by relay")

    want = ("relay", lab.relay, own_nat, peer_nat)

    def settled():
        why = one.json("why", other.name)
        if why["searching"] or (why["path"], why["relay"], why["own-nat"], why["peer-nat"]) != want:
            return None
        text = one.mesh("why", other.name).stdout.splitlines()
        return why if text[0] == f"{other.name}: {why['why']}; {why['remedy']}" else None
    why = wait_until(settled, 90, f"{want}, once the attempt is over, in JSON and in words")
    assert words in why["why"] and "would make it direct" in why["remedy"], why
    one.wait_until(lambda n: (peer := n.peer(other.name)).path == "relay" and peer.relay == lab.relay)
    table = one.mesh("peers").stdout
    assert "VIA" in table and lab.relay in table, table
    wait_until(lambda: echo(one, other.name) == ("relay", lab.relay, ""), 60, "an echo by relay")
    wait_until(lambda: f"relay via {lab.relay}" in one.mesh("ping", other.name, check=False).stdout, 60, "in words, too")
    lab.ok(f"{own_nat} and {peer_nat}: {why['why']}")


def check_direct(lab, one, other):
    wait_until(lambda: one.mesh("ping", other.name, check=False).returncode == 0, 20, "an echo")
    wait_until(lambda: (why := one.json("why", other.name))["path"] == "direct" and
               why["why"].startswith("directly at ") and why["remedy"] == "", 60, "a direct way")
    wait_until(lambda: one.peer(other.name).rtt_us > 0, 20, "its round trip")
    lab.ok("a direct peer: where it is, and how far")


def check_blocked(lab, one, blocked):
    """A node whose network drops UDP: whether a relay is reached over TLS or not, that is what both are told."""
    def told():
        back = blocked.json("why", one.name)
        return back if "this host's network lets no UDP through" in back["why"] else None
    back = wait_until(told, 30, "the reason")
    assert "letting UDP out of this host's network" in back["remedy"], back
    assert one.json("why", blocked.name)["path"] != "direct"
    (relay,) = wait_until(lambda: [relay for relay in check(blocked)["relays"] if relay["session"] == "tls"], 30,
                          "a session over TLS")
    assert relay["home"] and "home, over TLS" in blocked.mesh("netcheck").stdout, relay
    missing = one.mesh("why", "nobody", check=False)
    assert missing.returncode == 3 and "no peer has this name" in missing.stderr, missing
    lab.ok(f"UDP blocked: {back['why']}")


def check_two_servers(lab):
    """With a second address to ask, what hangs on the address shows; of a NAT that does not care, nothing changes."""
    make_relay(lab, "far")
    for name, kind in (("x", "address-dependent"), ("y", "port-restricted"), ("z", "symmetric"),
                       ("v", "full-cone"), ("w", "restricted")):
        router = lab.nat(f"r{name}", kind=kind, v6=False)
        node = lab.node(f"n{name}", behind=router, v6=False)
        node.up()
        node.join(lab.server.key("home"))

        def look(node=node):
            found = check(node)
            return found if sum(relay["udp4-us"] > 0 for relay in found["relays"]) == 2 else None
        wait_until(look, 30, "both relays")
        found = look_for(node, {"nat": kind, "one-address": False})
        assert {relay["name"] for relay in found["relays"]} == {lab.relay, "far"}, found["relays"]
        assert "perhaps" not in found["nat-text"], found
        lab.ok(f"asked from two addresses, {kind}: {found['nat-text']}")


def check_lifetimes(lab, node, forgetful):
    """How long a silent port is kept; asked since the nodes joined."""
    kept = wait_until(lambda: (found := check(node))["kept-s"] and found, 200, "a silence that was outlived")
    assert kept["lost-s"] == 0 or kept["lost-s"] > kept["kept-s"], kept
    wait_until(lambda: (found := check(node)) and f"silence    {found['kept-s']} s" in node.mesh("netcheck").stdout, 60,
               "the same in words, where nothing longer was outlived in between")
    lost = wait_until(lambda: (found := check(forgetful))["lost-s"] and found, 200, "a silence that was too long")
    assert (lost["kept-s"], lost["lost-s"]) == (0, 45), lost
    assert "silence    less than 45 s" in forgetful.mesh("netcheck").stdout
    lab.ok(f"silence: {kept['kept-s']} s is outlived, 45 s is not where the router forgets after 20 s")


def main():
    with Lab() as lab:
        lab.server.setup("home")
        lab.server.up()
        free = lab.node("open")
        free.up()
        free.join(lab.server.key("home"))
        lab.relay = check(free)["relays"][0]["name"]
        check_open(lab, free)
        nodes = {}
        for number, kind in enumerate(KINDS):
            router = lab.nat(f"r{number}", kind=kind, v6=False)
            if kind == "random-port":
                router.set_lifetimes(10, 20)
            node = lab.node(f"n{number}", behind=router, v6=False)
            node.up()
            node.join(lab.server.key("home"))
            check_kind(lab, node, kind, router)
            nodes[kind] = node
        check_why(lab, nodes["symmetric"], nodes["sequential"], "symmetric", "sequential",
                  "both ends are behind NATs")
        check_direct(lab, nodes["port-restricted"], free)
        check_blocked(lab, free, nodes["udp-blocked"])
        check_two_servers(lab)
        check_lifetimes(lab, nodes["port-restricted"], nodes["random-port"])


main()
