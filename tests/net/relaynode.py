"""A node at a relay as docs/PATHS.md describes it: HELLO to BOUND, frames with their macs, STUN.

Written from the document alone, so that it also tests whether the document can be followed."""
import base64
import hashlib
import json
import os
import select
import socket
import struct
import types

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from httpnode import Connection, b64u, from_b64u, raw_public

LIMIT_S = 50  # only ends a hang
DATA, PING, PONG, WHERE, AT, GONE, MOVE, MOVED, RESTART, CLOSE, CONGESTED = (
    0x40, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4A, 0x4B, 0x4C, 0x4D)
HELLO, COOKIE, BIND, BOUND, RESET = 0x50, 0x51, 0x52, 0x53, 0x54
MASK = 2 ** 64 - 1


def siphash(key, data):
    """SipHash-2-4 (Aumasson, Bernstein)."""
    def turn(value, bits):
        return (value << bits | value >> (64 - bits)) & MASK

    def rounds(v, count):
        for _ in range(count):
            v[0] = (v[0] + v[1]) & MASK
            v[1] = turn(v[1], 13) ^ v[0]
            v[0] = turn(v[0], 32)
            v[2] = (v[2] + v[3]) & MASK
            v[3] = turn(v[3], 16) ^ v[2]
            v[0] = (v[0] + v[3]) & MASK
            v[3] = turn(v[3], 21) ^ v[0]
            v[2] = (v[2] + v[1]) & MASK
            v[1] = turn(v[1], 17) ^ v[2]
            v[2] = turn(v[2], 32)
    low, high = struct.unpack("<QQ", key)
    v = [low ^ 0x736F6D6570736575, high ^ 0x646F72616E646F6D,
         low ^ 0x6C7967656E657261, high ^ 0x7465646279746573]
    padded = data + bytes(7 - len(data) % 8) + bytes([len(data) % 256])
    for (word,) in struct.iter_unpack("<Q", padded):
        v[3] ^= word
        rounds(v, 2)
        v[0] ^= word
    v[2] ^= 0xFF
    rounds(v, 4)
    return struct.pack("<Q", v[0] ^ v[1] ^ v[2] ^ v[3])


def read_at(data):
    """18 bytes → (address, port)."""
    port, address = struct.unpack(">H16s", data[:18])
    if address[:12] == bytes(10) + b"\xff\xff":
        return socket.inet_ntop(socket.AF_INET, address[12:]), port
    return socket.inet_ntop(socket.AF_INET6, address), port


def verify(link, kind, signed):
    data = b"mesh1-" + kind.encode() + b"\0" + bytes.fromhex(link.network) + signed["b"].encode()
    Ed25519PublicKey.from_public_bytes(link.server).verify(from_b64u(signed["s"]), data)
    body = json.loads(signed["b"])
    assert (body["t"], body["net"]) == (kind, link.network)
    return body


def ask(node):
    answer = node.ask("GET", "relays")
    assert answer.status == 200, answer.body
    return answer.json()


class RelayNode:
    """A Node's session at one relay of its map."""

    def __init__(self, node, entry, token, source="127.0.0.1"):
        self.node, self.token, self.source = node, token, source
        self.rk, self.port, self.session = from_b64u(entry["rk"]), entry["udp"], 0
        self.open()

    def open(self):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((self.source, 0))
        self.sock.connect(("127.0.0.1", self.port))

    def move(self):
        """Another source port."""
        old = self.sock
        self.open()
        old.close()

    def send(self, data):
        self.sock.send(data)

    def receive(self, wait_s=LIMIT_S):
        """The next datagram; None: none in time."""
        ready, _, _ = select.select([self.sock], [], [], wait_s)
        return self.sock.recv(65536) if ready else None

    def bind(self):
        """HELLO, COOKIE, BIND, BOUND. Returns the status."""
        nonce = os.urandom(8)
        self.send(bytes([HELLO, 1, 0, 0]) + nonce + bytes(52))
        answer = self.receive()
        assert answer[:12] == bytes([COOKIE, 1, 0, 0]) + nonce and len(answer) == 28, answer
        ephemeral = X25519PrivateKey.generate()
        public = raw_public(ephemeral)
        body = self.token["b"].encode()
        frame = (bytes([BIND, 1]) + struct.pack(">H", len(body)) + nonce + answer[12:] + public +
                 hashlib.sha256(self.node.link.server).digest()[:16] +
                 bytes.fromhex(self.node.link.network) + body + from_b64u(self.token["s"]))
        signed = b"mesh1-bind\0" + bytes.fromhex(self.node.link.network) + self.rk + frame
        self.said = frame + self.node.key.sign(signed)
        self.send(self.said)
        shared = ephemeral.exchange(X25519PublicKey.from_public_bytes(self.rk))
        self.up, self.down = (
            hashlib.blake2s(label + public + self.rk, key=shared).digest()[:16]
            for label in (b"mesh1-relay-up", b"mesh1-relay-down"))
        answer = self.receive()
        assert len(answer) == 56 and answer[:2] == bytes([BOUND, 1]) and answer[4:12] == nonce
        assert answer[40:] == hashlib.blake2s(answer[:40], key=self.down).digest()[:16], "mac"
        self.session, self.life_s = struct.unpack(">II", answer[12:20])
        self.seen = read_at(answer[20:38])
        return answer[2]

    def frame(self, kind, arg, payload=b"", key=None):
        head = bytes([kind]) + self.session.to_bytes(3, "big") + arg.to_bytes(4, "big")
        covered = payload[:16] if kind == DATA else payload
        return head + siphash(key or self.up, head + covered) + payload

    def say(self, kind, arg=0, payload=b""):
        self.send(self.frame(kind, arg, payload))

    def hear(self, wait_s=LIMIT_S):
        """The next frame of the session: (kind, arg, payload); None: none in time."""
        while (data := self.receive(wait_s)) is not None:
            covered = data[16:32] if data[0] == DATA else data[16:]
            if len(data) >= 16 and siphash(self.down, data[:8] + covered) == data[8:16]:
                return data[0], int.from_bytes(data[4:8], "big"), data[16:]
        return None

    def expect(self, kind):
        heard = self.hear()
        assert heard is not None and heard[0] == kind, (hex(kind), heard)
        return heard


