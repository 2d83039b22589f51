"""The relay of mesh-server as nodes meet it: a real server on loopback, nodes written from
docs/PATHS.md. What must not arrive is proven by what was sent after it and does."""
import json
import shutil
import subprocess
import sys
import time

from space import SKIP, make_dir, need, wait_until

try:
    from cryptography.exceptions import InvalidSignature
    from httpnode import Link, Node, from_b64u
    from httpserver import Points, Server
    from relaynode import (AT, CLOSE, CONGESTED, DATA, GONE, LIMIT_S, MOVE, MOVED, PING, PONG,
                           RESET, RESTART, WHERE, RelayNode, RelayStream, RelayWebsocket, ask, read_at, stun,
                           verify)
except ImportError as missing:
    print(f"skipped: missing python3-cryptography ({missing})")
    sys.exit(SKIP)

MORE = """[relay]
udp = 34781
alt = 34791
rate = 1
burst = 500
"""


def join(link, name, source):
    """A member with a session at the relay."""
    node = Node(link, name)
    assert node.register().status == 200
    told = ask(node)
    relay = RelayNode(node, verify(link, "R", told["r"])["relays"][0], told["t"], source)
    relay.index = verify(link, "T", told["t"])["i"]
    assert relay.bind() == 0
    return relay


def check_map(points, link, server):
    node = Node(link, "first")
    assert node.register().status == 200
    told = ask(node)
    relays, token = verify(link, "R", told["r"]), verify(link, "T", told["t"])
    (entry,) = relays["relays"]
    assert (entry["id"], entry["udp"], entry["alt"], entry["state"]) == (1, 34781, 34791, "ok")
    assert from_b64u(entry["sk"]) == link.server and len(from_b64u(entry["rk"])) == 32
    assert token["node"] == node.id and 14300 < token["exp"] - time.time() <= 14400
    assert (token["bps"], token["burst"]) == (1_000_000, 500_000)
    stream = node.stream()
    assert stream.until("hello")["relays"] == relays["ver"] > 0
    stream.close()
    try:
        verify(link, "T", told["r"])
        raise AssertionError("an R passed for a T")
    except InvalidSignature:
        pass
    key = server.dir / "state" / "relay.key"
    assert key.stat().st_mode & 0o777 == 0o600 and len(key.read_text()) == 44
    answer = Node(link, "nobody").ask("GET", "relays")
    assert (answer.status, answer.code()) == (403, "not-member")
    points.ok("a member is told relays and token, both signed; a stranger nothing")
    return relays["ver"]


def check_forward(points, a, b, alien):
    assert a.seen == ("127.0.0.1", a.sock.getsockname()[1]) and 14300 < a.life_s <= 14400
    a.say(DATA, b.index, b"\x04" + bytes(1399))
    assert b.expect(DATA) == (DATA, a.index, b"\x04" + bytes(1399))
    b.say(DATA, a.index, b"x")
    assert a.expect(DATA) == (DATA, b.index, b"x")
    points.ok("two nodes of a network reach each other")
    assert alien.index not in (a.index, b.index)
    a.say(DATA, alien.index, b"hello")
    assert a.expect(GONE)[1] == alien.index
    alien.say(PING, 77, bytes(24))
    kind, number, payload = alien.expect(PONG)
    assert number == 77 and read_at(payload) == alien.seen
    points.ok("a node of another network gets nothing, not even by its number")


def check_forged(points, a, b):
    for spoil in (b.up, bytes(16), a.down):
        a.send(a.frame(DATA, b.index, b"forged", spoil))
    stolen = a.frame(DATA, b.index, b"a" * 40)
    b.send(stolen[:16] + b"b" * 40)
    a.send(stolen[:32] + b"the rest is for WireGuard")
    assert b.expect(DATA)[2] == b"a" * 16 + b"the rest is for WireGuard"
    points.ok("frames with a wrong mac go nowhere")


