"""mesh-server as nodes meet it: a real binary on loopback, a client written from docs/PROTOCOL.md."""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time

from space import HANG_S, SKIP, make_dir, need, wait_until

try:
    from httpnode import Connection, Link, Node, b64u, from_b64u, raw_public
    from httpserver import PORT, Points, Server
except ImportError as missing:
    print(f"skipped: missing python3-cryptography ({missing})")
    sys.exit(SKIP)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def expect(answer, status, code):
    assert (answer.status, answer.code()) == (status, code), (answer.status, answer.body)
    return answer.json()["error"]


def raw(link, *parts):
    """Sends bytes as they are; the answer, and that the connection ends after it."""
    connection = Connection(link)
    for part in parts:
        connection.send(part)
    answer = connection.read()
    assert connection.at_end()
    connection.close()
    return answer


def check_setup(points, server, link):
    state = server.dir / "state"
    assert (state.stat().st_mode & 0o777, (state / "server.key").stat().st_mode & 0o777) == \
        (0o700, 0o600)
    assert link.server != (state / "server.key").read_bytes()[:32], "the link holds the secret half"
    done = server.call("setup", "--host", "elsewhere.example")
    assert done.returncode == 1 and "is there already" in done.stderr
    points.ok("setup makes key, database, network and link; a second one changes no address")


def check_config(points, server):
    good = server.config.read_text()
    for bad, says in (("[server]\nlisten = nonsense\n", '[server] listen: "nonsense" is not'),
                      ("[server]\nlissten = [::]:1\n", "[server] unknown key lissten"),
                      ("[sever]\n", "unknown group [sever]"),
                      ("[limits]\nthreads = 65\n", '[limits] threads: "65" is not a whole number'),
                      ("[server]\nstate_dir = here\n", "is not an absolute path"),
                      ("listen = [::]:1\n", "server.conf: ")):
        server.config.write_text(bad)
        done = server.call("run")
        assert done.returncode == 1 and says in done.stderr, (bad, done.stderr)
        assert str(server.config) in done.stderr
    server.config.write_text(good)
    points.ok("a bad configuration is refused, naming file, group and key")


def check_server(points, link):
    connection, began = Connection(link), int(time.time()) - 1 # its clock is coarser
    connection.send(b"GET /v1/server HTTP/1.1\r\nHost: x\r\n\r\n" * 2)
    first, second = connection.read().json(), connection.read().json()
    connection.close()
    assert (first["name"], first["proto_min"]) == ("mesh-server", 1) and first.keys() == second.keys()
    assert from_b64u(first["key"]) == link.server and began <= first["time"] <= time.time()
    points.ok("who we are, over a certificate of the key in the link")


def check_alone(points, server):
    for command in ("setup", "run"):
        done = server.call(command)
        assert done.returncode == 1 and "is running on it" in done.stderr, done.stderr
    points.ok("a second server on the same state is refused, and so is setup")


def check_tls(points, link):
    try:
        Connection(link, ssl.TLSVersion.TLSv1_2)
        raise AssertionError("TLS 1.2 was accepted")
    except ssl.SSLError:
        pass
    with socket.create_connection((link.host, link.port), 10) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
        try:
            assert b"HTTP" not in plain.recv(100)
        except ConnectionResetError:
            pass
    points.ok("TLS 1.3 alone")


def check_register(points, link, node):
    answer = node.register()
    assert answer.status == 200, answer.body
    found = answer.json()
    assert found["state"] == "active" and found["observed"] == "127.0.0.1"
    assert found["network"]["id"] == link.network and from_b64u(found["network"]["server"]) == \
        link.server
    m = found["m"]
    signed = b"mesh1-M\0" + bytes.fromhex(link.network) + m["b"].encode()
    Ed25519PublicKey.from_public_bytes(link.server).verify(from_b64u(m["s"]), signed)
    assert json.loads(m["b"])["node"] == node.id
    again = node.register(join=False)
    assert again.json()["m"] == m, "a repeat changed something"
    points.ok("register: a membership signed by the server key; a repeat changes nothing")


def check_keys(points, link):
    expect(Node(link, "late").register(), 403, "key-used")
    forged = Link(f"mesh://127.0.0.1:{PORT}/{link.network}?s={b64u(link.server)}&k={'A' * 22}")
    expect(Node(forged, "guess").register(), 403, "key-unknown")
    expect(Node(link, "bare").ask("POST", "register", Node(link, "x").register_body()), 400,
           "bad-request")
    points.ok("a used, an unknown key and another node's record are refused")


