"""Datagrams that leave in one go (UDP GSO) are lost on the way, and the same datagrams one by one are not:
some cards and boxes are so. The node finds out by pings of its own, sends single ones there, says it,
and is back to bursts when they arrive again. What loses both alike is not blamed on bursts.

   [a] ─ box ═ wan ─ [b]      box loses UDP super-packets from a, when told to; [server] beside"""
import ipaddress
import json
import re
import subprocess
import time

from lab import Lab, copy, wait_until
from pathpair import Pinger, is_path
from pauses import Pauses
from space import find_program

BYTES = 24 << 20
TRIES = 6
LIMIT_S = 120 # for a copy; what loses each burst takes longer
pauses = Pauses()
LOSSY = "loses datagrams that leave in one go"
WHOLE = "carries datagrams that leave in one go again"


def said(node, words):
    return node.log("meshd").count(words)


def carries(lab, a, b, what, size=BYTES):
    try:
        took, same = copy(a, b, b.addresses()[4], size, LIMIT_S)
    except subprocess.TimeoutExpired:
        raise AssertionError(f"{what}: not copied in {LIMIT_S} s: {a.log('meshd')}") from None
    assert same, what
    print(f"# {what}: {size >> 10} KiB in {took:.1f} s", flush=True)
    return took


def is_single(node, far):
    return "one by one" in node.mesh("why", far.name).stdout


def finds(lab, a, b, what, before):
    """Data arrives over a way that loses bursts, single ones are sent there, and it is said: once, and again after a
    change of way alone, as there may be where the machine stops for a while: another way begins anew."""
    began = time.time()
    for _ in range(TRIES):
        said_before = said(a, LOSSY)
        carries(lab, a, b, what)
        now = said(a, LOSSY)
        if is_single(a, b) and now == max(said_before, before + 1) == said(a, LOSSY):
            assert now == before + 1 or pauses.since(began), a.log("meshd")
            return
    raise AssertionError(f"{what}: {a.log('meshd')}")


def start(node):
    node.up(MESH_LOG="debug") # what was asked of bursts, and what came of it
    node.sh("echo reno > /proc/sys/net/ipv4/tcp_congestion_control")  # BBR stays slow long after its losses
    node.run("ip", "link", "set", "wan0", "gso_max_segs", 65535, "gso_max_size", 65536)


def is_direct(a, b):
    """Under traffic: without any a search that failed is not repeated soon."""
    pings = Pinger(a, b.addresses()[4])
    pings.goes_on()
    is_path(a, b, "direct")
    pings.stop()


def test_found(lab, a, b):
    """A way that was good turns bad while data moves, and good again."""
    carries(lab, a, b, "bursts arrive")
    assert a.box.counts()["out"].lost == 0 and not is_single(a, b)
    assert said(a, LOSSY) == 0
    lab.ok("bursts that arrive: nothing is said")
    a.box.set("out", lose_bursts=1)
    finds(lab, a, b, "bursts are lost from now on", 0)
    assert a.box.counts()["out"].lost > 0
    assert not is_single(b, a)
    lab.ok("bursts that are lost: the node sends single datagrams, says it once, and goes on")
    pings = Pinger(a, b.addresses()[4])
    pings.goes_on()
    a.box.set("out", lose_bursts=0)
    wait_until(lambda: said(a, WHOLE) > 0 and not is_single(a, b), 300, "bursts are tried again")
    pings.stop()
    found = said(a, LOSSY)
    carries(lab, a, b, "bursts arrive again")
    assert said(a, LOSSY) == found
    lab.ok("when they arrive again, bursts are sent again")


def test_from_the_start(lab, a, b):
    """It is so before the first packet."""
    a.stop("meshd")
    a.box.set("out", lose_bursts=1)
    before = said(a, LOSSY) # pings that were late together may go as a burst
    start(a)
    is_direct(a, b)
    finds(lab, a, b, "bursts are lost from the start", before)
    lab.ok("a way that loses bursts from the first one on is found at once")
    a.box.set("out", lose_bursts=0)
    out = shown(a)[0]["to-network"]
    assert out["units"] > 0 and out["held"] > 0, out
    a.stop("meshd")
    start(a)
    is_direct(a, b)


def shown(node):
    """What `mesh status --long` tells: {way: burst}, the whole, and the text."""
    plane = node.json("status", "--long")["networks"][0]["data-plane"]
    return {burst["way"]: burst for burst in plane["bursts"]}, plane, node.mesh("status", "--long").stdout