def check_where(points, a, b):
    a.say(WHERE, b.index, bytes(24))
    kind, index, payload = a.expect(AT)
    assert index == b.index and read_at(payload) == b.seen
    points.ok("a node is told where the relay sees another one of its network")


def check_move(points, a, b):
    a.move()
    a.say(PING, 1, bytes(24))
    heard = {a.expect(PONG if first else MOVE)[0]: None for first in (False, True)}
    assert set(heard) == {MOVE, PONG}
    b.say(DATA, a.index, b"to where it was")
    a.say(PING, 2, bytes(24))
    _, _, cookie = a.expect(MOVE)
    assert a.expect(PONG)[1] == 2
    a.say(MOVED, 0, bytes(16))
    a.say(PING, 3, bytes(24))
    a.expect(MOVE)
    a.expect(PONG)
    a.say(MOVED, 0, cookie)
    a.say(PING, 4, bytes(24))
    assert read_at(a.expect(PONG)[2]) == ("127.0.0.1", a.sock.getsockname()[1])
    b.say(DATA, a.index, b"here")
    assert a.expect(DATA)[2] == b"here"
    points.ok("a session moves to a new address only by the cookie sent there")


def check_replay(points, a):
    """Who heard a BIND and says it again, from the same address, while the cookie counts."""
    assert a.bind() == 0
    for _ in range(2):
        old = a.said
        assert a.bind() == 0
        a.send(old)
        answer = a.receive()
        assert (answer[0], answer[2]) == (0x53, 1) and answer[12:16] == bytes(4), answer
        a.say(PING, 9, bytes(24))
        assert a.expect(PONG)[1] == 9
    points.ok("an older BIND, said again, does not end the session that came after it")


def check_polite(points, a, b, link):
    """b is granted 1 Mbit/s and 500 KB at once; a sends ten times that, the third says a word in between."""
    third = join(link, "third", "127.0.0.4")
    flood = [a.frame(DATA, b.index, bytes([4, n]) + bytes(1398)) for n in range(40)]
    said = words = flooded = 0
    while said < 100 or words < said:
        if said < 100:
            third.say(DATA, b.index, b"word")
            said += 1
            for frame in flood:
                a.send(frame)
            third.say(PING, said, bytes(24))
            assert third.expect(PONG)[1] == said  # the relay has taken all, no socket is full
        while (data := b.receive(LIMIT_S if said == 100 and words < said else 0)) is not None:
            words += data[4:8] == third.index.to_bytes(4, "big")
            flooded += data[4:8] == a.index.to_bytes(4, "big")
            if words == said == 100:
                break
        assert said < 100 or words == said, f"{words} words came through, {flooded} of the flood"
    while a.expect(CONGESTED)[1] != b.index:
        pass
    points.ok("who floods a receiver does not silence others who speak to it")
    third.say(CLOSE)
    third.say(PING, 1, bytes(24))
    assert third.receive()[0] == RESET
    points.ok("a closed session is over")


def open_stream(link, name):
    """A member with a session over TLS."""
    node = Node(link, name)
    assert node.register().status == 200
    told = ask(node)
    stream = RelayStream(node, told["t"])
    assert stream.status == 101 and stream.headers["upgrade"] == "mesh-relay/1"
    stream.index, stream.token = verify(link, "T", told["t"])["i"], told["t"]
    return stream


