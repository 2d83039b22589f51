"""On a LAN with Mesh nodes: hears their announcements, says its own. A stranger has no key; who once was a
member has the network's secret, and libsodium. Reads commands as JSON lines, answers each with one."""
import ctypes
import hashlib
import json
import os
import socket
import struct
import sys

GROUP4, GROUP6, PORT, NONCE, TAG = "239.77.83.72", "ff02::4d53", 7737, 24, 16
SODIUM = ctypes.CDLL("libsodium.so.23")
TO = {socket.AF_INET: (GROUP4, PORT), socket.AF_INET6: None}


def open_group(family, index):
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    if family == socket.AF_INET:
        sock.bind((GROUP4, PORT))
        member = struct.pack("=4s4si", socket.inet_aton(GROUP4), bytes(4), index)
        sock.setsockopt(socket.IPPROTO_IP, 35, member) # IP_ADD_MEMBERSHIP
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, member)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
    else:
        sock.bind((GROUP6, PORT, 0, index))
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP,
                        socket.inet_pton(family, GROUP6) + struct.pack("=I", index))
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 0)
        TO[family] = (GROUP6, PORT, 0, index)
    sock.setblocking(False)
    return sock


def hear(socks, heard):
    """Takes in what came. [[source address, datagram]]."""
    for sock in socks:
        while True:
            try:
                data, source = sock.recvfrom(65536)
            except BlockingIOError:
                break
            heard.append([source[0].split("%")[0], data.hex()])


def make_key(lan, net):
    return hashlib.blake2s(b"mesh1-lan" + net, key=lan, digest_size=32).digest()


def seal(key, plain):
    nonce, out, size = os.urandom(NONCE), ctypes.create_string_buffer(len(plain) + TAG), ctypes.c_ulonglong()
    SODIUM.crypto_aead_xchacha20poly1305_ietf_encrypt(out, ctypes.byref(size), plain,
                                                      ctypes.c_ulonglong(len(plain)), None,
                                                      ctypes.c_ulonglong(0), None, nonce, key)
    return nonce + out.raw


def unseal(key, datagram):
    """The plaintext; None: sealed by somebody else."""
    out, size = ctypes.create_string_buffer(len(datagram)), ctypes.c_ulonglong()
    text = datagram[NONCE:]
    if SODIUM.crypto_aead_xchacha20poly1305_ietf_decrypt(out, ctypes.byref(size), None, text,
                                                         ctypes.c_ulonglong(len(text)), None,
                                                         ctypes.c_ulonglong(0), datagram[:NONCE], key):
        return None
    return out.raw[:size.value]


def say(socks, datagrams):
    """In order; what the link's buffer has no room for is sent again."""
    for text in datagrams:
        for sock in socks:
            while True:
                try:
                    sock.sendto(bytes.fromhex(text), TO[sock.family])
                    break
                except BlockingIOError:
                    continue


def main():
    index = socket.if_nametoindex(sys.argv[1])
    socks = [open_group(family, index) for family in (socket.AF_INET, socket.AF_INET6)]
    heard = []
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        hear(socks, heard)
        if "say" in order:
            say(socks, order["say"])
        print(json.dumps(heard), flush=True)
        heard.clear()


if __name__ == "__main__":
    main()
