"""Bad input without end: python3 vandal.py LINK TARGETS, run by tests on a host of the lab.

A stranger who throws bytes at everybody's ports, and a member who may come in and then sends what no
member should. A JSON line a turn tells what was done. TARGETS: a file that names data planes, read each turn: a line
"ADDRESS PORT" for each. That the server is away for a moment is not our matter."""
import json
import os
import pathlib
import random
import socket
import sys
import time

from httpnode import Connection, Link, Node

done = {"datagrams": 0, "connections": 0, "refused": 0, "accepted": 0}
HEADS = [b"\x16\x03\x01\xff\xff" + os.urandom(64), b"GET / HTTP/1.1\r\n\r\n", os.urandom(200), b"",
         b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"]


def throw(targets):
    """Junk that looks like each kind of message."""
    for line in pathlib.Path(targets).read_text(encoding="ascii").splitlines():
        address, port = line.split()
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as own:
            for _ in range(30):
                kind = bytes([random.choice((0, 1, 2, 3, 4, 5, 0x21, 0x40, 0xff)), 0, 0, 0])
                size = random.choice((0, 1, 28, 60, 88, 144, random.randrange(1400)))
                own.sendto(kind + os.urandom(size), (address, int(port)))
                done["datagrams"] += 1


def knock(link):
    """What is no TLS, or only its beginning. The last ones stay open until the next turn."""
    stay = []
    for _ in range(10):
        one = socket.create_connection((link.host, link.port), 5)
        one.sendall(random.choice(HEADS))
        stay.append(one)
        done["connections"] += 1
    return stay


def misbehave(member):
    """A member's own requests, each of them wrong."""
    good = member.endpoints("192.0.2.1:1")
    bodies = [b"{", b"[]", b'{"e":1}', b"[" * 4000, json.dumps({"e": {**good, "s": "AAAA"}}).encode(),
              json.dumps({"e": member.sign_object("E", {"node": member.id, "seq": -1})}).encode(),
              json.dumps({"e": member.sign_object("K", {"node": "x" * 60000})}).encode()]
    for body in bodies:
        answer = member.ask("POST", "report", body)
        done["refused" if answer.status >= 400 else "accepted"] += 1
    own = Connection(member.link)
    own.send(b"POST " + b"/" * 20000 + b" HTTP/1.1\r\n\r\n")
    done["refused" if own.read().status >= 400 else "accepted"] += 1
    own.close()


def main():
    link = Link(sys.argv[1].replace("mesh.example/", "mesh.example:443/"))
    member, registered, stay = Node(link, "vandal"), False, []
    while True:
        try:
            throw(sys.argv[2])
            for one in stay:
                one.close()
            stay = knock(link)
            registered = registered or member.register().status == 200
            if registered:
                misbehave(member)
        except (OSError, EOFError, ValueError):
            pass # the server, or the node, is away: it is being killed
        print(json.dumps(done), flush=True)
        time.sleep(0.3) # its pace: the bytes count, not how many


main()
