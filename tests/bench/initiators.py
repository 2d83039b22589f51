#!/usr/bin/env python3
"""Many WireGuard initiators on one socket:
   initiators.py ADDRESS PORT PUBLIC-KEY KEYS N INNER-ADDRESS [FILE FILES PACKETS]

Each of the first N private keys of the file KEYS makes a session with the one daemon there and pings its
inner address through it; "N answered" says how many got their answer. With FILE it then writes FILE.0,
FILE.1, …: sealed datagrams of 1200 bytes to UDP port 7777 there, PACKETS of each peer in a file, of all peers
in turns. Noise_IKpsk2 as in the WireGuard paper §5.4; written for this bench, so it knows no cookies: it
asks for few handshakes at a time."""
import base64
import hashlib
import hmac
import os
import select
import socket
import struct
import sys
import time

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

PORT = 7000 # ours: who sends what was sealed does so from there
INNER_PORT, PAYLOAD = 7777, 1200
AT_ONCE = 8 # handshakes under way
RETRY_S = 1.0
LIMIT_S = 10.0
NAME = b"Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s"
PROLOGUE = b"WireGuard v1 zx2c4 Jason@zx2c4.com"
ZERO = bytes(12)


def blake2s(*parts, key=b"", size=32):
    return hashlib.blake2s(b"".join(parts), key=key, digest_size=size).digest()


def derive(chain, material, count):
    def mac(key, data):
        return hmac.new(key, data, hashlib.blake2s).digest()
    secret, found, last = mac(chain, material), [], b""
    for n in range(1, count + 1):
        last = mac(secret, last + bytes([n]))
        found.append(last)
    return found


def raw(public):
    return public.public_bytes(Encoding.Raw, PublicFormat.Raw)


def make_keys(path, count):
    """Writes private keys, returns the public ones in base64."""
    secrets = [os.urandom(32) for _ in range(count)]
    path.write_bytes(b"".join(secrets))
    path.chmod(0o600)
    return [base64.b64encode(raw(X25519PrivateKey.from_private_bytes(s).public_key())).decode()
            for s in secrets]


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xffff) + (total >> 16)
    return ~((total & 0xffff) + (total >> 16)) & 0xffff


def ip4(source, target, protocol, body):
    """A packet, padded to 16 bytes as WireGuard wants it."""
    ends = socket.inet_aton(source) + socket.inet_aton(target)
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 0, 0, 64, protocol, 0) + ends
    whole = head[:10] + struct.pack("!H", checksum(head)) + head[12:] + body
    return whole + bytes(-len(whole) % 16)


def datagram(source, target):
    """One of UDP, with its checksum."""
    size = 8 + PAYLOAD
    head, text = struct.pack("!HHH", 7777, INNER_PORT, size), os.urandom(PAYLOAD)
    pseudo = socket.inet_aton(source) + socket.inet_aton(target) + struct.pack("!HH", 17, size)
    return ip4(source, target, 17, head + struct.pack("!H", checksum(pseudo + head + text) or 0xffff) + text)


def echo(source, target, number):
    """An ICMP echo request."""
    body = struct.pack("!BBHHH", 8, 0, 0, 1, number & 0xffff) + bytes(36)
    return ip4(source, target, 1, body[:2] + struct.pack("!H", checksum(body)) + body[4:])


