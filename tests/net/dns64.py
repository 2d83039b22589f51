"""A name server for IPv6-only hosts: dns64.py ADDRESS PREFIX/96 HOSTS-FILE

Names are those of a hosts file. One without an IPv6 address gets one made of the prefix and its IPv4
address (RFC 6147); ipv4only.arpa is always such a name, by which clients find the prefix (RFC 7050)."""
import ipaddress
import socket
import struct
import sys

A, AAAA = 1, 28
NXDOMAIN = 3
IPV4ONLY = ("ipv4only.arpa", ["192.0.0.170", "192.0.0.171"])


def names(path):
    found = {IPV4ONLY[0]: list(IPV4ONLY[1])}
    with open(path, encoding="utf-8") as file:
        for words in map(str.split, file):
            for name in words[1:]:
                found.setdefault(name.lower(), []).append(words[0])
    return found


def addresses(known, kind, prefix):
    """Packed addresses of one type."""
    packed = {6: [], 4: []}
    for text in known:
        address = ipaddress.ip_address(text)
        packed[address.version].append(address.packed)
    if kind == A:
        return packed[4]
    if kind != AAAA:
        return []
    return packed[6] or [prefix.network_address.packed[:12] + ip4 for ip4 in packed[4]]


def reply(query, path, prefix):
    at, labels = 12, []
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode(errors="replace").lower())
        at += 1 + query[at]
    kind = struct.unpack_from("!H", query, at + 1)[0]
    known = names(path).get(".".join(labels))
    rows = [b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 1, len(data)) + data
            for data in addresses(known or [], kind, prefix)]
    print("asked", ".".join(labels), kind, len(rows), flush=True)
    flags = 0x8180 | (NXDOMAIN if known is None else 0)
    return (query[:2] + struct.pack("!HHHHH", flags, 1, len(rows), 0, 0) + query[12:at + 5] +
            b"".join(rows))


def main(address, prefix, path):
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sock.bind((address, 53))
    print("ready", flush=True)
    while True:
        query, source = sock.recvfrom(4096)
        try:
            sock.sendto(reply(query, path, ipaddress.ip_network(prefix)), source)
        except (IndexError, struct.error):
            pass # not a query


main(*sys.argv[1:])