def check_signatures(points, link, node):
    target = node.path("report")
    unsigned = Node.assemble("POST", target, [], b"{}")
    expect(raw_answer(link, unsigned), 401, "bad-signature")
    headers = node.headers("POST", target, b"{}")
    expect(raw_answer(link, Node.assemble("POST", target, headers, b"[]")), 401, "bad-signature")
    expect(raw_answer(link, Node.assemble("POST", target + "?a=b", headers, b"{}")), 401,
           "bad-signature")
    error = expect(node.ask("POST", "report", b"{}", server="A" * 22), 421, "wrong-server")
    assert from_b64u(error["key"]) == link.server
    began = int(time.time()) - 1
    for clock in (-400, 400):
        error = expect(node.ask("POST", "report", b"{}", clock=clock), 401, "clock")
        assert began <= error["time"] <= time.time()
    points.ok("unsigned, changed, for another server, with a wrong clock: refused, saying why")


def raw_answer(link, request):
    connection = Connection(link)
    connection.send(request)
    answer = connection.read()
    connection.close()
    return answer


def check_replay(points, link, node):
    request = node.request("POST", node.path("report"),
                           json.dumps({"e": node.endpoints("192.0.2.1:1")}).encode())
    assert raw_answer(link, request).status == 200
    expect(raw_answer(link, request), 401, "replayed")
    body = {"e": node.endpoints("192.0.2.1:1")}
    error = expect(node.ask("POST", "report", body, nonce=os.urandom(16), clock=-60), 401, "replayed")
    node.start = os.urandom(8)  # its daemon starts again: newer by the clock, as the answer tells
    again = node.ask("POST", "report", body, clock=error["after"] + 1 - int(time.time()))
    assert again.status == 200, again.body
    points.ok("a request a second time, or of an older start, is refused; a newer start is not")


def check_http(points, link, node):
    host = b"Host: x\r\n"
    target = node.path("report").encode()
    for name, status, code, parts in (
            ("bad json", 400, "bad-request", None),
            ("two lengths", 400, "bad-request",
             [b"POST /v1/server HTTP/1.1\r\n" + host + b"Content-Length: 0\r\n" * 2 + b"\r\n"]),
            ("chunked", 400, "bad-request",
             [b"POST %s HTTP/1.1\r\n" % target + host + b"Transfer-Encoding: chunked\r\n\r\n"]),
            ("bare LF", 400, "bad-request", [b"GET /v1/server HTTP/1.1\nHost: x\n\n"]),
            ("many headers", 431, "headers",
             [b"GET /v1/server HTTP/1.1\r\n" + host + b"X: y\r\n" * 64 + b"\r\n"]),
            ("long header", 431, "headers", [b"GET /v1/server HTTP/1.1\r\nX: " + b"y" * 16384]),
            ("oversize body", 413, "too-large",
             [b"POST %s HTTP/1.1\r\n" % target + host + b"Content-Length: 40000\r\n\r\n" + b"x" * 40000]),
            ("no path", 404, "not-found", [b"GET / HTTP/1.1\r\n" + host + b"\r\n"]),
            ("method", 405, "method", [b"PUT /v1/server HTTP/1.1\r\n" + host + b"\r\n"])):
        answer = node.ask("POST", "report", b'{"e":') if parts is None else raw(link, *parts)
        assert (answer.status, answer.code()) == (status, code), (name, answer.status, answer.body)
        assert answer.json()["error"]["message"], name
    for body in (b"", b"[]", b'{"e":1}', b'{"e":{},"e":{}}', b'{"e":' + b"[" * 40 + b"]" * 40 + b"}",
                 b'{"e":"\xff"}'):
        expect(node.ask("POST", "register", body), 400, "bad-request")
    stranger = Node(link, "stranger")
    expect(stranger.ask("POST", "report", {"e": stranger.endpoints()}), 403, "not-member")
    stranger.link = Link(f"mesh://127.0.0.1:{PORT}/{'0' * 16}?s={b64u(link.server)}&k={'A' * 22}")
    expect(stranger.register(), 404, "no-network")
    points.ok("bad JSON, two lengths, oversize, strangers: a clear error each")


