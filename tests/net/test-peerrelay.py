"""A node keeps a relay for the others: a pair without a direct way meets there, and goes back when it ends.

   [hub] public, keeps the relay ══╗
   [a] ─ symmetric NAT ════════════╬══ wan ══ [server], with the relay of the network
   [b] ─ symmetric NAT ════════════╝"""
from lab import Lab, need, wait_until

PORT = 41700
LIMIT_S = 120 # ends a hang only: no direct way is known to be there after 10 s of looking
KILLS = 4 # the way in use ends in the midst of a look whether it still is one, or not

need("nft")


def relays(node):
    """(state, port, error) of the relay that a node keeps."""
    network = node.network()
    return network.peer_relay_state, network.peer_relay_port, network.peer_relay_error


def pings(node):
    return node.log("flow").count("bytes from")


def goes_by(node, name, path, relay):
    peer = node.peer(name)
    return peer.path == path and peer.relay == relay


def check_refused(lab, hub):
    for wrong in ("0", "65536", "yes", "-1"):
        done = hub.mesh("set", f"--peer-relay={wrong}", check=False)
        assert done.returncode == 2 and "--peer-relay: a UDP port from 1 to 65535, or off" in done.stderr, done
    assert relays(hub) == ("off", 0, "")
    hub.start("squatter", "ncat", "-6", "-u", "-l", PORT)
    wait_until(lambda: f":{PORT} " in hub.run("ss", "-Huln").stdout, 10, "the port is taken")
    hub.mesh("set", f"--peer-relay={PORT}")
    state, port, error = relays(hub)
    assert (state, port) == ("failed", PORT) and str(PORT) in error, error
    assert f"UDP port {PORT}, failed: {error}" in hub.mesh("status").stdout
    hub.stop("squatter")
    hub.mesh("set", "--peer-relay=off")
    lab.ok("a port that is none, or taken, is said")


def check_meeting(lab, hub, a, b):
    address = b.addresses()[4]
    a.start("flow", "ping", "-n", "-D", "-i", "0.1", address)
    for node, far in ((a, "b"), (b, "a")):
        node.wait_until(lambda n, f=far: goes_by(n, f, "relay", "server"), LIMIT_S, f"{far} by the server's relay")
    hub.mesh("set", f"--peer-relay={PORT}")
    assert relays(hub) == ("on", PORT, "")
    assert f"UDP port {PORT}, on" in hub.mesh("status").stdout
    for node, far in ((a, "b"), (b, "a")):
        node.wait_until(lambda n, f=far: goes_by(n, f, "peer-relay", "hub"), LIMIT_S, f"{far} by the hub's relay")
    a.wait_until(lambda n: "hub" in n.peer("b").reason, LIMIT_S, "the hub as the reason")

    def by_the_hub():
        """Not while a pause of the machine makes them turn to the server's for a moment."""
        moved, seen = lab.server.json("status").relay.packets, pings(a)
        wait_until(lambda: pings(a) > seen + 30, LIMIT_S, "pings go on")
        return lab.server.json("status").relay.packets - moved < 30
    wait_until(by_the_hub, LIMIT_S, "the server's relay does not carry them any more")
    lab.ok("two behind symmetric NATs meet at the hub's relay, and leave the server's")


def check_restart(lab, hub, a, b, kill=False):
    hub.restart(kill=kill)
    hub.wait_until(lambda n: relays(n)[0] == "on", LIMIT_S, "kept over a restart")
    for node, far in ((a, "b"), (b, "a")):
        node.wait_until(lambda n, f=far: goes_by(n, f, "peer-relay", "hub"), LIMIT_S, f"{far} by the hub's relay again")
    lab.ok(f"the wish is kept over {'a kill' if kill else 'a restart'}, and the pair comes back")


def check_end(lab, hub, a, b):
    seen = pings(a)
    hub.mesh("set", "--peer-relay=off")
    for node, far in ((a, "b"), (b, "a")):
        node.wait_until(lambda n, f=far: goes_by(n, f, "relay", "server"), LIMIT_S, f"{far} by the server's relay")
    wait_until(lambda: pings(a) > seen + 10, LIMIT_S, "pings go on")
    lab.ok("the relay ends: the pair goes on by the server's")


def main():
    with Lab() as lab:
        link = lab.server.setup("home")
        lab.server.up()
        hub = lab.node("hub", v6=False)
        a = lab.node("a", behind=lab.nat("natA", kind="symmetric", v6=False))
        b = lab.node("b", behind=lab.nat("natB", kind="symmetric", v6=False))
        for node in (hub, a, b):
            node.up()
            node.join(link if node is hub else lab.server.key("home"))
        check_refused(lab, hub)
        check_meeting(lab, hub, a, b)
        check_restart(lab, hub, a, b)
        for _ in range(KILLS):
            check_restart(lab, hub, a, b, kill=True)
        check_end(lab, hub, a, b)
        a.stop("flow")


main()
