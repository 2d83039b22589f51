"""A slow WireGuard of its own, for both suites of docs/PROTOCOL.md §10: written after that page and
the whitepaper, on Python's hashlib and cryptography, with nothing of meshd in it.

    peer = Peer(private, other_public, suite=AES)       keys: 32 bytes
    message = peer.initiate(index, tai64n())            148 bytes; peer.finish(response) → session
    index, session, message = peer.respond(initiation, index)
    session.seal(packet) → datagram, session.open(datagram) → packet
Wrong bytes raise Refused. suitepeer.py vectors prints the known answers of vectors-noise.h."""
import hashlib
import hmac
import os
import struct
import sys
import time

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


class Refused(Exception):
    """Not authentic, or not for us."""


class Suite:
    def __init__(self, bits, cipher, order, noise, prologue):
        self.bits, self.cipher, self.order = bits, cipher, order
        self.noise, self.prologue = noise, prologue

    def nonce(self, counter):
        return bytes(4) + counter.to_bytes(8, self.order)

    def seal(self, key, counter, text, extra=b""):
        return self.cipher(key).encrypt(self.nonce(counter), text, extra)

    def open(self, key, counter, sealed, extra=b""):
        try:
            return self.cipher(key).decrypt(self.nonce(counter), sealed, extra)
        except InvalidTag:
            raise Refused("the tag is wrong") from None


WG1 = Suite(0, ChaCha20Poly1305, "little", b"Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s",
            b"WireGuard v1 zx2c4 Jason@zx2c4.com")
AES = Suite(0x60, AESGCM, "big", b"Noise_IKpsk2_25519_AESGCM_BLAKE2s", b"Mesh aesgcm1")


def blake(*parts):
    return hashlib.blake2s(b"".join(parts)).digest()


def mac(key, data):
    return hashlib.blake2s(data, digest_size=16, key=key).digest()


def hmac_blake(key, data):
    return hmac.new(key, data, hashlib.blake2s).digest()


def kdf(chain, secret, n):
    """n keys of 32 bytes, the first the new chain."""
    root, out, last = hmac_blake(chain, secret), [], b""
    for i in range(1, n + 1):
        last = hmac_blake(root, last + bytes([i]))
        out.append(last)
    return out


def public_of(private):
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes(
        Encoding.Raw, PublicFormat.Raw)


def dh(private, public):
    return X25519PrivateKey.from_private_bytes(private).exchange(
        X25519PublicKey.from_public_bytes(public))


