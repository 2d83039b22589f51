"""A home router's port map: asked for, told to peers, used by them, given back; and routers that lie.

   [a] ─ m, which maps ports ══╗
                               ╠══ wan ══ [server]
   [b] ─ symmetric NAT ════════╝            liarrouter.py takes m's place for the second half"""
import os
import pathlib
import sys
import time

from lab import Lab, need, wait_until
from liarrouter import PACKET, WEB
from onway import MAPPER, map_ports

HERE = pathlib.Path(__file__).resolve().parent
# Of the packets, what needs the real daemon; test-path-portmap has the rest. MESH_LIARS=all runs all.
CHOSEN = (*PACKET, *WEB) if os.environ.get("MESH_LIARS") == "all" else (
    "lease-0", "lease-most", "carrier", "silent", "natpmp", "flood", *WEB)
LIMIT_S = 120 # ends a hang only; a worker that is kept busy is ended after 12 s
GOOD = {"lease-most": "pcp", "natpmp": "nat-pmp", "flood": "nat-pmp", "web-honest": "upnp"}

need("nft")


def state(node):
    return node.network().port_map_state


def mapped(node):
    """Endpoints of kind mapped, as told to peers."""
    return [line.split()[0] for line in node.network().endpoints if line.endswith(" mapped")]


def forwarded(nat):
    """The router's own list of what it forwards."""
    return nat.run("nft", "list", "chain", "inet", "upnp", "prerouting_miniupnpd").stdout.count("dnat")


def settle(node, wanted):
    node.wait_until(lambda n: state(n) == wanted, LIMIT_S,
                    f"port map {wanted}, not {state(node)}: {node.network().port_map_error}")


def ask_anew(node):
    node.mesh("set", "--portmap=off")
    node.wait_until(lambda n: state(n) == "off" and mapped(n) == [], LIMIT_S, "no map")
    node.mesh("set", "--portmap=on")


def helpers(node):
    """Status of the processes beside meshd that speak UPnP: /proc fields by name."""
    found = []
    for place in pathlib.Path("/proc").glob("[0-9]*/status"):
        try:
            fields = dict(line.split(":\t", 1) for line in place.read_text().splitlines() if ":\t" in line)
        except (FileNotFoundError, ProcessLookupError):
            continue
        if fields["Name"] == "meshd-upnp" and int(fields["PPid"]) == node.processes["meshd"].pid:
            found.append(fields)
    return found


def check_map(lab, nat, a, b):
    settle(a, "pcp")
    port = a.network().listen_port
    a.wait_until(lambda n: mapped(n) == [f"5.5.5.1:{port}"], LIMIT_S, "the endpoint")
    assert forwarded(nat) == 1
    shown = a.mesh("status").stdout
    assert "port map" in shown and f"5.5.5.1:{port} mapped" in shown, shown
    (checked,) = a.json("netcheck")["networks"]
    found = checked["found"]
    assert (found["port-map"], found["port-mapped"], found["port-map-error"]) == ("pcp", mapped(a)[0], ""), found
    assert f"port map   pcp: {mapped(a)[0]}" in a.mesh("netcheck").stdout
    lab.ok("PCP: the router forwards our port, and peers are told")
    b.reaches(a.addresses()[4])
    b.wait_until(lambda n: n.peer("a").path == "direct", LIMIT_S, "b to a, directly")
    lab.ok("a peer behind a symmetric NAT reaches the mapped node directly")


def check_switch(lab, nat, a):
    a.mesh("set", "--portmap=off")
    a.wait_until(lambda n: state(n) == "off" and mapped(n) == [], LIMIT_S, "no map")
    wait_until(lambda: forwarded(nat) == 0, 20, "the router to forget")
    a.restart()
    a.wait_until(lambda n: n.network().state == "up", 20, "up again")
    assert state(a) == "off" and forwarded(nat) == 0
    a.mesh("set", "--portmap=on")
    settle(a, "pcp")
    assert forwarded(nat) == 1
    done = a.mesh("set", "--portmap=perhaps", check=False)
    assert done.returncode == 2 and "--portmap: on or off" in done.stderr, done
    lab.ok("mesh set --portmap=off gives the port back, and is kept")