def stun(port, change=0, pad=True, source="127.0.0.1", wait_s=LIMIT_S):
    """A binding request. Returns (mapped address or error, port it came from), None: no answer."""
    txid, attributes = os.urandom(12), b""
    if change:
        attributes += struct.pack(">HHI", 0x0003, 4, change)
    if pad:
        attributes += struct.pack(">HH", 0x0026, 24 - len(attributes)) + \
            bytes(24 - len(attributes))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((source, 0))
        request = struct.pack(">HHI", 1, len(attributes), 0x2112A442) + txid + attributes
        sock.sendto(request, ("127.0.0.1", port))
        if not select.select([sock], [], [], wait_s if pad else 0.5)[0]:
            return None
        answer, sender = sock.recvfrom(2048)
        assert len(answer) <= len(request) and answer[8:20] == txid
        kind, _, _ = struct.unpack(">HHI", answer[:8])
        if kind == 0x0111:
            return int(answer[26]) * 100 + int(answer[27]), sender[1]
        _, _, _, family, seen, raw = struct.unpack(">HHBBH4s", answer[20:32])
        address = bytes(a ^ b for a, b in zip(raw, b"\x21\x12\xa4\x42"))
        assert (kind, family) == (0x0101, 1) and seen ^ 0x2112 == sock.getsockname()[1]
        return socket.inet_ntop(socket.AF_INET, address), sender[1]


class RelayStream:
    """The same session over TLS."""

    def __init__(self, node, token, protocol="mesh-relay/1", entry=None, more=()):
        """@entry: of R; None: the relay of the node's own server. @more: header fields."""
        where = node.link if entry is None else types.SimpleNamespace(
            host=entry["host"] or entry["addrs"][0], port=entry["tls"], server=from_b64u(entry["sk"]))
        self.node, self.connection = node, Connection(where)
        text = ".".join((b64u(hashlib.sha256(node.link.server).digest()[:16]), node.link.network,
                         b64u(token["b"].encode()), token["s"]))
        headers = node.headers("GET", "/v1/relay")
        headers += [("Connection", "Upgrade"), ("Upgrade", protocol), ("Mesh-Token", text), *more]
        self.connection.send(node.assemble("GET", "/v1/relay", headers))
        self.status, self.headers = self.connection.read_head()
        if self.status != 101:
            return
        kind, self.session, payload = self.hear()
        assert kind == BOUND and len(payload) == 24
        self.seen, self.life_s = read_at(payload), int.from_bytes(payload[18:22], "big")

    @staticmethod
    def frame(kind, arg, payload=b""):
        return bytes([kind]) + len(payload).to_bytes(3, "big") + arg.to_bytes(4, "big") + payload

    def send(self, data):
        self.connection.send(data)

    def take(self, count):
        return self.connection._bytes(count)

    def say(self, kind, arg=0, payload=b""):
        self.send(self.frame(kind, arg, payload))

    def hear(self):
        """The next frame; EOFError: the relay has closed."""
        head = self.take(8)
        payload = self.take(int.from_bytes(head[1:4], "big"))
        return head[0], int.from_bytes(head[4:8], "big"), payload

    def expect(self, kind):
        heard = self.hear()
        assert heard[0] == kind, (hex(kind), heard)
        return heard

    def close(self):
        self.connection.close()


class RelayWebsocket(RelayStream):
    """The same in binary WebSocket messages (RFC 6455)."""

    BINARY, CLOSING, ASK, ANSWER = 2, 8, 9, 10

    def __init__(self, node, token, version="13", protocols="other, mesh-relay.1"):
        self.input, self.answers = b"", []
        key = base64.b64encode(os.urandom(16)).decode()
        super().__init__(node, token, protocol="websocket", more=[
            ("Sec-WebSocket-Version", version), ("Sec-WebSocket-Key", key),
            ("Sec-WebSocket-Protocol", protocols)])
        if self.status == 101:
            accept = hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()
            assert self.headers["sec-websocket-accept"] == base64.b64encode(accept).decode().lower()
            assert self.headers["sec-websocket-protocol"] == "mesh-relay.1"

    @staticmethod
    def message(kind, payload, mask=b"mask", first=0x80):
        """One frame as a client sends it; mask b"": as none may."""
        count = len(payload)
        size = (bytes([count]) if count < 126 else b"\x7e" + struct.pack(">H", count)
                if count < 65536 else b"\x7f" + struct.pack(">Q", count))
        head = bytes([first | kind, size[0] | (0x80 if mask else 0)]) + size[1:] + mask
        return head + (bytes(byte ^ mask[n % 4] for n, byte in enumerate(payload)) if mask else payload)

    def send(self, data):
        self.connection.send(self.message(self.BINARY, data))

    def take(self, count):
        while len(self.input) < count:
            first, size = self.connection._bytes(2)
            assert size < 128, "a server's frame is masked"
            if size > 125:
                size = int.from_bytes(self.connection._bytes(2 if size == 126 else 8), "big")
            payload = self.connection._bytes(size)
            if first & 15 == self.BINARY:
                self.input += payload
            else:
                self.answers.append((first & 15, payload))
        part, self.input = self.input[:count], self.input[count:]
        return part
