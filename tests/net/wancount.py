"""Counts what goes through an interface, by kind, in bytes of IP; run by tests on a host of the lab.

    wancount.py DEVICE          prints "ready"; each SIGUSR1 prints totals since the last as a JSON object:
                                {"relay ping": [packets out, bytes out, packets in, bytes in], …}
    Counter(host, DEVICE)       starts it; .take() asks"""
import json
import signal
import socket
import struct
import sys

ETH_P_ALL, OUTGOING, UDP, TCP = 3, 4, 17, 6
SO_RCVBUFFORCE = 33
AES = 0x60 # beside the type, in the suite of docs/PROTOCOL.md §10
RELAY = {0x40: "relay data", 0x44: "relay ping", 0x45: "relay ping", 0x46: "relay where", 0x47: "relay where"}


def name_udp(payload):
    """What docs/PATHS.md §1 calls it."""
    if not payload:
        return "other UDP"
    first = payload[0] - AES if payload[0] in (AES + 1, AES + 2, AES + 4) else payload[0]
    if first in (1, 2, 3, 4) and payload[1:4] == b"\0\0\0":
        if first == 4:
            return "WireGuard keepalive" if len(payload) == 32 else "WireGuard data"
        return "WireGuard handshake"
    if first < 0x40 and payload[4:8] == b"\x21\x12\xa4\x42":
        return "STUN"
    if first == 0x40:
        return name_udp(payload[16:]) + " by relay"
    if 0x40 < first <= 0x5f:
        return RELAY.get(first, "relay session")
    return "probe" if first == 0xd5 else "other UDP"


def name(packet):
    if packet[0] >> 4 == 4:
        protocol, rest = packet[9], packet[(packet[0] & 15) * 4:]
        bad = packet[16] >= 224
    else:
        protocol, rest = packet[6], packet[40:]
        bad = packet[24] == 0xff
    if protocol == TCP:
        return "control" if 443 in struct.unpack("!HH", rest[:4]) else "other TCP"
    if protocol == UDP:
        return "multicast" if bad else "DNS" if 53 in struct.unpack("!HH", rest[:4]) else name_udp(rest[8:])
    return "ICMP"


class Totals:
    def __init__(self, device):
        self.tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
        self.tap.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
        self.tap.bind((device, ETH_P_ALL))
        self.found = {}

    def take(self, packet, where):
        if where[1] not in (0x0800, 0x86dd) or len(packet) < 24:
            return
        row = self.found.setdefault(name(packet), [0, 0, 0, 0])
        at = 0 if where[2] == OUTGOING else 2
        row[at] += 1
        row[at + 1] += len(packet)

    def drain(self, flags):
        try:
            self.take(*self.tap.recvfrom(65536, flags))
            return True
        except (BlockingIOError, InterruptedError):
            return False

    def tell(self, *_):
        while self.drain(socket.MSG_DONTWAIT):
            pass
        print(json.dumps(self.found), flush=True)
        self.found = {}


class Counter:
    def __init__(self, host, device):
        from space import wait_until # the other end runs without a lab
        self.host, self.wait_until = host, wait_until
        self.process = host.start("wancount", sys.executable, __file__, device)
        wait_until(lambda: "ready" in host.log("wancount"), 10, "the counter")

    def take(self):
        before = len(self.host.log("wancount").splitlines())
        self.process.send_signal(signal.SIGUSR1)
        self.wait_until(lambda: self.host.log("wancount").count("\n") > before, 20, "its totals")
        return json.loads(self.host.log("wancount").splitlines()[-1])


def main(device):
    totals = Totals(device)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    print("ready", flush=True)
    while True:
        if signal.sigtimedwait({signal.SIGUSR1}, 0.02):
            totals.tell()
        while totals.drain(socket.MSG_DONTWAIT):
            pass


if __name__ == "__main__":
    main(sys.argv[1])
