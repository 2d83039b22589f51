"""An echo is asked for every 20 ms; when the answers came."""
import sys
import time

PROGRAM = r"""
import select, socket, struct, sys, time
def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff
s, number = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP), 0
s.setblocking(False)
while True:
    head = struct.pack("!BBHHH", 8, 0, 0, 4711, number & 0xffff)
    try:
        s.sendto(head[:2] + struct.pack("!H", checksum(head)) + head[4:], (sys.argv[1], 0))
    except OSError:
        pass # no way there
    number, end = number + 1, time.monotonic() + 0.02
    while (left := end - time.monotonic()) > 0:
        if not select.select([s], [], [], left)[0]:
            continue
        data, sender = s.recvfrom(2048)
        if sender[0] == sys.argv[1] and data[20] == 0 and data[24:26] == struct.pack("!H", 4711):
            print(time.monotonic(), flush=True)
"""


def between(lab, a, b):
    """They join a network, and a asks b from now on; b has answered."""
    link = lab.server.setup("home")
    lab.server.up()
    for node, text in ((a, link), (b, None)):
        node.up()
        node.join(text or lab.server.key("home"))
    a.reaches(b.addresses()[4])
    a.start("echo", sys.executable, "-c", PROGRAM, b.addresses()[4])
    a.wait_until(replies, 20, "answers")


def replies(node):
    return [float(line) for line in node.log("echo").splitlines()]


def is_silent(node):
    return time.monotonic() - replies(node)[-1] > 0.5