def check_map(points, server, link, node):
    stream = node.stream("?hb=60")
    assert stream.status == 200 and stream.headers["content-type"] == "application/x-ndjson"
    hello = stream.line()
    tip = json.loads(hello["tip"]["b"])
    signed = b"mesh1-tip\0" + bytes.fromhex(link.network) + hello["tip"]["b"].encode()
    Ed25519PublicKey.from_public_bytes(link.server).verify(from_b64u(hello["tip"]["s"]), signed)
    assert from_b64u(tip["nonce"]) == node.start + node.number.to_bytes(8, "big")
    snap, end = stream.until("snap"), stream.until("snap-end")
    assert json.loads(snap["m"]["b"])["node"] == node.id and snap["count"] == 0
    assert end["ver"] == snap["ver"] == tip["ver"]
    points.ok("the first stream: a fresh tip, a whole snapshot")

    other = Node(new_link(server, link), "other")
    assert other.register().status == 200
    delta = stream.until("delta")
    assert delta["from"] == snap["ver"] and json.loads(delta["put"][0]["m"]["b"])["node"] == other.id
    index = delta["put"][0]["i"]
    other_stream = other.stream()
    assert other_stream.until("snap")["count"] == 1
    while index not in stream.until("on")["i"]:  # the opening one had nobody
        pass
    assert other.report("192.0.2.7:51820").json()["e_seq"] == other.e_seq
    ep = stream.until("ep")
    assert ep["i"] == index and "192.0.2.7:51820" in ep["e"]["b"]
    points.ok("a peer's join, presence and endpoints come down the stream")

    newer = node.stream(f"?cursor={tip['epoch']}.{delta['to']}")
    assert newer.line()["t"] == "hello"
    stream.until("replaced")
    assert stream.line() is None
    points.ok("a newer stream takes over; a cursor up to date needs no snapshot")
    return other, other_stream, newer, f"{tip['epoch']}.{delta['to']}"


LINKS = []


def new_link(server, link):
    """Another join link of the same network: prepared by setup before the server ran."""
    assert LINKS, server.dir
    fresh = LINKS.pop()
    assert fresh.network == link.network
    return fresh


def check_poll(points, other, cursor):
    poll = other.stream(f"?cursor={cursor}&wait=1")
    lines = []
    while (line := poll.line()) is not None:
        lines.append(line["t"])
    assert lines[0] == "hello" and not set(lines) & {"snap", "delta"}, lines
    poll.connection.send(other.request("GET", other.path("map") + "?wait=55"))
    status, _ = poll.connection.read_head()
    assert status == 200, "the connection serves one poll after the other"
    poll.close()
    points.ok("a long poll ends with its wait, or with its snapshot")


def check_many(points, link, node):
    """A node holds four connections; a fifth costs it the oldest."""
    held = []
    for _ in range(5):
        connection = Connection(link)
        connection.send(node.request("POST", node.path("report"), b"{}"))
        connection.read()
        held.append(connection)
    assert held[0].at_end()
    held[4].send(node.request("POST", node.path("report"), b"{}"))
    assert held[4].read().status == 403
    for connection in held:
        connection.close()
    points.ok("at most four connections of a node")