def tai64n():
    now = time.time_ns()
    return struct.pack(">QI", 2**62 + 10 + now // 10**9, now % 10**9)


class State:
    """Noise's symmetric state."""

    def __init__(self, suite, responder):
        self.suite = suite
        self.chain = blake(suite.noise)
        self.hash = blake(blake(self.chain, suite.prologue), responder)

    def mix_hash(self, data):
        self.hash = blake(self.hash, data)

    def mix_ephemeral(self, public):
        self.mix_key(public)
        self.mix_hash(public)

    def mix_key(self, secret):
        self.chain, key = kdf(self.chain, secret, 2)
        return key

    def mix_chain(self, secret):
        self.chain, = kdf(self.chain, secret, 1)

    def mix_psk(self, psk):
        self.chain, tau, key = kdf(self.chain, psk, 3)
        self.mix_hash(tau)
        return key

    def seal(self, key, text):
        sealed = self.suite.seal(key, 0, text, self.hash)
        self.mix_hash(sealed)
        return sealed

    def open(self, key, sealed):
        text = self.suite.open(key, 0, sealed, self.hash)
        self.mix_hash(sealed)
        return text


# KDF1 is the first output of KDF2: HKDF's outputs do not depend on how many are asked for.
class Session:
    def __init__(self, suite, send, receive, remote):
        self.suite, self.send_key, self.receive_key, self.remote = suite, send, receive, remote
        self.counter = 0

    def seal(self, packet):
        padded = packet + bytes(-len(packet) % 16)
        head = struct.pack("<IIQ", 4 | self.suite.bits, self.remote, self.counter)
        self.counter += 1
        return head + self.suite.seal(self.send_key, self.counter - 1, padded)

    def open(self, datagram):
        kind, _, counter = struct.unpack("<IIQ", datagram[:16])
        if kind != 4 | self.suite.bits:
            raise Refused(f"data of kind {kind:#x}")
        return self.suite.open(self.receive_key, counter, datagram[16:])


class Peer:
    """We, with one other."""

    def __init__(self, private, other, suite=AES, psk=bytes(32)):
        self.private, self.public, self.other = private, public_of(private), other
        self.suite, self.psk = suite, psk

    def add_macs(self, message, to):
        return message + mac(blake(b"mac1----", to), message) + bytes(16)

    def initiate(self, index, timestamp, ephemeral=None):
        state = State(self.suite, self.other)
        self.ephemeral = ephemeral or os.urandom(32)
        public = public_of(self.ephemeral)
        state.mix_ephemeral(public)
        static = state.seal(state.mix_key(dh(self.ephemeral, self.other)), self.public)
        stamp = state.seal(state.mix_key(dh(self.private, self.other)), timestamp)
        self.state, self.index = state, index
        return self.add_macs(struct.pack("<II", 1 | self.suite.bits, index) + public + static + stamp,
                             self.other)

    def finish(self, response):
        kind, remote, receiver = struct.unpack("<III", response[:12])
        if kind != 2 | self.suite.bits or receiver != self.index or len(response) != 92:
            raise Refused(f"a response of kind {kind:#x} to {receiver}")
        state, public = self.state, response[12:44]
        state.mix_ephemeral(public)
        state.mix_chain(dh(self.ephemeral, public))
        state.mix_chain(dh(self.private, public))
        state.open(state.mix_psk(self.psk), response[44:60])
        if mac(blake(b"mac1----", self.public), response[:60]) != response[60:76]:
            raise Refused("mac1 is wrong")
        send, receive = kdf(state.chain, b"", 2)
        return Session(self.suite, send, receive, remote)

    def respond(self, initiation, index, ephemeral=None):
        kind, remote = struct.unpack("<II", initiation[:8])
        if kind != 1 | self.suite.bits or len(initiation) != 148:
            raise Refused(f"an initiation of kind {kind:#x}")
        if mac(blake(b"mac1----", self.public), initiation[:116]) != initiation[116:132]:
            raise Refused("mac1 is wrong")
        state, public = State(self.suite, self.public), initiation[8:40]
        state.mix_ephemeral(public)
        if state.open(state.mix_key(dh(self.private, public)), initiation[40:88]) != self.other:
            raise Refused("it is somebody else")
        self.timestamp = state.open(state.mix_key(dh(self.private, self.other)), initiation[88:116])
        own = ephemeral or os.urandom(32)
        state.mix_ephemeral(public_of(own))
        state.mix_chain(dh(own, public))
        state.mix_chain(dh(own, self.other))
        message = struct.pack("<III", 2 | self.suite.bits, index, remote) + public_of(own)
        message += state.seal(state.mix_psk(self.psk), b"")
        receive, send = kdf(state.chain, b"", 2)
        return Session(self.suite, send, receive, remote), self.add_macs(message, self.other)


# ---- known answers, with the inputs of the first two in vectors-noise.h ----

INPUTS = {
    "static_i": "f8a58cf0a9bee6f07510aa78c0ab6784921177d8a436d8760e9fceab35808776",
    "static_r": "a0a508eb3367356f8e8ba9c47126699ea63ae165ab87e77b89c6acf9dd774648",
    "eph_i": "f0a2a6304549e08de5367e53d59ff716dc30d1011e1b26b37afaab574ce0845c",
    "eph_r": "c056c8b895990e742a371661b8a714ade612bedecc628b2ad01b3bcb1273db6b",
    "timestamp": "400000006553f10a1c000000",
}
PSK = "c55854220a8ad39704d1df04472c1802fa446018c3bdaf35e557f9e02f272f7c"


def make_vector(suite, psk):
    given = {name: bytes.fromhex(text) for name, text in INPUTS.items()}
    initiator = Peer(given["static_i"], public_of(given["static_r"]), suite, bytes.fromhex(psk))
    responder = Peer(given["static_r"], public_of(given["static_i"]), suite, bytes.fromhex(psk))
    first = initiator.initiate(0x01020304, given["timestamp"], given["eph_i"])
    there, second = responder.respond(first, 0xa0b0c0d0, given["eph_r"])
    here = initiator.finish(second)
    assert responder.timestamp == given["timestamp"]
    assert (here.send_key, here.receive_key) == (there.receive_key, there.send_key)
    return {**INPUTS, "psk": psk, "initiation": first[:116].hex(), "mac1_i": first[116:132].hex(),
            "response": second[:60].hex(), "mac1_r": second[60:76].hex(),
            "key_i": here.send_key.hex(), "key_r": here.receive_key.hex()}


def main():
    for suite in (WG1, AES):
        for psk in ("00" * 32, PSK):
            print(suite.noise.decode(), "with" if int(psk, 16) else "without", "psk")
            for name, text in make_vector(suite, psk).items():
                print(f"    .{name} = {text}")


if __name__ == "__main__" and sys.argv[1:] == ["vectors"]:
    main()