class Initiator:
    """One of the crowd: its number is its index too."""

    def __init__(self, number, secret, remote):
        self.number, self.remote = number, remote
        self.static = X25519PrivateKey.from_private_bytes(secret)
        self.source = f"10.1.{number // 250}.{number % 250 + 1}"
        self.theirs, self.counter = 0, 0
        self.send_key = self.receive_key = self.chain = self.hash = self.ephemeral = None

    def mix(self, sealed):
        self.hash = blake2s(self.hash, sealed)
        return sealed

    def initiation(self):
        self.chain = blake2s(NAME)
        self.hash = blake2s(blake2s(self.chain, PROLOGUE), self.remote)
        self.ephemeral = X25519PrivateKey.generate()
        public, target = raw(self.ephemeral.public_key()), X25519PublicKey.from_public_bytes(self.remote)
        self.chain, = derive(self.chain, public, 1)
        self.mix(public)
        self.chain, key = derive(self.chain, self.ephemeral.exchange(target), 2)
        static = self.mix(ChaCha20Poly1305(key).encrypt(ZERO, raw(self.static.public_key()), self.hash))
        self.chain, key = derive(self.chain, self.static.exchange(target), 2)
        now = time.time()
        stamp = struct.pack("!QI", 0x400000000000000a + int(now), int(now % 1 * 1e9))
        stamp = self.mix(ChaCha20Poly1305(key).encrypt(ZERO, stamp, self.hash))
        message = struct.pack("<BxxxI", 1, self.number) + public + static + stamp
        return message + blake2s(message, key=blake2s(b"mac1----", self.remote), size=16) + bytes(16)

    def take_response(self, message):
        """From here on there is a session."""
        self.theirs, = struct.unpack_from("<I", message, 4)
        public = message[12:44]
        self.chain, = derive(self.chain, public, 1)
        self.mix(public)
        target = X25519PublicKey.from_public_bytes(public)
        for mine in (self.ephemeral, self.static):
            self.chain, = derive(self.chain, mine.exchange(target), 1)
        self.chain, mixed, key = derive(self.chain, bytes(32), 3)
        self.mix(mixed)
        ChaCha20Poly1305(key).decrypt(ZERO, message[44:60], self.hash)
        self.send_key, self.receive_key = map(ChaCha20Poly1305, derive(self.chain, b"", 2))

    def seal(self, packet):
        counter = struct.pack("<Q", self.counter)
        self.counter += 1
        return struct.pack("<BxxxI", 4, self.theirs) + counter + self.send_key.encrypt(bytes(4) + counter, packet, None)

    def is_answer(self, message):
        nonce = bytes(4) + message[8:16]
        plain = self.receive_key.decrypt(nonce, message[16:], b"")
        return len(plain) >= 28 and plain[9] == 1 and plain[20] == 0


class Crowd:
    """All initiators, and the one socket."""

    def __init__(self, initiators, where, inner):
        self.initiators, self.inner = initiators, inner
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("", PORT))
        self.socket.connect(where)
        self.waiting, self.asked, self.answered = list(range(len(initiators))), {}, set()

    def ask(self):
        now = time.monotonic()
        for number, since in list(self.asked.items()):
            if now > since + RETRY_S:
                del self.asked[number]
                self.waiting.append(number)
        while self.waiting and len(self.asked) < AT_ONCE:
            number = self.waiting.pop(0)
            self.asked[number] = now
            self.socket.send(self.initiators[number].initiation())

    def take(self, message):
        kind = message[0]
        number, = struct.unpack_from("<I", message, 8 if kind == 2 else 4)
        if number not in self.asked:
            return
        one = self.initiators[number]
        if kind == 2:
            one.take_response(message)
            self.socket.send(one.seal(echo(one.source, self.inner, number)))
        elif kind == 4 and one.receive_key and one.is_answer(message):
            self.answered.add(number)
            del self.asked[number]

    def run(self):
        end = time.monotonic() + LIMIT_S
        while len(self.answered) < len(self.initiators) and time.monotonic() < end:
            self.ask()
            if select.select([self.socket], [], [], 0.2)[0]:
                self.take(self.socket.recv(2048))


    def seal(self, path, files, packets):
        """What burst replays: path.0, path.1, …"""
        plain = [datagram(one.source, self.inner) for one in self.initiators]
        for number in range(files):
            with open(f"{path}.{number}", "wb") as file:
                for _ in range(packets):
                    file.writelines(one.seal(text) for one, text in zip(self.initiators, plain))


def read_keys(path, first, count):
    with open(path, "rb") as file:
        file.seek(32 * first)
        return [file.read(32) for _ in range(count)]


def main():
    address, port, public, keys, count, inner, *more = sys.argv[1:]
    remote, secrets = base64.b64decode(public), read_keys(keys, 0, int(count))
    crowd = Crowd([Initiator(n, secret, remote) for n, secret in enumerate(secrets)], (address, int(port)), inner)
    crowd.run()
    if more and len(crowd.answered) == len(secrets):
        crowd.seal(more[0], int(more[1]), int(more[2]))
    print(f"{len(crowd.answered)} answered", flush=True)


if __name__ == "__main__":
    main()
