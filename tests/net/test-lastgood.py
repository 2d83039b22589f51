"""Where a peer was reached last is tried when nothing else is known of it.

   [a] ══ wan ══ [b]     [server], which goes away; then nobody knows the other's endpoints any more"""
import hashlib
import json
import pathlib

from lab import Lab, wait_until

LIMIT_S = 120 # ends a hang only


def document(node, name):
    return next(pathlib.Path(f"/proc/{node.holder.pid}/root/var/lib/mesh/networks").glob(f"*/{name}"))


def forget_endpoints(node):
    """As if all that peers told of themselves had ended: their records E go from the cached map."""
    place = document(node, "map")
    header, body = place.read_bytes().split(b"\n", 1)
    lines = [json.loads(line) for line in body.splitlines()]
    for line in lines[1:]:
        line.pop("e", None)
    body = b"".join(json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in lines)
    words = header.split(b" ")
    words[-2:] = [str(len(body)).encode(), hashlib.blake2s(body).hexdigest().encode()]
    place.write_bytes(b" ".join(words) + b"\n" + body)


def main():
    with Lab() as lab:
        first = lab.server.setup("home")
        lab.server.up()
        a, b = lab.node("a", v6=False), lab.node("b", v6=False)
        for node, link in ((a, first), (b, None)):
            node.up()
            node.join(link or lab.server.key("home"))
        a.wait_until(lambda n: "b" in n.peers())
        target = b.addresses()[4]
        a.reaches(target)
        for node, far in ((a, "b"), (b, "a")):
            node.wait_until(lambda n, far=far: n.peer(far).path == "direct", LIMIT_S)
        lab.server.stop("mesh-server")
        for node in (a, b):
            assert node.stop("meshd") == 0
            forget_endpoints(node)
        for node in (a, b):
            node.up()
            node.wait_until(lambda n: n.network().state == "up", 20)
            assert node.network().server_state != "connected"
        a.reaches(target, LIMIT_S)
        a.wait_until(lambda n: n.peer("b").endpoint.startswith(b.ip4 + ":"), LIMIT_S)
        lab.ok("two that were in touch find each other again without server and records")
        a.stop("meshd")
        for name in ("lastgood", "lastgood.prev"):
            for place in document(a, "map").parent.glob(name):
                place.write_text("damaged")
        a.up()
        a.wait_until(lambda n: n.network().state == "up", 20)
        wait_until(lambda: "where peers were reached last cannot be read" in a.log("meshd"), 10)
        b.reaches(a.addresses()[4], LIMIT_S)
        lab.ok("a document that cannot be read is said, and does no harm")


main()
