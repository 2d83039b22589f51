"""Two hundred simulated nodes on one server: all are mapped and hold equal maps, also after SIGKILL.

No time is asserted: ./run bench server shows times. The server runs with a service's limit of open files."""
import os
import pathlib
import shutil
import sys
import time

from space import make_dir, need

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "load"))
from rig import Crowd, Server, prepare, skip_without  # noqa: E402

NODES = 200
BUILD = os.environ.get("MESH_BUILD", "build/obj")


def check(crowd, text):
    """All maps are whole, equal, and tell of each node what it told of itself."""
    crowd.ask("whole")
    equal, stats = crowd.ask("equal"), crowd.ask("stats")
    assert equal == {"nodes": NODES, "known": NODES, "different": 0, "own_wrong": 0, "behind": 0}, equal
    assert stats["bad"] == 0 and stats["refused"] == 0 and stats["gaps"] == 0, stats
    print(f"ok {next(CASES)} - {text}", flush=True)


def run(server, crowd):
    crowd.ask("join")
    check(crowd, f"{NODES} nodes that join at once have each other, with endpoints, all present")
    for i in range(5):
        assert len(crowd.ask("report", 31 * i)["times_ms"]) == NODES - 1
    check(crowd, "new endpoints reach all others")
    admin = server.admin()
    for i in range(5):
        assert len(crowd.change_name(admin, f"node-{i}", f"renamed-{i}")["times_ms"]) == NODES
    check(crowd, "a renamed node reaches all")
    killed = time.monotonic()
    server.kill()
    server.up()
    assert len(crowd.ask("back", killed)["times_ms"]) == NODES
    check(crowd, "after SIGKILL of the server all come back by their cursors, and report again")
    shown = {node["name"] for node in admin_nodes(server)}
    assert shown == {f"node-{i}" if i >= 5 else f"renamed-{i}" for i in range(NODES)}, shown
    print(f"ok {next(CASES)} - the server lost nothing that it had acknowledged", flush=True)


def admin_nodes(server):
    return server.admin().ask("GET", "networks/load/nodes")["nodes"]


need()
skip_without(BUILD)
prepare()
CASES = iter(range(1, 100))
DIR = make_dir()
SERVER = Server(DIR, BUILD)
try:
    SERVER.up()
    CROWD = Crowd(BUILD, SERVER.link(), NODES, 1000)
    run(SERVER, CROWD)
    CROWD.close()
    assert SERVER.down() == 0
except BaseException:
    print(SERVER.log()[-4000:])
    raise
finally:
    shutil.rmtree(DIR, ignore_errors=True)
print(f"1..{next(CASES) - 1}")
