"""mesh-server under attack from many networks: honest nodes' requests succeed, their streams get changes.

Half-open connections by the thousand, TLS handshakes that stall, headers and bodies drop by drop, bombs.
All on loopback in a namespace of its own. Limits of time only end a hang; memory is bounded a connection."""
import contextlib
import json
import os
import pathlib
import select
import shutil
import socket
import ssl
import sys
import time

from space import SKIP, make_dir, need, wait_until

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "load"))
from rig import PORT, Server, prepare, skip_without  # noqa: E402

try:
    from httpnode import Connection, Link, Node
except ImportError as lack:
    print(f"skipped: missing python3-cryptography ({lack})")
    sys.exit(SKIP)

BUILD = os.environ.get("MESH_BUILD", "build/obj")
HALF_OPEN = 10000
SPARE = 600        # descriptors that are not half-open connections
SILENT_KIB = 2     # what one that says nothing may cost, at most
SERVER = """[limits]
accept_rate = 200
[timeouts]
handshake_ms = 15000
header_ms = 10000
body_ms = 10000
""" # honest nodes may be held up for a while: the machine is ours, too
LIMIT_S = 150      # ends a hang only
CASES = iter(range(1, 100))


def say(text):
    print(f"ok {next(CASES)} - {text}", flush=True)


def connect(number):
    """A connection from a network of its own: 127.x.y.9."""
    sock = socket.socket()
    sock.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
    sock.bind((f"127.{1 + number // 250}.{number % 250}.9", 0))
    sock.settimeout(LIMIT_S)
    sock.connect(("127.0.0.1", PORT))
    return sock


def connect_tls(number):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(connect(number))


class Honest:
    """Two members: one holds a stream, the other reports; a report must come out of the stream."""

    def __init__(self, link):
        self.a, self.b = Node(link, "a"), Node(link, "b")
        for node in (self.a, self.b):
            assert node.register().status == 200
        self.open()
        self.port = 1000

    def open(self):
        self.stream = self.a.stream("?hb=15")
        self.stream.connection.sock.settimeout(LIMIT_S)
        self.stream.until("on")

    def check(self):
        """A request on a connection of its own, and its news on the stream that is open."""
        self.port += 1
        endpoint = f"192.0.2.7:{self.port}"
        answer = self.b.report(endpoint)
        while answer.status == 429: # this test asks more often than a node may
            time.sleep(0.3)
            answer = self.b.report(endpoint)
        assert answer.status == 200, answer.body
        while endpoint not in self.stream.until("ep")["e"]["b"]:
            pass

    def renew(self):
        """A new stream, while the attack goes on; the newer one replaces the older."""
        self.open()
        self.check()


def is_over(sock):
    """The server has ended it: nothing but an end, or an answer and an end, can be read."""
    poll = select.poll() # select() takes no descriptor above 1023
    poll.register(sock, select.POLLIN)
    if not poll.poll(0):
        return False
    try:
        return sock.recv(4096) == b""
    except (ConnectionResetError, ssl.SSLError):
        return True


def wait_over(socks, limit_s, what):
    """All of them are ended by the server."""
    left = list(socks)

    def check():
        left[:] = [sock for sock in left if not is_over(sock)]
        return not left
    wait_until(check, limit_s, what)


def half_open(server, honest, count):
    before = server.rss_kib()
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(connect(number)) for number in range(count)]
        honest.check()
        honest.renew()
        grown = server.rss_kib() - before
        assert grown < count * SILENT_KIB + 4096, f"{grown} KiB more for {count} connections"
        say(f"{count} half-open connections: honest nodes do not notice; {grown} KiB more")
        wait_over(socks, LIMIT_S, "half-open connections are closed")
    honest.check()
    say("they are closed after the time for the handshake")


def stalled_tls(honest):
    """The first bytes of a ClientHello, and no more."""
    hello = bytes.fromhex("16030102000100")
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(connect(number)) for number in range(300)]
        for sock in socks:
            sock.sendall(hello)
        honest.check()
        honest.renew()
        wait_over(socks, LIMIT_S, "stalled handshakes are closed")
    say("300 stalled TLS handshakes are closed; honest nodes do not notice")