def check_approval(points, server):
    """A network that asks for approval: the answer is held until somebody approves."""
    def ctl(*arguments):
        done = server.call(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    ctl("network", "create", "strict", "--approve", "yes")
    key = Link(ctl("key", "create", "--network", "strict", "--note", "for a test")["link"])
    node = Node(key, "guest")
    answer = node.register()
    assert (answer.status, answer.json()["state"]) == (202, "pending")
    expect(node.ask("GET", "map"), 403, "not-member")
    waiting = Connection(key)
    body = json.dumps(node.register_body(join=False)).encode()
    waiting.send(node.request("POST", node.path("register") + "?wait=55", body))
    ctl("node", "approve", "guest", "--network", "strict")
    answer = waiting.read()  # long before its 55 s
    assert (answer.status, answer.json()["state"]) == (200, "active"), answer.body
    stream = node.stream()
    assert stream.until("snap")["count"] == 0  # nobody of the other network
    assert ctl("status")["streams"] >= 1
    ctl("node", "remove", "guest", "--network", "strict")
    assert stream.until("revoked")["why"] == "removed" and stream.line() is None
    expect(node.ask("GET", "map"), 403, "removed")
    points.ok("a held registration is answered when approved; who is removed is told and cut off")
    return key.secret_text


def check_slow(points, server, link, node):
    """Whoever begins a header or a body and does not end it."""
    good = server.config.read_text()
    server.config.write_text(good.replace("header_ms = 60000", "header_ms = 1000").replace("body_ms = 60000",
                                                                                           "body_ms = 1000"))
    server.up()
    post = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n" % node.path("report").encode()
    for parts in ([b"GET /v1/serv"], [post, b"{"]):
        expect(raw(link, *parts), 408, "timeout")
    assert server.down() == 0
    server.config.write_text(good)
    points.ok("a slow header and a slow body: told so, and ended")


def check_flood(points, server, link):
    """Connections of one network beyond its bucket are closed, and the bucket fills again."""
    server.config.write_text(server.config.read_text().replace("accept_burst = 1000",
                                                               "accept_burst = 3")
                             .replace("accept_rate = 1000", "accept_rate = 1"))
    server.up()
    with contextlib.ExitStack() as stack: # all at once: the bucket fills meanwhile
        flood = [stack.enter_context(socket.create_connection((link.host, link.port), HANG_S)) for _ in range(100)]
        refused = sum(is_refused(plain) for plain in flood)
    assert refused >= 2, refused

    def comes_in():
        Connection(link).close()
        return True

    wait_until(comes_in, 10, "the bucket has filled again")
    assert server.down() == 0
    points.ok("a flood of connections is refused, and forgotten")


def is_refused(plain):
    """No TLS is answered or ended, but never with silence."""
    try:
        plain.sendall(b"hello")
        return plain.recv(1) == b""
    except (BrokenPipeError, ConnectionResetError):
        return True


def check_stop(points, server, stream, other_stream):
    assert server.down() == 0
    for one in (stream, other_stream):
        line = one.until("restart")
        assert line["retry_in_s"] >= 0 and line["spread_s"] > 0 and one.line() is None
    points.ok("SIGTERM: every stream is told to come back, exit 0")


def check_again(points, server, link, node, cursor):
    server.up()
    assert node.ask("POST", "register", node.register_body(join=False)).status == 200
    stream = node.stream(f"?cursor={cursor}")
    assert stream.line()["t"] == "hello"
    late = Node(new_link(server, link), "late")
    assert late.register().status == 200
    server.down(signal.SIGKILL)
    server.up()
    assert late.ask("POST", "register", late.register_body(join=False)).json()["state"] == "active"
    seen = node.stream(f"?cursor={cursor}")
    delta = seen.until("delta")
    assert json.loads(delta["put"][0]["m"]["b"])["node"] == late.id
    points.ok("after SIGKILL what was acknowledged is there; the cursor goes on")
    assert late.ask("POST", "leave", b"{}").status == 200
    expect(late.ask("POST", "leave", b"{}"), 403, "removed")
    expect(late.register(), 403, "removed")
    assert seen.until("delta")["gone"]
    points.ok("who leaves is gone, for the others too, and stays away")


def check_process(points, server, secrets):
    limits = pathlib.Path(f"/proc/{server.process.pid}/limits").read_text()
    core = next(line for line in limits.splitlines() if line.startswith("Max core file size"))
    assert core.split()[4:6] == ["0", "0"], core
    log = server.log.read_text()
    assert not any(secret in log for secret in secrets)
    assert server.down(signal.SIGINT) == 0
    points.ok("no core dump, no secret in the log")


def check_systemd(points, server, link):
    """A socket inherited as systemd passes it, and the word that we are ready."""
    listener = socket.create_server(("127.0.0.1", PORT + 1))
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.bind(str(server.dir / "notify.sock"))
    notify.settimeout(HANG_S)
    process = subprocess.Popen(
        ["sh", "-c", 'LISTEN_PID=$$ exec "$@"', "sh", server.program, "-c", str(server.config),
         "run"],
        env={**os.environ, "LISTEN_FDS": "1", "NOTIFY_SOCKET": str(server.dir / "notify.sock")},
        preexec_fn=lambda: os.dup2(listener.fileno(), 3), pass_fds=[3], stderr=subprocess.DEVNULL)
    assert notify.recv(100) == b"READY=1"
    link.port = PORT + 1
    check = Connection(link)
    check.send(b"GET /v1/server HTTP/1.1\r\nHost: x\r\n\r\n")
    assert check.read().status == 200
    try:
        socket.create_connection(("127.0.0.1", PORT), 1)
        raise AssertionError("it listens on its own as well")
    except ConnectionRefusedError:
        pass
    process.terminate()
    assert notify.recv(100) == b"STOPPING=1" and process.wait(HANG_S) == 0
    link.port = PORT
    points.ok("sockets from outside are used, readiness is told")


def main():
    need()
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    points, folder = Points(), make_dir()
    server = Server(folder)
    try:
        link = server.setup()
        LINKS.extend(server.setup() for _ in range(2))
        secrets = [link.secret_text, *(one.secret_text for one in LINKS)]
        check_setup(points, server, link)
        check_config(points, server)
        server.up()
        node = Node(link, "first")
        check_server(points, link)
        check_alone(points, server)
        check_tls(points, link)
        check_register(points, link, node)
        check_keys(points, link)
        check_signatures(points, link, node)
        check_replay(points, link, node)
        check_http(points, link, node)
        other, other_stream, stream, cursor = check_map(points, server, link, node)
        check_many(points, link, Node(link, "nobody"))
        check_poll(points, other, cursor)
        secrets.append(check_approval(points, server))
        other_stream = other.stream()
        other_stream.until("snap-end")
        check_stop(points, server, stream, other_stream)
        check_again(points, server, link, node, cursor)
        check_process(points, server, secrets)
        check_systemd(points, server, link)
        check_slow(points, server, link, node)
        check_flood(points, server, link)
        print(f"1..{points.count}")
    except BaseException:
        if server.log.exists():
            print("\n".join(f"# {line}" for line in server.log.read_text().splitlines()[-40:]))
        raise
    finally:
        if server.process is not None and server.process.poll() is None:
            server.process.kill()
        shutil.rmtree(folder, ignore_errors=True)


main()
