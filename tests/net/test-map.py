"""A node with many peers in its map: all of them come in, verified; one whose record was forged is refused alone.

   [a] a real meshd       server: a real mesh-server with 700 simulated members, whose database somebody changes

More peers than the gate verifies at once: threads do the rest (docs/THREADS.md)."""
import pathlib
import re
import sys

from lab import Lab, wait_until

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "load"))
from rig import Crowd, skip_without  # noqa: E402
from space import programs_dir  # noqa: E402

NODES = 700


# Gives a record another content under the signature that it had.
FORGE = """
import sqlite3
with sqlite3.connect("/var/lib/mesh-server/mesh.db") as base:
    for name, body, old, new in (("node-7", "k_body", '"seq":1', '"seq":2'),
                                 ("node-8", "m_body", '"tags":[]', '"tags":["x"]')):
        text = base.execute(f"SELECT {body} FROM node WHERE name = ?", (name,)).fetchone()[0]
        assert old in text, text
        base.execute(f"UPDATE node SET {body} = ? WHERE name = ?", (text.replace(old, new), name))
base.close()
"""


def main():
    skip_without(programs_dir())
    with Lab() as lab:
        server, a = lab.server, lab.node("a")
        link = server.setup("load")
        server.up()
        many = re.sub(r"//[^/]*/", "//127.0.0.1/", server.key("load", "--reusable"))
        crowd = Crowd(programs_dir(), many, NODES, host=server)
        crowd.ask("enrol")
        crowd.close()
        a.up()
        a.join(link)
        a.wait_until(lambda n: n.network().peers_total == NODES, 60)
        names = set(a.peers())
        assert names == {f"node-{i}" for i in range(NODES)}, sorted(names)[:20]
        assert not [text for text in a.network().warnings if "left out" in text]
        lab.ok(f"all {NODES} peers of a first map are verified and in force")

        for name in ("node-3", "node-650"):
            address = a.peer(name).addresses[-1]
            route = a.run("ip", "-6", "route", "get", address).stdout
            assert a.network().interface in route, route
        a.stop("meshd")
        a.up()
        a.wait_until(lambda n: n.network().peers_total == NODES, 60)
        lab.ok("after a restart they come back from the disk")

        server.stop("mesh-server")
        server.run(sys.executable, "-c", FORGE)
        server.up()
        b = lab.node("b")
        b.up()
        b.join(server.key("load"))
        b.wait_until(lambda n: n.network().peers_total == NODES - 1, 60) # a is there, two are not
        missing = {f"node-{i}" for i in range(NODES)} - set(b.peers())
        assert missing == {"node-7", "node-8"}, missing
        warnings = [text for text in b.network().warnings if "left out" in text]
        assert len(warnings) == 2, warnings
        assert any("node-7" in text and "K: the signature is wrong" in text for text in warnings), warnings
        assert any("M: the signature is wrong" in text for text in warnings), warnings
        lab.ok("of forged records each peer is left out alone, and named")

        wait_until(lambda: "b" in a.peers(), 30, "a knows b")
        b.reaches(a.addresses()[6])
        server.ctl("node", "rename", "--network", "load", "node-20", "other")
        b.wait_until(lambda n: "other" in n.peers() and "node-20" not in n.peers())
        lab.ok("changes go on coming in, and the peers that are real are reached")


main()