def slow(honest, start, count, what):
    """Requests that come drop by drop, each drop well within any idle limit."""
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(connect_tls(number)) for number in range(count)]
        for sock in socks:
            sock.sendall(start)
        left, began = list(socks), time.monotonic()
        while left:
            honest.check()
            for sock in list(left):
                try:
                    over = is_over(sock)
                    sock.sendall(b"x")
                except OSError:
                    over = True
                if over:
                    left.remove(sock)
            assert time.monotonic() - began < LIMIT_S, f"{len(left)} of {count} are still open"
            time.sleep(0.3) # the attackers' pace
    say(f"{count} clients with {what} drop by drop are closed; honest nodes do not notice")


def answer_to(data):
    """The status of the answer to these bytes; None: closed without one."""
    with connect_tls(1) as sock:
        with contextlib.suppress(OSError):
            sock.sendall(data)
        head = b""
        with contextlib.suppress(OSError):
            while b"\r\n" not in head and (more := sock.recv(4096)):
                head += more
    return int(head.split()[1]) if head.startswith(b"HTTP/1.1 ") else None


def bombs(server, honest, link):
    get = b"GET /v1/server HTTP/1.1\r\nHost: x\r\n"
    path = f"/v1/networks/{link.network}/register".encode()
    post = b"POST " + path + b" HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
    cases = [("a header without end", get + b"A: " + b"a" * 40000, 431),
             ("a thousand header fields", get + b"A: b\r\n" * 1000 + b"\r\n", 431),
             ("10 GiB of body", post % (10 << 30), 413),
             ("a length beyond all numbers", post.replace(b"%d", b"9" * 40), 400),
             ("chunks", post.replace(b"Content-Length: %d", b"Transfer-Encoding: chunked"), 400)]
    before = server.rss_kib()
    for _ in range(20):
        for name, data, status in cases:
            got = answer_to(data)
            assert got == status, f"{name}: {got}"
        honest.check()
    bodies = [("too deep", b"[" * 16000), ("too deep objects", b'{"k":' * 3000),
              ("many keys", json.dumps({f"k{i}": i for i in range(1000)}).encode()),
              ("a wide number", b'{"proto":' + b"1" * 16000 + b"}"), ("no JSON", b"\0" * 16000),
              ("a long string", b'{"name":"' + b"a" * 16000 + b'"}')]
    node = Node(link, "bomber")
    for _ in range(10):
        for name, body in bodies:
            answer = node.ask("POST", "register", body)
            assert answer.status == 400, f"{name}: {answer.status}"
        honest.check()
    grown = server.rss_kib() - before
    assert grown < 8192, f"{grown} KiB more"
    say("bombs of header, length and JSON are refused, and leave no memory taken")


def takes_no_answer(server, honest, link):
    """A member that asks and asks and reads nothing: its bytes wait in a queue that has an end."""
    node = Node(link, "mute")
    assert node.register().status == 200
    before = server.rss_kib()
    connection = Connection(link)
    connection.sock.settimeout(1)
    for _ in range(2000):
        try:
            connection.send(b"GET /v1/server HTTP/1.1\r\nHost: x\r\n\r\n" * 50)
        except OSError: # full, or closed
            break
    honest.check()
    grown = server.rss_kib() - before
    connection.close()
    assert grown < 2048, f"{grown} KiB more"
    say(f"a client that reads no answer costs {grown} KiB at most, and nobody waits for it")


def run(server, files):
    with open(f"/proc/{server.process.pid}/limits", encoding="ascii") as limits:
        own = int(next(line for line in limits if line.startswith("Max open files")).split()[3])
    assert own > 1024, own
    say(f"started with 1024 descriptors, the server has raised its own limit to {own}")
    link = Link(server.link())
    honest = Honest(link)
    honest.check()
    half_open(server, honest, min(HALF_OPEN, files - SPARE, own - SPARE))
    stalled_tls(honest)
    slow(honest, b"GET /v1/server HTTP/1.1\r\nHost: ", 200, "a header")
    path = f"/v1/networks/{link.network}/register"
    slow(honest, f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 16000\r\n\r\n".encode(), 200,
         "a body")
    bombs(server, honest, link)
    takes_no_answer(server, honest, link)
    honest.renew()
    say("a fresh stream and a fresh request after it all")


need()
skip_without(BUILD)
FILES = prepare()
DIR = make_dir()
MESH = Server(DIR, BUILD, SERVER)
try:
    MESH.up()
    run(MESH, FILES)
    assert MESH.down() == 0
except BaseException:
    print(MESH.log()[-4000:])
    raise
finally:
    shutil.rmtree(DIR, ignore_errors=True)
print(f"1..{next(CASES) - 1}")
