"""A node as docs/PROTOCOL.md describes it, in Python's own TLS: signs, registers, holds a stream.

Written from the document alone, so that it also tests whether the document can be followed."""
import base64
import hashlib
import json
import os
import re
import socket
import ssl
import time

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

COMPONENTS = '("@method" "@path" "@query" "content-digest" "mesh-server")'
LIMIT_S = 50  # only ends a hang


def b64u(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_b64u(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def raw_public(key):
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


class Link:
    """A join link, taken apart."""

    def __init__(self, text):
        found = re.fullmatch(r"mesh://(.+):(\d+)/([0-9a-f]{16})\?s=([\w-]{43})&k=([\w-]{22})", text)
        assert found, text
        self.host, self.port, self.network = found[1], int(found[2]), found[3]
        self.server, self.secret = from_b64u(found[4]), from_b64u(found[5])
        self.secret_text = found[5]

    def join_key(self):
        seed = hashlib.blake2s(b"mesh1-join-seed" + self.secret).digest()
        return Ed25519PrivateKey.from_private_bytes(seed)


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)

    def code(self):
        return self.json()["error"]["code"]


class Connection:
    """One TLS connection; requests go out as bytes, answers come back taken apart."""

    def __init__(self, link, version=ssl.TLSVersion.TLSv1_3):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.maximum_version = version
        raw = socket.create_connection((link.host, link.port), LIMIT_S)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self.sock = context.wrap_socket(raw)
        except BaseException:
            raw.close()
            raise
        pin = x509.load_der_x509_certificate(self.sock.getpeercert(True)).public_key()
        assert pin.public_bytes(Encoding.Raw, PublicFormat.Raw) == link.server, "wrong pin"
        self.input = b""

    def close(self):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data)

    def _fill(self):
        data = self.sock.recv(65536)
        if not data:
            raise EOFError
        self.input += data

    def _until(self, mark):
        while mark not in self.input:
            self._fill()
        part, self.input = self.input.split(mark, 1)
        return part

    def _bytes(self, count):
        while len(self.input) < count:
            self._fill()
        part, self.input = self.input[:count], self.input[count:]
        return part

    def read_head(self):
        lines = self._until(b"\r\n\r\n").decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:])
        return int(lines[0].split()[1]), headers

    def read_chunk(self):
        """b"" is the end of the body."""
        chunk = self._bytes(int(self._until(b"\r\n"), 16))
        assert self._bytes(2) == b"\r\n"
        return chunk

    def read(self):
        status, headers = self.read_head()
        if "content-length" in headers:
            return Answer(status, headers, self._bytes(int(headers["content-length"])))
        body = b""
        while chunk := self.read_chunk():
            body += chunk
        return Answer(status, headers, body)

    def at_end(self):
        """The server has closed, and said nothing more."""
        try:
            return self.sock.recv(1) == b""
        except ConnectionResetError:
            return True


class Stream:
    """An open map stream."""

    def __init__(self, connection):
        self.connection, self.buffer = connection, b""
        self.status, self.headers = connection.read_head()
        if self.status != 200:
            length = int(self.headers["content-length"])
            self.error = json.loads(connection._bytes(length))["error"]["code"]

    def line(self):
        """The next object; {} is a heartbeat, None the end."""
        while b"\n" not in self.buffer:
            chunk = self.connection.read_chunk()
            if not chunk:
                return None
            self.buffer += chunk
        line, self.buffer = self.buffer.split(b"\n", 1)
        return json.loads(line) if line else {}

    def until(self, kind):
        """The next line of that kind; the others are passed over."""
        while (line := self.line()) is not None:
            if line.get("t") == kind:
                return line
        raise EOFError(f"the stream ended before {kind}")

    def close(self):
        self.connection.close()


class Node:
    """Keys and counters of one node in one network."""

    def __init__(self, link, name):
        self.link, self.name = link, name
        self.key, self.wg = Ed25519PrivateKey.generate(), X25519PrivateKey.generate()
        self.id = b64u(raw_public(self.key))
        self.start, self.number, self.seq = os.urandom(8), 0, 1
        self.e_seq = int(time.time() * 1000)

    def path(self, name):
        return f"/v1/networks/{self.link.network}/{name}"

    def sign_object(self, kind, body, key=None):
        text = json.dumps({"t": kind, "net": self.link.network, **body}, separators=(",", ":"))
        data = b"mesh1-" + kind.encode() + b"\0" + bytes.fromhex(self.link.network) + text.encode()
        return {"b": text, "s": b64u((key or self.key).sign(data))}

    def record(self):
        return self.sign_object("K", {"node": self.id, "wg": b64u(raw_public(self.wg)),
                                      "seq": self.seq, "suites": ["wg1"]})

    def headers(self, method, target, body=b"", clock=0, server=None, nonce=None):
        """The four headers of a signed request, as a list of pairs."""
        path, mark, query = target.partition("?")
        if nonce is None:
            self.number += 1
            nonce = self.start + self.number.to_bytes(8, "big")
        digest = "sha-256=:" + base64.b64encode(hashlib.sha256(body).digest()).decode() + ":"
        server = server or b64u(hashlib.sha256(self.link.server).digest()[:16])
        params = (f'{COMPONENTS};created={int(time.time()) + clock};nonce="{b64u(nonce)}";'
                  f'keyid="{self.id}";alg="ed25519"')
        base = "\n".join((f'"@method": {method}', f'"@path": {path}', f'"@query": ?{query}',
                          f'"content-digest": {digest}', f'"mesh-server": {server}',
                          f'"@signature-params": {params}'))
        signature = base64.b64encode(self.key.sign(base.encode())).decode()
        return [("Content-Digest", digest), ("Mesh-Server", server),
                ("Signature-Input", f"mesh={params}"), ("Signature", f"mesh=:{signature}:")]

    def request(self, method, target, body=b"", **how):
        """The bytes of a whole signed request."""
        return self.assemble(method, target, self.headers(method, target, body, **how), body)

    @staticmethod
    def assemble(method, target, headers, body=b""):
        lines = [f"{method} {target} HTTP/1.1", "Host: mesh", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body

    def ask(self, method, name, body=b"", connection=None, **how):
        """One request on a connection of its own, or on the one given."""
        if isinstance(body, dict):
            body = json.dumps(body).encode()
        own = connection or Connection(self.link)
        own.send(self.request(method, self.path(name), body, **how))
        answer = own.read()
        if connection is None:
            own.close()
        return answer

    def register_body(self, join=True, **more):
        k = self.record()
        body = {"proto": 1, "k": k, "name": self.name, "os": "linux", "version": "0.1.0", **more}
        if join:
            key = self.link.join_key()
            data = b"mesh1-join\0" + bytes.fromhex(self.link.network) + k["b"].encode()
            body["join"] = {"key": b64u(raw_public(key)), "sig": b64u(key.sign(data))}
        return body

    def register(self, **more):
        return self.ask("POST", "register", self.register_body(**more))

    def endpoints(self, *texts):
        self.e_seq += 1
        return self.sign_object("E", {
            "node": self.id, "seq": self.e_seq, "exp": int(time.time()) + 3600,
            "eps": [{"a": text, "k": "local"} for text in texts]})

    def report(self, *texts):
        return self.ask("POST", "report", {"e": self.endpoints(*texts), "health": []})

    def stream(self, query="", **how):
        connection = Connection(self.link)
        connection.send(self.request("GET", self.path("map") + query, **how))
        return Stream(connection)
