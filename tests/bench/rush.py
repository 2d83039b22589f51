#!/usr/bin/env python3
"""A thousand WireGuard peers that all want a session at once: rush.py ADDRESS PORT PUBLIC-KEY KEYS FIRST N WAVES

Each has an address of its own (198.18.0.1 on). The first messages of all waves are made beforehand; "ready" says so. With
each SIGUSR1 the next N send theirs at once, and "MS ms, COOKIES cookies, ANSWERED answered" tells how long it took until
each had been answered: a cookie is taken and the message sent again with it, silence is repeated after a second. The key of
peer n of KEYS is used once: wave w begins at FIRST + w * N."""
import base64
import ctypes
import resource
import selectors
import signal
import socket
import struct
import sys
import time

from initiators import Initiator, blake2s, read_keys

RETRY_S, LIMIT_S = 1.0, 15.0
MAC1, MAC2 = slice(116, 132), 132 # of an initiation
SODIUM = ctypes.CDLL("libsodium.so.23")


def open_cookie(message, asked, remote):
    """What the daemon sealed for us, by XChaCha20-Poly1305."""
    nonce, text, mac1 = message[8:32], message[32:64], asked[MAC1]
    out, size = ctypes.create_string_buffer(16), ctypes.c_ulonglong()
    failed = SODIUM.crypto_aead_xchacha20poly1305_ietf_decrypt(
        out, ctypes.byref(size), None, text, ctypes.c_ulonglong(len(text)), mac1, ctypes.c_ulonglong(len(mac1)), nonce,
        blake2s(b"cookie--", remote))
    return None if failed else out.raw


class Caller:
    """One of them: a socket of its own and its first message."""

    def __init__(self, number, secret, remote, where):
        self.initiator, self.remote, self.cookie = Initiator(number, secret, remote), remote, None
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((f"198.18.{number // 250}.{number % 250 + 1}", 7000))
        self.socket.connect(where)
        self.message, self.asked_at = self.initiator.initiation(), None

    def ask(self):
        if self.asked_at is not None and self.cookie is None:
            self.message = self.initiator.initiation() # the first may have been taken: its time counts once
        if self.cookie is not None:
            self.message = self.message[:MAC2] + blake2s(self.message[:MAC2], key=self.cookie, size=16)
        self.asked_at = time.monotonic()
        self.socket.send(self.message)

    def take(self):
        """Returns "answered", "cookie" or None."""
        message = self.socket.recv(2048)
        if message[0] == 2:
            return "answered"
        if message[0] != 3:
            return None
        self.cookie = open_cookie(message, self.message, self.remote)
        if self.cookie is None:
            return None
        self.ask()
        return "cookie"


class Wave:
    """N callers; what became of them."""

    def __init__(self, callers):
        self.waiting, self.count, self.cookies = {caller.socket: caller for caller in callers}, len(callers), 0
        self.selector = selectors.DefaultSelector()
        for one in self.waiting:
            self.selector.register(one, selectors.EVENT_READ)

    def take(self, one):
        what = self.waiting[one].take()
        self.cookies += what == "cookie"
        if what == "answered":
            self.selector.unregister(one)
            del self.waiting[one]
            one.close()

    def run(self):
        began = time.monotonic()
        for caller in self.waiting.values():
            caller.ask()
        while self.waiting and time.monotonic() < began + LIMIT_S:
            for key, _ in self.selector.select(0.1):
                self.take(key.fileobj)
            late = time.monotonic() - RETRY_S
            for caller in self.waiting.values():
                if caller.asked_at < late:
                    caller.ask()
        took = 1000 * (time.monotonic() - began)
        print(f"{took:.0f} ms, {self.cookies} cookies, {self.count - len(self.waiting)} answered", flush=True)
        for caller in self.waiting.values():
            caller.socket.close()


def main():
    address, port, public, keys = sys.argv[1:5]
    first, count, waves = map(int, sys.argv[5:])
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    resource.setrlimit(resource.RLIMIT_NOFILE, (waves * count + 100, waves * count + 100))
    remote = base64.b64decode(public)
    secrets = read_keys(keys, first, waves * count)
    callers = [Caller(n, secret, remote, (address, int(port))) for n, secret in enumerate(secrets)]
    print("ready", flush=True)
    for wave in range(waves):
        signal.sigwait({signal.SIGUSR1})
        Wave(callers[wave * count:(wave + 1) * count]).run()


if __name__ == "__main__":
    main()
