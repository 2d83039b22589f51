"""Speaks to a meshd with suitepeer.py: one question as JSON on standard input, the answer as JSON. See test-suites.py.

  echo         a handshake with these keys, then an echo request through the session
  other-suite  a true initiation whose first byte is then that of the other suite, mac1 made anew
  other-name   one of the other suite's byte with this suite's Noise name
  stranger     one with keys that nobody knows"""
import base64
import json
import os
import socket
import struct
import sys

import suitepeer
from suitepeer import AES, WG1, Peer, Refused

LIMIT_S = 3 # of silence


def unpack(text):
    return base64.urlsafe_b64decode(text.replace("+", "-").replace("/", "_").rstrip("=") + "=")


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xffff) + (total >> 16)
    return ~(total + (total >> 16)) & 0xffff


def make_echo(source, destination, reply=False):
    icmp = struct.pack("!BBHHH", 0 if reply else 8, 0, 0, 7, 1) + b"0123456789abcdef"
    icmp = icmp[:2] + struct.pack("!H", checksum(icmp)) + icmp[4:]
    ends = socket.inet_aton(source) + socket.inet_aton(destination)
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(icmp), 1, 0x4000, 64, 1, 0) + ends
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + icmp


def hear(udp, kinds):
    """The next datagram of one of these kinds; None: none comes."""
    try:
        while True:
            data = udp.recv(65536)
            if data[0] in kinds:
                return data
    except socket.timeout:
        return None


def echo(udp, to, peer, inner):
    udp.sendto(peer.initiate(77, suitepeer.tai64n()), to)
    answer = hear(udp, (2, 0x62))
    if answer is None:
        return {"response": None, "echo": False}
    try:
        session = peer.finish(answer)
    except Refused as why:
        return {"response": answer[0], "echo": str(why)}
    udp.sendto(session.seal(make_echo(*inner)), to)
    want = make_echo(inner[1], inner[0], True)
    for _ in range(20): # others may have something to say
        data = hear(udp, (4, 0x64))
        if data is None:
            break
        packet = session.open(data)
        if len(packet) >= len(want) and packet[20:len(want)] == want[20:] and packet[12:20] == want[12:20]:
            return {"response": answer[0], "echo": True}
    return {"response": answer[0], "echo": False}


def forge(what, private, other, suite):
    if what == "stranger":
        return Peer(os.urandom(32), other, suite).initiate(78, suitepeer.tai64n())
    peer = Peer(private, other, suite)
    if what == "other-name":
        twisted = suitepeer.Suite(suite.bits ^ 0x60, suite.cipher, suite.order, suite.noise, suite.prologue)
        return Peer(private, other, twisted).initiate(78, suitepeer.tai64n())
    message = peer.initiate(78, suitepeer.tai64n())
    return peer.add_macs(bytes([message[0] ^ 0x60]) + message[1:116], other)


def main():
    ask = json.load(sys.stdin)
    suite = WG1 if ask.get("suite") == "wg1" else AES
    private, other = unpack(ask["private"]), unpack(ask["other"])
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as udp:
        udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0) # it may answer by either
        udp.settimeout(LIMIT_S)
        udp.bind(("::", ask.get("port", 0)))
        to = tuple(ask["to"])
        if ask["what"] == "echo":
            return echo(udp, to, Peer(private, other, suite), ask["inner"])
        udp.sendto(forge(ask["what"], private, other, suite), to)
        answer = hear(udp, range(256))
        return {"response": None if answer is None else answer[0]}


if __name__ == "__main__":
    print(json.dumps(main()))
