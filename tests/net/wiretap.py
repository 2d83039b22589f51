"""Somebody on the way, who hears and repeats: run by tests on a host of the lab.

    wiretap.py tap [DEVICE…]        as JSON lines: datagrams of WireGuard that pass, and what is bare:
                                    packets between mesh addresses that no tunnel hides; what comes
                                    in by one of these devices is not listened to
    wiretap.py replay COPIES        datagrams on standard input, sent again: from here and with the
                                    source they had, with one bit changed and, if they have arrived
                                    ("arrived": true), whole: what never arrived is no replay"""
import ipaddress
import json
import random
import socket
import struct
import sys

MESH = [ipaddress.ip_network(text) for text in ("10.64.0.0/10", "fd00::/8")]
UDP = 17
SO_RCVBUFFORCE, BUFFER = 33, 64 << 20 # a flood is over before all of it is written down
MOST = 1500 - 40 - 8 # bytes in one datagram here
AES = 0x60 # beside the type, in the suite of docs/PROTOCOL.md §10


def take_apart(packet):
    """(source, destination, protocol, payload) of an IP packet."""
    if packet[0] >> 4 == 4:
        header = (packet[0] & 15) * 4
        return (ipaddress.ip_address(packet[12:16]), ipaddress.ip_address(packet[16:20]), packet[9],
                packet[header:])
    return (ipaddress.ip_address(packet[8:24]), ipaddress.ip_address(packet[24:40]), packet[6],
            packet[40:])


def say(**what):
    print(json.dumps(what), flush=True)


def look(packet):
    source, destination, protocol, payload = take_apart(packet)
    if any(source in net or destination in net for net in MESH):
        say(bare=f"{source} to {destination}, protocol {protocol}")
        return
    if protocol != UDP or len(payload) < 8 + 32 or payload[8] & ~AES not in (1, 2, 4):
        return
    ports = struct.unpack("!HH", payload[:4])
    if 53 not in ports:
        say(source=[str(source), ports[0]], to=[str(destination), ports[1]],
            data=payload[8:].hex())


def tap(deaf_to):
    taps = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0003))
    taps.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
    say(ready=True)
    while True:
        packet, where = taps.recvfrom(65536)
        if where[2] != socket.PACKET_OUTGOING and where[1] in (0x0800, 0x86DD) and len(packet) > 40 and \
                where[0] not in deaf_to:
            look(packet)


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data)) if len(data) % 2 == 0 else \
        sum(struct.unpack(f"!{len(data) // 2 + 1}H", data + b"\0"))
    while total > 0xffff:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff or 0xffff


def forge(source, to, data):
    """Sends a datagram with any source."""
    ends = [ipaddress.ip_address(end[0]).packed for end in (source, to)]
    udp = struct.pack("!HHHH", source[1], to[1], 8 + len(data), 0) + data
    pseudo = ends[0] + ends[1] + struct.pack("!II", len(udp), UDP)
    udp = udp[:6] + struct.pack("!H", checksum(pseudo + udp)) + udp[8:]
    if len(ends[0]) == 4:
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, UDP, 0) + b"".join(ends)
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        raw.sendto(head + udp, (to[0], 0))
    else:
        head = struct.pack("!IHBB", 6 << 28, len(udp), UDP, 64) + b"".join(ends)
        raw = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)
        raw.sendto(head + udp, (to[0], 0))
    raw.close()


def replay(copies):
    sent = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own4, \
            socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as own6:
        for line in sys.stdin:
            heard = json.loads(line)
            data = bytes.fromhex(heard["data"])
            if len(data) > MOST: # several, which the network would have cut behind the tap
                continue
            bad = bytearray(data)
            # Of a handshake not in mac2, which nobody reads who is not under load.
            end = len(bad) if bad[0] in (4, 0x64) else len(bad) - 16
            bad[random.randrange(16, end)] ^= 1 << random.randrange(8)
            own = own6 if ":" in heard["to"][0] else own4
            for _ in range(copies):
                for each in (data, bytes(bad)) if heard["arrived"] else (bytes(bad),):
                    own.sendto(each, tuple(heard["to"]))
                    forge(heard["source"], heard["to"], each)
                    sent += 2
    say(sent=sent)


if sys.argv[1] == "tap":
    tap(sys.argv[2:])
replay(int(sys.argv[2]))