def check_tls(points, a, link):
    c, d = open_stream(link, "c"), open_stream(link, "d")
    assert c.seen[0] == "127.0.0.1" and 14300 < c.life_s <= 14400
    c.say(DATA, d.index, b"\x04" + bytes(1499))
    assert d.expect(DATA) == (DATA, c.index, b"\x04" + bytes(1499))
    c.say(DATA, a.index, b"to UDP")
    assert a.expect(DATA) == (DATA, c.index, b"to UDP")
    a.say(DATA, c.index, b"to TLS")
    assert c.expect(DATA) == (DATA, a.index, b"to TLS")
    c.say(PING, 5, bytes(24))
    assert read_at(c.expect(PONG)[2]) == c.seen
    c.say(WHERE, d.index, bytes(24))
    assert c.expect(AT)[1:] == (d.index, bytes(24))
    c.say(WHERE, a.index, bytes(24))
    assert read_at(c.expect(AT)[2]) == ("127.0.0.1", a.sock.getsockname()[1])
    c.say(DATA, 9999, b"nobody")
    assert c.expect(GONE)[1] == 9999
    points.ok("two nodes over TLS, and one over TLS with one over UDP")
    many = [bytes([4]) + n.to_bytes(2, "big") + bytes(n % 1400) for n in range(150)]
    for frame in b"".join(c.frame(DATA, d.index, part) for part in many), b"":
        for at in range(0, len(frame), 777):  # cut anywhere
            c.connection.send(frame[at:at + 777])
    for part in many:
        assert d.expect(DATA)[2] == part
    points.ok("frames cut anywhere arrive whole and in order")
    check_tls_end(points, a, c, d)


def check_tls_end(points, a, c, d):
    again = RelayStream(c.node, c.token)
    assert again.status == 101
    try:
        c.hear()
        raise AssertionError("the older session goes on")
    except (EOFError, OSError):
        pass
    d.say(CLOSE)
    try:
        d.hear()
        raise AssertionError("a closed session goes on")
    except (EOFError, OSError):
        pass
    again.say(0x77, 0, b"nonsense")
    try:
        again.hear()
        raise AssertionError("nonsense is taken")
    except (EOFError, OSError):
        pass
    assert a.session and wait_until(lambda: is_gone(a, c), 10, "the session has gone")
    points.ok("a newer session, CLOSE or nonsense end a stream")
    other = Node(c.node.link, "thief")
    assert other.register().status == 200
    assert RelayStream(other, c.token).status == 400
    wrong = dict(c.token, s=c.token["s"][:-2] + ("AA" if c.token["s"][-2:] != "AA" else "BA"))
    assert RelayStream(c.node, wrong).status == 400
    assert RelayStream(c.node, c.token, protocol="h2c").status == 400
    points.ok("over TLS, too, a token serves its node alone")


def ends(stream):
    """The relay closes it."""
    try:
        while True:
            stream.hear()
    except (EOFError, OSError):
        return True


def check_websocket(points, a, link):
    plain, node = open_stream(link, "w1"), Node(link, "w2")
    assert node.register().status == 200
    told = ask(node)
    index = verify(link, "T", told["t"])["i"]
    far = RelayWebsocket(node, told["t"])
    assert far.status == 101
    far.say(DATA, plain.index, b"\x04" + bytes(1499))
    assert plain.expect(DATA) == (DATA, index, b"\x04" + bytes(1499))
    plain.say(DATA, index, b"to messages")
    assert far.expect(DATA) == (DATA, plain.index, b"to messages")
    far.say(DATA, a.index, b"to UDP")
    assert a.expect(DATA) == (DATA, index, b"to UDP")
    frames = b"".join(far.frame(DATA, plain.index, bytes([4, n]) + bytes(n * 9)) for n in range(100))
    messages = (far.message(far.BINARY, frames[:1], first=0) + far.message(far.ASK, b"still there?") +
                far.message(0, frames[1:40_000], first=0) + far.message(0, b"", first=0) +
                far.message(0, frames[40_000:]))
    for at in range(0, len(messages), 997):  # cut anywhere, and a ping in between
        far.connection.send(messages[at:at + 997])
    for n in range(100):
        assert plain.expect(DATA)[2] == bytes([4, n]) + bytes(n * 9)
    far.say(PING, 5, bytes(24))
    assert far.expect(PONG)[1] == 5 and far.answers == [(far.ANSWER, b"still there?")]
    points.ok("frames in WebSocket messages, however they are cut, and pings of that kind")
    for bad in (far.message(1, b"text"), far.message(far.BINARY, b"x", mask=b""),
                far.message(far.BINARY, b"x", first=0xC0), far.message(far.CLOSING, b"\x03\xe8"),
                b"\x82\xff" + bytes([127] * 8) + b"mask", far.message(far.BINARY, b"GET / HTTP/1.1")):
        stream = RelayWebsocket(node, told["t"])
        stream.connection.send(bad)
        assert ends(stream), bad
    assert RelayWebsocket(node, told["t"], version="12").status == 400
    assert RelayWebsocket(node, told["t"], protocols="chat").status == 400
    points.ok("what is no message of ours ends the stream, or does not begin one")


