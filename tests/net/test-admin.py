"""mesh-server as its administrator meets it: setup, verbs, JSON, exit codes, a crash, a full disk."""
import json
import os
import pathlib
import shutil
import signal
import socket
import stat
import subprocess
import sys

from space import SKIP, make_dir, need, wait_until

try:
    from httpnode import Link, Node
except ImportError as missing:
    print(f"skipped: missing python3-cryptography ({missing})")
    sys.exit(SKIP)

PORT = 8444
CONFIG = """[server]
public_host = 127.0.0.1
public_port = {port}
listen = 127.0.0.1:{port}
state_dir = {dir}/state
admin_socket = {dir}/admin.sock
"""
OK, FAILED, USAGE, NOT_FOUND, NO_SERVER, CONFLICT = range(6)


class Server:
    """The program under test, on a state directory that can be full."""

    def __init__(self, folder):
        build = os.environ.get("MESH_BUILD")
        prefix = os.environ.get("MESH_PREFIX", "build/root/usr")
        self.program = f"{build}/server/mesh-server" if build else f"{prefix}/bin/mesh-server"
        if not os.access(self.program, os.X_OK):
            print(f"skipped: missing {self.program}")
            sys.exit(SKIP)
        self.dir, self.process = folder, None
        self.socket, self.state = folder / "admin.sock", folder / "state"
        self.config, self.log = folder / "server.conf", folder / "server.log"
        self.config.write_text(CONFIG.format(port=PORT, dir=folder))
        self.state.mkdir(mode=0o700)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m,mode=700", "tmpfs", self.state],
                       check=True)

    def call(self, *words):
        return subprocess.run([self.program, "-c", str(self.config), *words], check=False,
                              capture_output=True, text=True, timeout=90)

    def good(self, *words):
        done = self.call(*words)
        assert done.returncode == OK, (words, done.returncode, done.stderr)
        return done.stdout

    def json(self, *words):
        return json.loads(self.good(*words, "--json"))

    def bad(self, code, says, *words):
        done = self.call(*words)
        assert done.returncode == code and says in done.stderr, (words, done.returncode, done.stderr)
        assert done.stdout == "", done.stdout

    def up(self):
        with open(self.log, "a", encoding="utf-8") as out:
            self.process = subprocess.Popen(
                [self.program, "-c", str(self.config), "run"], stdin=subprocess.DEVNULL,
                stdout=out, stderr=out)
        wait_until(self.answers, 10, "the admin socket answers")

    def answers(self):
        assert self.process.poll() is None, self.log.read_text()
        return self.call("status").returncode == OK

    def down(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        return self.process.wait(90)

    def ask(self, request):
        """Raw bytes to the admin socket; the whole answer until it ends the connection."""
        with socket.socket(socket.AF_UNIX) as raw:
            raw.settimeout(60)
            raw.connect(str(self.socket))
            raw.sendall(request)
            raw.shutdown(socket.SHUT_WR)
            answer = b""
            while True:
                part = raw.recv(65536)
                if not part:
                    return answer
                answer += part


class Points:
    """TAP lines."""

    def __init__(self):
        self.count = 0

    def ok(self, text):
        self.count += 1
        print(f"ok {self.count} - {text}", flush=True)


def check_no_server(points, server):
    for words in (("status",), ("network", "list"), ("key", "create"), ("node", "remove", "x")):
        server.bad(NO_SERVER, "does not run", *words)
    points.ok("without a server every verb says so")


def check_socket(points, server):
    mode = server.socket.stat().st_mode
    assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o600, oct(mode)
    status = server.json("status")
    assert status["networks"] == 1 and len(status["key"]) == 43 and len(status["fingerprint"]) == 22
    assert status["fingerprint"] in server.good("status")
    points.ok("the socket is its owner's alone; status")


def check_networks(points, server):
    made = server.json("network", "create", "office", "--ip4", "10.9.0.0/16", "--approve", "yes")
    assert (made["name"], made["ip4"], made["approve"], made["ver"]) == \
        ("office", "10.9.0.0/16", True, 1)
    assert made["ip6"].startswith("fd") and made["ip6"].endswith("::/48")
    assert "ip4" not in server.json("network", "create", "six", "--ip4", "none")
    server.bad(CONFLICT, "there is a network office already", "network", "create", "office")
    server.bad(FAILED, "name: ", "network", "create", "No Good")
    server.bad(FAILED, "ip4: ", "network", "create", "x", "--ip4", "8.8.0.0/16")
    server.bad(FAILED, "host bits", "network", "create", "x", "--ip4", "10.1.1.1/16")
    server.bad(USAGE, "a word is missing", "network", "create")
    server.bad(USAGE, "too many words", "network", "create", "a", "b")
    server.bad(USAGE, "takes no option --reusable", "network", "create", "x", "--reusable")
    server.bad(USAGE, "nothing to set", "network", "set", "six")
    server.bad(USAGE, "which verb?", "network", "paint")
    assert server.json("network", "set", "six", "--name", "sixth")["name"] == "sixth"
    assert server.json("network", "set", made["id"], "--approve", "no")["approve"] is False
    server.bad(NOT_FOUND, "no network six here", "network", "set", "six", "--name", "x")
    server.good("network", "delete", "sixth")
    server.bad(NOT_FOUND, "no network sixth here", "network", "delete", "sixth")
    names = [one["name"] for one in server.json("network", "list")["networks"]]
    assert names == ["home", "office"], names
    table = server.good("network", "list").splitlines()
    assert table[0].split()[:2] == ["NAME", "ID"] and table[2].split()[:2] == ["office", made["id"]]
    points.ok("networks: create, list, set, delete, and what is refused")


def check_keys(points, server):
    server.bad(USAGE, "name one with --network", "key", "list")
    made = server.json("key", "create", "--network", "office", "--expires-in", "2h", "--note", "me")
    assert made["expires"] - made["created"] == 7200 and not made["reusable"]
    assert Link(made["link"]).network == \
        [one["id"] for one in server.json("network", "list")["networks"] if one["name"] == "office"][0]
    done = server.call("key", "create", "-n", "office", "--reusable", "--expires-in", "never")
    assert done.stdout.count("\n") == 1 and Link(done.stdout.strip()) and "any number" in done.stderr
    listed = server.json("key", "list", "-n", "office")["keys"]
    assert len(listed) == 2 and all("link" not in key for key in listed)
    secret = made["link"].split("k=")[1]
    for place in server.state.iterdir():
        assert secret.encode() not in place.read_bytes(), place
    assert server.json("key", "revoke", made["id"], "-n", "office")["revoked"] is True
    assert server.json("key", "revoke", made["id"], "-n", "office")["revoked"] is True
    states = {line.split()[0]: line.split()[1]
              for line in server.good("key", "list", "-n", "office").splitlines()[1:]}
    assert states[made["id"]] == "revoked" and sorted(states.values()) == ["revoked", "valid"]
    server.bad(NOT_FOUND, "no join key AAAAAAAA", "key", "revoke", "AAAAAAAA", "-n", "office")
    server.bad(USAGE, "KEY: ", "key", "revoke", "../nodes", "-n", "office")
    server.bad(USAGE, "--expires-in", "key", "create", "-n", "office", "--expires-in", "soon")
    answer = Node(Link(made["link"]), "late").register()
    assert (answer.status, answer.code()) == (403, "key-revoked")
    points.ok("keys: create, list without secrets, revoke; the secret is stored nowhere")


def check_nodes(points, server):
    server.good("network", "set", "office", "--approve", "yes")
    link = Link(server.json("key", "create", "-n", "office", "--reusable")["link"])
    node = Node(link, "Anna's PC")
    assert node.register().status == 202
    found = server.json("node", "list", "-n", "office")["nodes"]
    assert [(one["name"], one["state"], one["node"]) for one in found] == \
        [("anna-s-pc", "pending", node.id)] and "ip4" not in found[0]
    server.good("node", "approve", "anna-s-pc", "-n", "office")
    server.bad(CONFLICT, "does not wait for approval", "node", "approve", "anna-s-pc", "-n", "office")
    assert node.register(join=False).status == 200
    assert server.json("node", "rename", node.id, "anna", "-n", "office")["name"] == "anna"
    stream = node.stream()
    stream.until("snap-end")
    assert node.report("192.0.2.7:51820").status == 200
    found = server.json("node", "list", "-n", "office")["nodes"][0]
    assert found["online"] and found["ip4"] == "10.9.0.10" and found["endpoints"] == \
        ["192.0.2.7:51820"] and found["last_seen"] > 0 and found["os"] == "linux"
    assert "10.9.0.10" in server.good("node", "list", "-n", "office")
    at = found["created"] + 86400
    assert server.json("node", "expire", "anna", "-n", "office", "--at", str(at))["expires"] == at
    server.good("node", "expire", "anna", "-n", "office")
    assert stream.until("revoked")["why"] == "expired"
    assert node.register(join=False).code() == "expired"
    server.good("network", "set", "office", "--approve", "no")
    assert node.register().status == 200
    server.good("node", "remove", "anna", "-n", "office")
    assert node.register().code() == "removed"
    server.bad(NOT_FOUND, "no node anna in network office", "node", "remove", "anna", "-n", "office")
    points.ok("nodes: approve, rename, list, expire, return, remove for ever")


def check_relays(points, server):
    keys = ("--rk", "AQEB" * 10 + "AQE", "--sk", "AgIC" * 10 + "AgI")
    assert [relay["name"] for relay in server.json("relay", "list")["relays"]] == ["server"]
    made = server.json("relay", "add", "near", "--host", "relay.example.org", *keys)
    assert (made["id"], made["host"], made["udp"], made["alt"], made["tls"], made["state"]) == \
        (2, "relay.example.org", 3478, 3479, 443, "ok")
    assert (made["addrs"], made["own"], "network" in made) == ([], False, False)
    server.bad(CONFLICT, "a relay of that name", "relay", "add", "near", "--host", "192.0.2.1",
               *keys)
    server.bad(CONFLICT, "this server itself", "relay", "set", "server", "--state", "drain")
    server.bad(USAGE, "--rk and --sk are needed", "relay", "add", "far", "--host", "192.0.2.1")
    server.bad(USAGE, "--udp: a port", "relay", "set", "near", "--udp", "many")
    server.bad(USAGE, "nothing to set", "relay", "set", "near")
    server.bad(FAILED, "state: none of ok, avoid, drain", "relay", "set", "near", "--state", "bad")
    server.bad(FAILED, "addrs: not an address", "relay", "set", "near", "--addresses", "there")
    server.bad(NOT_FOUND, "no relay far here", "relay", "remove", "far")
    server.bad(NOT_FOUND, "no network lost here", "relay", "add", "far", "--host", "192.0.2.1",
               "--network", "lost", *keys)
    moved = server.json("relay", "set", "near", "--state", "drain", "--addresses",
                        "192.0.2.1,2001:db8::1", "--alt", "0")
    assert (moved["state"], moved["addrs"], moved["alt"]) == \
        ("drain", ["192.0.2.1", "2001:db8::1"], 0)
    assert server.json("relay", "show", "near") == moved
    assert "relay.example.org" in server.good("relay", "list")
    assert server.good("relay", "remove", "near").startswith("relay near is removed")
    assert len(server.json("relay", "list")["relays"]) == 1
    points.ok("relays: add, show, set, remove, and what may not be one")


def check_users(points, server):
    made = server.json("user", "add", "ann", "--max-nodes", "1", "--note", "from accounting")
    assert (made["name"], made["max_nodes"], made["disabled"], made["nodes"]) == \
        ("ann", 1, False, 0)
    server.bad(CONFLICT, "there is a user ann already", "user", "add", "ann")
    server.bad(FAILED, "name: ", "user", "add", "none")
    server.bad(NOT_FOUND, "no user bob here", "user", "show", "bob")
    server.bad(USAGE, "nothing to set", "user", "set", "ann")
    server.bad(USAGE, "--max-nodes", "user", "set", "ann", "--max-nodes", "many")
    server.bad(USAGE, "--expires", "user", "set", "ann", "--expires", "soon")
    server.bad(NOT_FOUND, "no user bob here", "key", "create", "-n", "office", "--user", "bob")
    key = server.json("key", "create", "-n", "office", "--reusable", "--user", "ann")
    link = Link(key["link"])
    assert key["user"] == "ann"
    laptop, phone = Node(link, "laptop"), Node(link, "phone")
    assert laptop.register().status == 200
    answer = phone.register()
    assert (answer.status, answer.code()) == (409, "full") and "user ann has 1 node" in \
        answer.json()["error"]["message"], answer.body
    assert server.json("user", "set", "ann", "--max-nodes", "0")["max_nodes"] == 0
    assert phone.register().status == 200
    assert server.json("user", "show", "ann")["nodes"] == 2
    assert server.json("node", "show", "phone", "-n", "office")["user"] == "ann"
    assert "ann" in server.good("node", "list", "-n", "office")
    points.ok("users: add, limits told to nodes, keys and nodes that are his")

    stream = laptop.stream()
    stream.until("snap-end")
    server.good("user", "set", "ann", "--disabled", "yes")
    assert stream.until("revoked")["why"] == "expired"
    assert laptop.register(join=False).code() == "expired"
    assert laptop.register().code() == "key-revoked"
    assert server.json("node", "show", "laptop", "-n", "office")["state"] == "suspended"
    assert "disabled" in server.good("user", "list")
    other = Node(Link(server.json("key", "create", "-n", "office")["link"]), "other")
    assert other.register().status == 200
    server.good("user", "set", "ann", "--disabled", "no", "--expires", "2099-01-31")
    wait_until(lambda: server.json("node", "show", "phone", "-n", "office")["state"] == "active",
               10, "her nodes are members again")
    assert laptop.register(join=False).status == 200
    server.good("user", "set", "ann", "--expires", "1000000000")
    wait_until(lambda: laptop.register(join=False).code() == "expired", 10, "her time is over")
    assert server.good("user", "list").splitlines()[1].split()[1] == "expired"
    server.good("user", "set", "ann", "--expires", "never", "--name", "anna")
    points.ok("users: disabled or expired suspends their nodes, freed they are members again")

    server.bad(CONFLICT, "owns 2 nodes", "user", "remove", "anna")
    server.good("node", "set", "laptop", "-n", "office", "--user", "none", "--name", "notebook")
    assert "user" not in server.json("node", "show", "notebook", "-n", "office")
    server.good("node", "remove", "phone", "-n", "office")
    server.good("user", "remove", "anna")
    assert server.json("user", "list")["users"] == []
    assert server.json("key", "show", key["id"], "-n", "office")["revoked"] is True
    server.good("node", "remove", "notebook", "-n", "office")
    server.good("node", "remove", "other", "-n", "office")
    points.ok("users: remove gives up no node unasked, and revokes the keys")


def check_sets(points, server):
    """What show and set know beside the rest."""
    key = server.json("key", "create", "-n", "office", "--note", "first")
    server.bad(USAGE, "nothing to set", "key", "set", key["id"], "-n", "office")
    server.good("key", "set", key["id"], "-n", "office", "--note", "second", "--expires",
                "2098-02-03T04:05")
    seen = server.json("key", "show", key["id"], "-n", "office")
    assert seen["note"] == "second" and seen["expires"] > key["expires"] and "link" not in seen
    node = Node(Link(key["link"]), "fixed")
    assert node.register().status == 200
    stream = node.stream()
    stream.until("snap-end")
    server.bad(FAILED, "ip4: ", "node", "set", "fixed", "-n", "office", "--ip4", "10.8.0.1")
    server.bad(FAILED, "ip4: ", "node", "set", "fixed", "-n", "office", "--ip4", "10.9.255.255")
    server.bad(USAGE, "nothing to set", "node", "set", "fixed", "-n", "office")
    assert server.json("node", "set", "fixed", "-n", "office", "--ip4", "10.9.7.7")["ip4"] == \
        "10.9.7.7"
    assert '\\"ip4\\":\\"10.9.7.7\\"' in json.dumps(stream.until("delta")["m"]).replace(" ", "")
    other = Node(Link(server.json("key", "create", "-n", "office")["link"]), "second")
    assert other.register().status == 200
    server.bad(CONFLICT, "another node has", "node", "set", "second", "-n", "office", "--ip4",
               "10.9.7.7")
    assert "ip4" not in server.json("node", "set", "second", "-n", "office", "--ip4", "none")
    assert server.json("network", "set", "office", "--max-nodes", "2")["max_nodes"] == 2
    late = Node(Link(server.json("key", "create", "-n", "office")["link"]), "late")
    answer = late.register()
    assert (answer.status, answer.code()) == (409, "full"), answer.body
    server.good("network", "set", "office", "--max-nodes", "0")
    assert late.register().status == 200, "the refusal used up the key"
    for name in ("fixed", "second", "late"):
        server.good("node", "remove", name, "-n", "office")
    points.ok("set: a key's note and end, a node's address, a network's limit")


def check_cloned(points, server):
    """A copied state directory: the host that came first keeps the node, both are told."""
    first = Node(Link(server.json("key", "create", "-n", "office")["link"]), "twin")
    assert first.register().status == 200
    copy = Node(Link(server.json("key", "create", "-n", "office")["link"]), "twin")
    copy.key, copy.wg, copy.id = first.key, first.wg, first.id
    stream = first.stream(clock=-20)
    stream.until("snap-end")
    assert "cloned" not in server.json("node", "show", "twin", "-n", "office")
    other = copy.stream(clock=-10)
    other.until("snap-end")
    assert stream.until("replaced") # as after any restart: nothing is proven yet
    assert "cloned" not in server.json("node", "show", "twin", "-n", "office")
    stream = first.stream()
    assert stream.until("cloned")
    assert other.until("replaced")
    for answer in (copy.ask("GET", "map", clock=20), copy.report("192.0.2.1:1"), copy.register(),
                   copy.ask("POST", "leave", b"{}", clock=30)):
        assert (answer.status, answer.code()) == (409, "cloned"), answer.body
        assert answer.json()["error"]["retry_in_s"] == 60
    assert first.report("192.0.2.9:51820").status == 200
    seen = server.json("node", "show", "twin", "-n", "office")
    assert seen["cloned"] > 0 and seen["endpoints"] == ["192.0.2.9:51820"] and seen["online"]
    assert "Two hosts use the key" in server.good("node", "show", "twin", "-n", "office")
    assert "cloned" in server.good("node", "list", "-n", "office")
    server.good("node", "remove", "twin", "-n", "office")
    points.ok("a copied key: the first host keeps the node, the other is refused, both are told")


def check_http(points, server):
    def post(body, extra=b""):
        return server.ask(b"POST /admin/v1/networks HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" +
                          extra + b"Content-Length: %d\r\n\r\n" % len(body) + body)

    for body, says in ((b"", b"bad-request"), (b"{", b"bad-request"), (b"[]", b"bad-request"),
                       (b'{"name":1}', b"name"), (b'{"name":"a","name":"b"}', b"bad-request"),
                       (b'{"name":"' + b"a" * 70000 + b'"}', b"too-large")):
        answer = post(body)
        assert says in answer and b'{"error":{"code":"' in answer, (body[:20], answer)
    answer = server.ask(b"GET /admin/v1/nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert b" 404 " in answer and b"not-found" in answer
    answer = server.ask(b"PUT /admin/v1/networks HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert b" 405 " in answer and b'"method"' in answer
    answer = server.ask(b"POST /admin/v1/networks HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
    assert b" 400 " in answer
    assert len(server.json("network", "list")["networks"]) == 2
    points.ok("bad JSON, oversize, unknown paths and methods: a clear error, nothing half-done")


def check_crash(points, server):
    for turn in range(5): # killed the moment the answer is there
        made = server.json("key", "create", "-n", "office", "--note", f"turn {turn}")
        assert server.down(signal.SIGKILL) == -signal.SIGKILL
        server.bad(NO_SERVER, "does not run", "status")
        server.up() # over the stale socket
        keys = {key["id"]: key for key in server.json("key", "list", "-n", "office")["keys"]}
        assert keys[made["id"]]["note"] == f"turn {turn}"
    node = Node(Link(made["link"]), "last")
    assert node.register().status == 200
    server.down(signal.SIGKILL)
    server.up()
    assert [one["node"] for one in server.json("node", "list", "-n", "office")["nodes"]] == [node.id]
    assert Node(Link(made["link"]), "other").register().code() == "key-used"
    points.ok("what was acknowledged survives SIGKILL: keys, nodes, that a key is used")


def check_full_disk(points, server):
    link = Link(server.json("key", "create", "-n", "office", "--reusable")["link"])
    before = server.json("key", "list", "-n", "office")
    ballast = server.state / "ballast"
    with open(ballast, "wb", buffering=0) as full:
        try:
            while True:
                full.write(b"x" * 4096)
        except OSError:
            pass

    def refused():
        return server.call("key", "create", "-n", "office").returncode == FAILED
    wait_until(refused, 20, "the storage is full")
    known = len(server.json("key", "list", "-n", "office")["keys"])
    answer = Node(link, "unlucky").register()
    assert (answer.status, answer.code()) == (503, "busy"), (answer.status, answer.body)
    assert answer.json()["error"]["retry_in_s"] > 0
    assert known >= len(before["keys"]) and server.process.poll() is None
    assert len(server.json("key", "list", "-n", "office")["keys"]) == known
    ballast.unlink()
    assert Node(link, "lucky").register().status == 200
    points.ok("a full disk: writes are refused with busy, reads go on; then writes work again")


def check_second(points, server):
    done = server.call("run")
    assert done.returncode == FAILED and server.process.poll() is None, done.stderr
    server.good("status")
    assert server.down() == 0 and not server.socket.exists()
    points.ok("a second server is refused; a stop in order takes the socket away")


def main():
    need("mount", "umount")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    points, folder = Points(), pathlib.Path(make_dir())
    server = Server(folder)
    try:
        server.good("setup")
        check_no_server(points, server)
        server.up()
        check_socket(points, server)
        check_networks(points, server)
        check_keys(points, server)
        check_nodes(points, server)
        check_users(points, server)
        check_relays(points, server)
        check_sets(points, server)
        check_cloned(points, server)
        check_http(points, server)
        check_crash(points, server)
        check_full_disk(points, server)
        check_second(points, server)
        print(f"1..{points.count}")
    except BaseException:
        if server.log.exists():
            print("\n".join(f"# {line}" for line in server.log.read_text().splitlines()[-40:]))
        raise
    finally:
        if server.process is not None and server.process.poll() is None:
            server.process.kill()
        subprocess.run(["umount", server.state], check=False)
        shutil.rmtree(folder, ignore_errors=True)


main()
