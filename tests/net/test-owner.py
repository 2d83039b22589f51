"""Whose a peer is and when it was seen last: from the server's user list to the buses of the others.

   [a] who looks ══ internet ══ [b] ann's        [server] mesh.example"""
import json
import time

from lab import Lab, need

LIMIT_S = 60 # ends a hang only
NETWORK = "org.meshvpn.Mesh1.Network"


def about(node, method="ListPeers"):
    """Peers by name: (owner, last-seen, online), from the bus itself."""
    path = f"/org/meshvpn/Mesh1/network/{node.network().id}"
    reply = node.run("busctl", "--json=short", "call", "org.meshvpn.Mesh1", path, NETWORK, method, "su", "", "0")
    rows = json.loads(reply.stdout)["data"][2]
    types = {(row["owner"]["type"], row["last-seen"]["type"]) for row in rows}
    assert types <= {("s", "x")}, types
    return {row["name"]["data"]: (row["owner"]["data"], row["last-seen"]["data"], row["online"]["data"])
            for row in rows}


def owner(name):
    return lambda n: about(n)["b"][0] == name


def main():
    need("busctl")
    with Lab() as lab:
        a, b, server = lab.node("a"), lab.node("b"), lab.server
        link = server.setup("home")
        server.up()
        server.ctl("user", "add", "ann")
        a.up()
        a.join(link)
        b.up()
        b.join(server.key("home"))
        a.wait_until(lambda n: about(n).get("b", ("?",))[0] == "" and about(n)["b"][2], LIMIT_S, "b, nobody's, online")
        a.wait_until(lambda n: about(n)["b"][1:] == (0, True), LIMIT_S, "it is here")
        server.ctl("node", "set", "b", "--user", "ann")
        a.wait_until(owner("ann"), LIMIT_S, "b is ann's")
        assert about(a, "InspectPeers")["b"][0] == "ann" and a.peer("b").owner == "ann"
        assert about(b)["a"][0] == ""
        lab.ok("a node's user, given while it runs, is on the bus of the others, and in mesh peers --json")

        before = int(time.time())
        b.stop("meshd")

        def is_gone(node):
            name, seen, online = about(node)["b"]
            return not online and seen == a.json("peers")["peers"][0]["last-seen"] == \
                server.nodes("home")["b"].last_seen and (name, seen)
        gone = a.wait_until(is_gone, LIMIT_S, "b is offline, since when the server has it")
        assert before - 1 <= gone[1] <= time.time() and gone[0] == "ann", (before, gone)
        table = a.mesh("peers", "--long").stdout
        assert "OWNER" in table and "LAST SEEN" in table and " ann " in table, table
        lab.ok("a node that went says when it was there, as the server has it")

        server.ctl("user", "set", "ann", "--name", "anna")
        a.wait_until(owner("anna"), LIMIT_S, "the new name")
        assert about(a)["b"][1] == gone[1]
        lab.ok("a user's new name arrives")

        a.restart()
        a.wait_until(lambda n: about(n).get("b") == ("anna", gone[1], False), LIMIT_S, "the same after a restart")
        lab.ok("a meshd that starts again, with the map it saved, says the same")
        b.up()
        a.wait_until(lambda n: about(n)["b"] == ("anna", 0, True), LIMIT_S, "b is back")
        lab.ok("who is back was not seen last: it is here")


main()