def test_shown(lab, a, b):
    """The user sees which bursts are on, of what use they were, and what was dropped; the bus says the same."""
    found, plane, text = shown(a)
    assert set(found) == {"from-host", "to-host", "to-network", "from-network"}, found
    assert all(burst["state"] == "on" for burst in found.values()), found
    for burst in (found["from-host"], found["to-network"]):
        assert burst["packets"] > burst["units"] > 0, burst
    assert plane["tx-packets"] > 0 and plane["tx-bytes"] > BYTES and plane["rx-packets"] > 0, plane
    assert re.search(r"to the network: on, packets: \d+ in \d+ bursts", text), text
    nobody = str(ipaddress.ip_network(a.network().prefixes[0])[-2])
    before = {drop["reason"]: drop["packets"] for drop in plane["drops"]}.get("no-peer", 0)
    assert a.ping(nobody, limit_s=1).lost == 1
    wait_until(lambda: {drop["reason"]: drop["packets"] for drop in shown(a)[1]["drops"]}.get("no-peer", 0) > before, 60,
               "the drop is counted")
    found, plane, text = shown(a)
    assert all(drop["packets"] for drop in plane["drops"]), plane
    assert "sent to an address that no node has" in text, text
    assert "data-plane" not in a.json("status")["networks"][0]
    said = a.run("busctl", "--json=short", "call", "org.meshvpn.Mesh1", f"/org/meshvpn/Mesh1/network/{a.network().id}",
                 "org.meshvpn.Mesh1.Network", "GetDataPlane").stdout
    assert set(json.loads(said)["data"][0]) == set(plane), said
    a.mesh("down")
    assert a.json("status", "--long")["networks"][0]["data-plane"] == {}
    a.mesh("up")
    is_direct(a, b)
    lab.ok("mesh status --long: bursts each way, and what was dropped and why; nothing while the network is down")


def test_switches(lab, a, b):
    """Nothing leaves in one go where that is switched off."""
    a.stop("meshd")
    a.options = ("--gso=off", "--offload=off")
    a.box.set("out", lose_bursts=1)
    lost, before = a.box.counts()["out"].lost, said(a, LOSSY)
    start(a)
    is_direct(a, b)
    carries(lab, a, b, "bursts are switched off")
    assert a.box.counts()["out"].lost == lost and said(a, LOSSY) == before
    found, plane, text = shown(a)
    assert all(burst["state"] == "off" and burst["units"] == 0 for burst in found.values()), found
    assert plane["tx-bytes"] > BYTES and "to the network: off\n" in text, text
    a.stop("meshd")
    refused = a.run(find_program("meshd"), "--gso=of", check=False)
    assert refused.returncode != 0 and "--gso" in refused.stderr, refused
    a.options = ()
    a.box.set("out", lose_bursts=0)
    start(a)
    is_direct(a, b)
    lab.ok("--gso=off and --offload=off: single packets; the counters say so")


def test_not_fooled(lab, a, b):
    """Loss, reorder and a narrow link with a short queue, of bursts and single ones alike."""
    before = said(a, LOSSY)
    for what, size, settings in (
            ("one in twenty is lost", 2 << 20, {"loss_pct": 5, "delay_ms": 2}),
            ("a third is overtaken", 48 << 20, {"reorder_pct": 33, "reorder_ms": 3}),
            ("20 Mbit/s behind a short queue", 8 << 20, {"rate_kbit": 20000, "queue_bytes": 20000})):
        a.box.set("out", loss_pct=0, delay_ms=0, reorder_pct=0, rate_kbit=0)
        a.box.set("out", **settings)
        until = time.monotonic() + 6  # more than one question
        while time.monotonic() < until:
            carries(lab, a, b, what, size)
        assert said(a, LOSSY) == before, a.log("meshd")
        assert not is_single(a, b)
    lab.ok("loss, reorder and a narrow link are not taken for it")


def test_without_relay(lab, a, b):
    """A handshake finds the peer before anything else does: there, too, it is asked whether bursts arrive."""
    for node in (a, b):
        node.stop("meshd")
    lab.server.sh(f"printf '\\n[relay]\\nenabled = false\\n' >> {lab.server.config}")
    lab.server.restart()
    a.box.set("out", lose_bursts=1)
    before = said(a, LOSSY)
    for node in (a, b):
        start(node)
    is_direct(a, b)
    finds(lab, a, b, "bursts are lost, and there is no relay", before)
    lab.ok("without a relay it is found, too")


def main():
    with Lab() as lab:
        lab.server.setup("home")
        lab.server.up()
        a = lab.node("a", box=True)
        b = lab.node("b")
        for node in (a, b):
            start(node)
            node.join(lab.server.key("home"))
        is_direct(a, b)
        test_found(lab, a, b)
        test_shown(lab, a, b)
        test_from_the_start(lab, a, b)
        test_switches(lab, a, b)
        test_not_fooled(lab, a, b)
        a.box.set("out", rate_kbit=0)
        test_without_relay(lab, a, b)


main()