def check_restarts(lab, nat, a):
    a.restart(kill=True) # the router still has the mapping of the one before
    settle(a, "pcp")
    assert forwarded(nat) == 1
    # A clock that began anew within two seconds of the old one's beginning may be the old one (RFC 6887 §8.5).
    born = os.stat(f"/proc/{nat.processes['miniupnpd'].pid}").st_ctime
    wait_until(lambda: time.time() - born > 5, LIMIT_S, "a router whose age shows")
    nat.stop("miniupnpd", kill=True)
    nat.run("nft", "flush", "chain", "inet", "upnp", "prerouting_miniupnpd")
    map_ports(nat)
    wait_until(lambda: forwarded(nat) == 1, LIMIT_S, "mapped again by a router that started anew")
    a.stop("meshd")
    wait_until(lambda: forwarded(nat) == 0, 20, "given back")
    a.up()
    settle(a, "pcp")
    lab.ok("killed, stopped, and the router begun anew: the mapping follows")


def check_upnp(lab, nat, a):
    nat.stop("miniupnpd")
    nat.run("nft", "delete", "table", "inet", "upnp")
    map_ports(nat, pcp=False)
    ask_anew(a)
    settle(a, "upnp")
    a.wait_until(lambda n: mapped(n) == [f"5.5.5.1:{n.network().listen_port}"], LIMIT_S, "the endpoint by UPnP")
    assert forwarded(nat) == 1
    a.stop("meshd")
    wait_until(lambda: forwarded(nat) == 0, 20, "given back by UPnP")
    a.up()
    settle(a, "upnp")
    lab.ok("UPnP where nothing else is spoken: mapped, given back at the end")


def check_helper(lab, a):
    found = helpers(a)
    assert len(found) == 1, found
    for kind in ("CapPrm", "CapEff", "CapAmb"):
        assert int(found[0][kind], 16) == 0, (kind, found[0][kind])
    assert found[0]["Seccomp"] == "2" and found[0]["NoNewPrivs"] == "1"
    pid = found[0]["Pid"].strip()
    a.stop("meshd", kill=True)
    wait_until(lambda: not pathlib.Path(f"/proc/{pid}/fd").exists() or
               "State:\tZ" in pathlib.Path(f"/proc/{pid}/status").read_text(), 20, "its end")
    a.up()
    lab.ok("the process that speaks UPnP has no capability, a filter, and ends with meshd")


def check_liar(nat, a, mode):
    gateway = f"192.168.{nat.number}.1"
    key = f"liar-{mode}"
    nat.start(key, sys.executable, HERE / "liarrouter.py", gateway, mode)
    wait_until(lambda: "ready" in nat.log(key), 10, mode)
    ask_anew(a)
    settle(a, GOOD.get(mode, "none"))
    assert "asked" in nat.log(key), mode
    assert "strayed" not in nat.log(key), (mode, nat.log(key))
    if mode in GOOD:
        a.wait_until(lambda n: len(mapped(n)) == 1, LIMIT_S, f"{mode}: the endpoint")
    else:
        assert not mapped(a), (mode, a.network().endpoints)
    assert a.runs("meshd") and a.network().state == "up"
    wait_until(lambda: len(helpers(a)) == 1, LIMIT_S, "one that speaks UPnP: what was ended is begun anew")
    nat.stop(key, kill=True)
    print(f"# {mode}: {a.network().port_map_error or state(a)}", flush=True)


def check_liars(lab, nat, a, b):
    nat.stop("miniupnpd")
    pid = a.processes["meshd"].pid
    for mode in CHOSEN:
        check_liar(nat, a, mode)
    lab.ok(f"{len(CHOSEN)} routers that lie, pour, drip or send elsewhere: nothing breaks")
    b.reaches(a.addresses()[4])
    map_ports(nat)
    ask_anew(a)
    settle(a, "pcp")
    assert a.processes["meshd"].pid == pid
    lab.ok("and an honest one is used after them all")


def main():
    if not MAPPER:
        print("SKIP missing: miniupnpd-nftables; run ./run deps")
        sys.exit(77)
    with Lab() as lab:
        nat = lab.nat("m", v6=False, wan4="5.5.5.1")
        map_ports(nat)
        a = lab.node("a", behind=nat)
        b = lab.node("b", behind=lab.nat("s", kind="symmetric", v6=False))
        link = lab.server.setup("home")
        lab.server.up()
        for node, text in ((a, link), (b, None)):
            node.up()
            node.join(text or lab.server.key("home"))
        check_map(lab, nat, a, b)
        check_switch(lab, nat, a)
        check_restarts(lab, nat, a)
        check_upnp(lab, nat, a)
        check_helper(lab, a)
        check_liars(lab, nat, a, b)


main()