def check_stun(points):
    assert stun(34781) == ("127.0.0.1", 34781) and stun(34791) == ("127.0.0.1", 34791)
    assert stun(34781, change=2) == ("127.0.0.1", 34791)
    assert stun(34781, change=4) == (420, 34781)
    assert stun(34781, pad=False) is None
    points.ok("STUN on both ports, by the port asked for, never more than was asked")


def check_status(points, server):
    done = server.call("status", "--json")
    relay = json.loads(done.stdout)["relay"]
    assert relay["sessions"] >= 3 and relay["packets"] > 100 and relay["bytes"] > 100_000
    assert relay["dropped"] >= 4
    assert "sessions," in server.call("status").stdout
    points.ok("status counts sessions, packets, bytes and drops")


def is_gone(a, b):
    """Asked again: what a sends is over its allowance for a while after the flood."""
    a.say(DATA, b.index, b"anybody there?")
    while (heard := a.hear(0.2)) is not None:
        if heard[:2] == (GONE, b.index):
            return True
    return False


def check_removed(points, server, a, b):
    done = server.call("node", "remove", "b", "--network", a.node.link.network)
    assert done.returncode == 0, done.stderr
    b.say(PING, 1, bytes(24))
    while (heard := b.receive()) is not None and heard[0] != RESET:
        pass
    assert heard is not None
    assert b.bind() == 4
    wait_until(lambda: is_gone(a, b), 10, "the removed one is told to be gone")
    points.ok("a removed node's session ends at once, and its token counts no more")


def check_restart(points, server, link, a, b, ver):
    server.process.terminate()
    while (heard := a.hear())[0] != RESTART:
        pass
    assert heard[1] == 1000
    assert server.process.wait(LIMIT_S) == 0
    server.up()
    a.say(PING, 1, bytes(24))
    assert a.receive()[0] == RESET
    assert b.bind() == 4, "a removed node's token counts again"
    assert a.bind() == 0
    a.say(PING, 2, bytes(24))
    assert a.expect(PONG)[1] == 2
    assert verify(link, "R", ask(a.node)["r"])["ver"] == ver
    points.ok("a relay that stops says so; after it members' tokens count still, and the map is the same")


def check_off(points, server, link, a, ver):
    server.down()
    server.config.write_text(server.config.read_text() + "enabled = false\n")
    server.up()
    relays = verify(link, "R", ask(a.node)["r"])
    assert relays["relays"] == [] and relays["ver"] > ver
    assert "relay        off" in server.call("status").stdout
    points.ok("enabled = false: no relay, and a map of a higher version that says so")


def main():
    need()
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    points, folder = Points(), make_dir()
    server = Server(folder, MORE)
    server.config.write_text(server.config.read_text().replace("debug", "info"))  # the real sandbox
    try:
        link = server.setup("--reusable")
        server.up()
        assert server.call("network", "create", "other").returncode == 0
        other = Link(server.call("key", "create", "--network", "other").stdout.strip())
        ver = check_map(points, link, server)
        a, b = join(link, "a", "127.0.0.1"), join(link, "b", "127.0.0.2")
        alien = join(other, "alien", "127.0.0.3")
        check_forward(points, a, b, alien)
        check_forged(points, a, b)
        check_where(points, a, b)
        check_move(points, a, b)
        check_replay(points, a)
        check_tls(points, a, link)
        check_websocket(points, a, link)
        check_stun(points)
        check_polite(points, a, b, link)
        check_status(points, server)
        check_removed(points, server, a, b)
        check_restart(points, server, link, a, b, ver)
        check_off(points, server, link, a, ver)
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
