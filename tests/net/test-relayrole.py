"""mesh-server --role=relay as its administrator meets it: set up, made known to a server by the line it prints,
used over UDP and TLS by nodes of the servers it trusts, and by nobody else."""
import shlex
import shutil
import signal
import stat
import subprocess
import sys

from space import HANG_S, SKIP, make_dir, need, wait_until

try:
    from httpnode import Node, b64u
    from httpserver import PORT, Points, Server
    from relaynode import DATA, RESTART, RelayNode, RelayStream, ask, stun, verify
except ImportError as missing:
    print(f"skipped: missing python3-cryptography ({missing})")
    sys.exit(SKIP)

OK, FAILED, USAGE = range(3)
MORE = """[relay]
udp = 34781
alt = 34791
"""


class Relay:
    """A lone relay on ports of its own."""

    def __init__(self, folder, program):
        self.program, self.dir, self.process = program, folder, None
        self.config, self.log = folder / "relay.conf", folder / "relay.log"

    def call(self, *words):
        return subprocess.run([self.program, "--role=relay", "-c", str(self.config), *words],
                              check=False, capture_output=True, text=True, timeout=HANG_S)

    def setup(self, trust, *more):
        done = self.call("setup", "--host", "127.0.0.1", "--port", "9443", "--udp", "34782", "--alt",
                         "34792", "--listen", "127.0.0.1:9443", "--state-dir",
                         str(self.dir / "relay-state"), "--trust", trust, *more)
        assert done.returncode == OK, done.stderr
        assert done.stdout.count("\n") == 1
        return done.stdout

    def up(self):
        with open(self.log, "a", encoding="utf-8") as out:
            self.process = subprocess.Popen(
                [self.program, "--role=relay", "-c", str(self.config)], stdin=subprocess.DEVNULL,
                stdout=out, stderr=out)
        wait_until(self.answers, 10, "the relay answers")

    def answers(self):
        assert self.process.poll() is None, self.log.read_text()
        return stun(34782, wait_s=0.2) is not None

    def down(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(HANG_S)


def check_setup(points, relay, key):
    done = relay.call("run")
    assert done.returncode == FAILED and str(relay.config) in done.stderr
    done = relay.call("setup", "--host", "127.0.0.1")
    assert done.returncode == FAILED and "--trust KEY" in done.stderr and not relay.config.exists()
    done = relay.call("setup", "--host", "127.0.0.1", "--trust", "no-key")
    assert done.returncode == FAILED and "trust" in done.stderr and not relay.config.exists(), done.stderr
    line = relay.setup(key, "--name", "near")
    again = relay.call("setup", "--name", "near")
    assert (again.returncode, again.stdout) == (OK, line)
    assert relay.call("setup", "--trust", key).returncode == FAILED
    assert relay.call("status").returncode == USAGE
    for name in ("relay.key", "identity.key"):
        path = relay.dir / "relay-state" / name
        assert stat.S_IMODE(path.stat().st_mode) == 0o600 and path.read_text().strip() not in line
    words = relay.config.read_text()
    relay.config.write_text(words.replace("trust = ", "trust = none;"))
    done = relay.call("run")
    assert done.returncode == FAILED and "[relay] trust" in done.stderr
    relay.config.write_text(words.replace(f"trust = {key}", ""))
    done = relay.call("run")
    assert done.returncode == FAILED and "trust is missing" in done.stderr
    relay.config.write_text(words)
    points.ok("setup writes file and keys once, and prints the line for the server each time")
    return line


def check_added(points, server, node, line):
    stream = node.stream()
    ver = stream.until("hello")["relays"]
    words = shlex.split(line)
    assert words[:3] == ["mesh-server", "relay", "add"]
    done = server.call(*words[1:])
    assert done.returncode == OK and "near" in done.stdout, done.stderr
    assert stream.until("relays")["ver"] == ver + 1
    stream.close()
    told = ask(node)
    own, near = verify(node.link, "R", told["r"])["relays"]
    assert (own["id"], near["id"], near["name"], near["state"]) == (1, 2, "near", "ok")
    assert (near["addrs"], near["udp"], near["tls"]) == (["127.0.0.1"], 34782, 9443)
    points.ok("the line makes the relay known: nodes are told at once")
    return near


def bind(link, name, near):
    node = Node(link, name)
    assert node.register().status == 200
    told = ask(node)
    relay = RelayNode(node, near, told["t"])
    assert relay.bind() == 0
    relay.index, relay.token = verify(link, "T", told["t"])["i"], told["t"]
    return relay


def check_used(points, link, near):
    a, b = bind(link, "a", near), bind(link, "b", near)
    a.say(DATA, b.index, b"\x04" + bytes(1399))
    assert b.expect(DATA) == (DATA, a.index, b"\x04" + bytes(1399))
    over_tls = RelayStream(b.node, b.token, entry=near)
    assert over_tls.status == 101
    a.say(DATA, b.index, b"to TLS")
    assert over_tls.expect(DATA) == (DATA, a.index, b"to TLS")
    over_tls.say(DATA, a.index, b"to UDP")
    assert a.expect(DATA) == (DATA, b.index, b"to UDP")
    over_tls.close()
    assert stun(34782) == ("127.0.0.1", 34782) and stun(34782, change=2) == ("127.0.0.1", 34792)
    points.ok("nodes meet there over UDP and TLS, and ask it for their address")
    return a


def check_strangers(points, stranger, near):
    """A server that the relay does not know gives its nodes nothing there."""
    node = Node(stranger, "c")
    assert node.register().status == 200
    told = ask(node)
    assert RelayNode(node, near, told["t"]).bind() == 5
    assert RelayStream(node, told["t"], entry=near).status in (400, 403, 421)
    points.ok("a token of another server opens nothing, over UDP or TLS")


def check_narrow(points, near, node):
    for path in ("/v1/server", "/v1/register", f"/v1/networks/{node.link.network}/relays"):
        done = subprocess.run(["curl", "-sk", f"https://127.0.0.1:{near['tls']}{path}"], check=True,
                              capture_output=True, text=True)
        assert '"not-found"' in done.stdout, done.stdout
    points.ok("nothing but the relay is to be had at its TLS port")


def check_restart(points, relay, near, a):
    assert relay.down() == 0
    while (heard := a.hear()) is not None and heard[0] != RESTART:
        pass
    assert heard is not None
    relay.up()
    assert a.bind() == 0
    points.ok("a stop says so to its nodes; after the next start their tokens count")
    other = subprocess.run([relay.program, "--role=relay", "-c", str(relay.config)], check=False,
                           capture_output=True, text=True, timeout=HANG_S)
    assert other.returncode == FAILED and relay.process.poll() is None
    points.ok("a second one on the same state is refused")


def main():
    need("curl")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    points, folder = Points(), make_dir()
    server = Server(folder, MORE)
    server.config.write_text(server.config.read_text().replace("debug", "info"))  # the real sandbox
    other = Server(folder / "other", "[relay]\nudp = 34783\nalt = 34793\n", PORT + 1)
    relay = Relay(folder, server.program)
    try:
        link, stranger = server.setup("--reusable"), other.setup("--reusable")
        server.up()
        other.up()
        key = b64u(link.server)
        line = check_setup(points, relay, key)
        relay.up()
        node = Node(link, "first")
        assert node.register().status == 200
        near = check_added(points, server, node, line)
        a = check_used(points, link, near)
        check_strangers(points, stranger, near)
        check_narrow(points, near, node)
        check_restart(points, relay, near, a)
        print(f"1..{points.count}")
    except BaseException:
        for log in (server.log, relay.log):
            if log.exists():
                print("\n".join(f"# {line}" for line in log.read_text().splitlines()[-20:]))
        raise
    finally:
        for each in (server, other, relay):
            if each.process is not None and each.process.poll() is None:
                each.process.kill()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
