"""mesh-server backup, restore and check: of a server that is written to, of a stopped one, of one
whose nodes have moved on since."""
import os
import pathlib
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time

from space import SKIP, make_dir, need, wait_until

try:
    from httpnode import Link, Node
    from relaynode import ask, verify
except ImportError as missing:
    print(f"skipped: missing python3-cryptography ({missing})")
    sys.exit(SKIP)

CONFIG = """[server]
public_host = 127.0.0.1
public_port = 8445
listen = 127.0.0.1:8445
state_dir = {dir}/state
admin_socket = {dir}/admin.sock
[limits]
accept_rate = 1000
accept_burst = 1000
"""
OK, FAILED, USAGE, NOT_FOUND = range(4)


class Server:
    def __init__(self, folder):
        build = os.environ.get("MESH_BUILD")
        prefix = os.environ.get("MESH_PREFIX", "build/root/usr")
        self.program = f"{build}/server/mesh-server" if build else f"{prefix}/bin/mesh-server"
        if not os.access(self.program, os.X_OK):
            print(f"skipped: missing {self.program}")
            sys.exit(SKIP)
        self.config, self.state, self.process = folder / "server.conf", folder / "state", None
        self.log = folder / "server.log"
        self.config.write_text(CONFIG.format(dir=folder))

    def call(self, *words, code=OK, says=""):
        done = subprocess.run([self.program, "-c", str(self.config), *map(str, words)], check=False,
                              capture_output=True, text=True, timeout=180)
        assert done.returncode == code and says in done.stdout + done.stderr, (words, done)
        return done.stdout.strip()

    def answers(self):
        assert self.process.poll() is None, self.log.read_text()
        return subprocess.run([self.program, "-c", str(self.config), "status"], check=False,
                              capture_output=True, timeout=90).returncode == OK

    def up(self):
        with open(self.log, "a", encoding="utf-8") as out:
            self.process = subprocess.Popen([self.program, "-c", str(self.config), "run"],
                                            stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        wait_until(self.answers, 10, "the admin socket answers")

    def down(self, how=signal.SIGTERM):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(90)


def ok(text):
    ok.count += 1
    print(f"ok {ok.count} - {text}", flush=True)


ok.count = 0


def snapshot(node):
    """The snap head of a fresh stream."""
    stream = node.stream()
    head = stream.until("snap")
    stream.until("snap-end")
    stream.close()
    return head


def main():
    need("mount")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    folder = pathlib.Path(make_dir())
    server, file = Server(folder), folder / "copy"
    try:
        run(server, folder, file)
        print(f"1..{ok.count}")
    except BaseException:
        if server.log.exists():
            print("\n".join(f"# {line}" for line in server.log.read_text().splitlines()[-40:]))
        raise
    finally:
        server.down(signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)


def relays_of(node):
    """R, as the node is told now."""
    return verify(node.link, "R", ask(node)["r"])


def run(server, folder, file):
    link = Link(server.call("setup", "--reusable", "--ip4", "10.9.0.0/16"))
    server.call("check", says="are sound")
    server.up()
    first = Node(link, "first")
    assert first.register().status == 200
    assert '"first"' in server.call("node", "show", "first", "--json")
    assert first.id in server.call("node", "show", "first")
    assert "10.9.0.0/16" in server.call("network", "show", "home")
    server.call("node", "show", "none", code=NOT_FOUND, says="no node none")
    server.call("network", "show", "none", code=NOT_FOUND, says="no network none")
    ok("show tells of one node and one network")

    server.call("relay", "add", "near", "--host", "192.0.2.1", "--rk", "AQEB" * 10 + "AQE", "--sk",
                "AgIC" * 10 + "AgI")
    end, made = threading.Event(), []

    def write():
        while not end.is_set():
            one = Node(link, "crowd")
            if one.register().status == 200:
                made.append(one)
    writer = threading.Thread(target=write)
    writer.start()
    wait_until(lambda: len(made) > 5, 20, "writes go on")
    copies = []
    for turn in range(5):
        server.call("backup", f"{file}-{turn}")
        copies.append(made[-1])
    server.call("check", says="are sound")
    server.call("backup", file)
    count = len(made)
    wait_until(lambda: len(made) > count, 20, "writes go on after it")
    end.set()
    writer.join()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert sorted(one.name for one in folder.glob("copy*")) == \
        ["copy", *(f"copy-{turn}" for turn in range(5))], "something is left beside"
    server.call("backup", file, code=FAILED, says="--force")
    server.call("backup", file, "--force")
    server.call("backup", code=USAGE)
    ok("backups of a server that is written to; one file, mode 0600, not replaced unasked")

    for state in ("drain", "ok", "avoid"):
        server.call("relay", "set", "near", "--state", state)
    known = relays_of(first)
    assert known["relays"][1]["state"] == "avoid"
    late = Node(link, "late")
    assert late.register().status == 200
    server.call("node", "rename", "first", "renamed")
    before = snapshot(first)
    server.call("restore", file, code=FAILED, says="running")
    server.down()
    server.call("check", says="are sound")
    server.call("restore", file)
    assert len(list(server.state.glob("mesh.db.replaced-*"))) == 1
    with sqlite3.connect(next(server.state.glob("mesh.db.replaced-*"))) as old:
        assert old.execute("SELECT count(*) FROM node WHERE name='late'").fetchone() == (1,)
    with sqlite3.connect(server.state / "mesh.db") as new:
        assert new.execute("SELECT count(*) FROM sqlite_master WHERE name='backup'"
                           ).fetchone() == (0,), "the key is in the database"
    assert (server.state / "server.key").read_bytes().strip() not in \
        (server.state / "mesh.db").read_bytes()
    server.up()
    assert server.call("check")
    after = snapshot(first)
    assert after["epoch"] > before["epoch"], (before, after)
    told = relays_of(first)
    assert told["relays"][1]["state"] == "ok" and told["ver"] > known["ver"], (known, told)
    stream = first.stream(f"?cursor={before['epoch']}.{before['ver']}&hb=60")
    assert stream.until("snap")["epoch"] == after["epoch"], "a cursor of the old epoch: all anew"
    stream.close()
    assert late.register(join=False).status in (401, 403, 404)
    assert late.register().status == 200
    snapshot(late)
    ok("restore: the node of before goes on in a newer epoch, the one of after joins anew")

    server.down(signal.SIGKILL)
    server.call("restore", file)
    server.up()
    again = snapshot(first)
    assert again["epoch"] > after["epoch"], (after, again)
    server.down()
    ok("again, at once and after SIGKILL: the epoch grows again")

    key = (server.state / "server.key").read_bytes()
    shutil.rmtree(server.state)
    server.state.mkdir(mode=0o700)
    wait_until(lambda: time.time() > again["epoch"] + 1, 10, "the epochs given out are past")
    server.call("restore", file)
    assert (server.state / "server.key").read_bytes() == key
    assert stat.S_IMODE((server.state / "server.key").stat().st_mode) == 0o600
    server.up()
    assert snapshot(first)["epoch"] > again["epoch"]
    server.down()
    ok("on an empty machine: the key comes back too")

    shutil.rmtree(server.state)
    server.call("setup", "--network", "other")
    server.call("restore", file, code=FAILED, says="another server key")
    server.call("network", "list", code=4)
    server.call("restore", file, "--force")
    assert (server.state / "server.key").read_bytes() == key
    assert len(list(server.state.glob("server.key.replaced-*"))) == 1
    ok("another server's is refused, unless forced; what it replaces stays beside")

    data = bytearray(file.read_bytes())
    (folder / "cut").write_bytes(data[:len(data) // 2])
    (folder / "noise").write_bytes(b"not a database" * 1000)
    good = (server.state / "mesh.db").read_bytes()
    for bad in ("cut", "noise", "missing"):
        server.call("restore", folder / bad, code=FAILED)
    server.call("restore", server.state / "mesh.db", code=FAILED, says="holds no server key")
    assert (server.state / "mesh.db").read_bytes() == good
    assert not (server.state / "mesh.db.restore").exists()
    ok("a torn or foreign file is refused and changes nothing")

    with sqlite3.connect(server.state / "mesh.db") as broken:
        broken.execute("UPDATE node SET ip4=1 WHERE idx=1")
        broken.execute("UPDATE node SET ver=999999 WHERE idx=1")
    server.call("check", code=FAILED, says="outside the prefix")
    server.call("check", code=FAILED, says="newer than its network")
    for column, says in (("m_sig", "membership of first of home: "), ("k_sig", "record of first of "),
                         ("k_seq", "another sequence"), ("serial", "another serial")):
        server.call("restore", file)
        with sqlite3.connect(server.state / "mesh.db") as broken:
            broken.execute(f"UPDATE node SET {column}=" + ("zeroblob(64)" if "sig" in column else "1000")
                           + " WHERE name='first'")
        server.call("check", code=FAILED, says=says)
    with sqlite3.connect(server.state / "mesh.db") as broken:
        broken.execute("UPDATE relay SET entry=replace(entry, '3478', '99999')")
    server.call("check", code=FAILED, says="relay of 2: ")
    server.call("restore", file)
    server.up() # signs its policy anew
    server.down()
    with sqlite3.connect(server.state / "mesh.db") as broken:
        broken.execute("UPDATE network SET policy_body=replace(policy_body, 'accept', 'refuse')")
    server.call("check", code=FAILED, says="policy of home: ")
    server.call("restore", file)
    server.call("check", says="are sound")
    (server.state / "server.key").chmod(0o644)
    server.call("check", code=FAILED, says="others may read")
    server.call("backup", folder / "never", code=FAILED, says="others may read")
    ok("check finds addresses, versions, signatures that do not verify, and a key that others may read")


main()
