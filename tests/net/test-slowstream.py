"""Streams over TLS through one relay: who takes nothing loses what is for it, and holds nobody up.
Nodes are written from docs/PATHS.md; what comes late is waited for, not timed."""
import shutil
import subprocess
import sys

from space import SKIP, make_dir, need

try:
    from httpnode import Node
    from httpserver import Points, Server
    from relaynode import CONGESTED, DATA, PING, PONG, RelayStream, ask, verify
except ImportError as missing:
    print(f"skipped: missing python3-cryptography ({missing})")
    sys.exit(SKIP)

MORE = """[relay]
udp = 34781
alt = 34791
rate = 100000
burst = 1000000
"""
ROUNDS, FLOOD = 300, 100  # 42 MB: more than kernels hold for somebody who does not read


def open_stream(link, name):
    node = Node(link, name)
    assert node.register().status == 200
    told = ask(node)
    stream = RelayStream(node, told["t"])
    assert stream.status == 101
    stream.index = verify(link, "T", told["t"])["i"]
    return stream


def check_slow(points, sender, slow, quick):
    """Each round fills what there is for the one, and ends with a word for the other."""
    flood = sender.frame(DATA, slow.index, bytes([4]) + bytes(1399)) * FLOOD
    for number in range(ROUNDS):
        sender.send(flood + sender.frame(DATA, quick.index, b"\x04" + number.to_bytes(2, "big")))
        assert quick.expect(DATA) == (DATA, sender.index, b"\x04" + number.to_bytes(2, "big"))
    points.ok("who reads nothing holds up nobody who sends to others, too")
    assert sender.expect(CONGESTED)[1] == slow.index
    points.ok("its packets are dropped, and their source hears of it")
    slow.say(PING, 7, bytes(24))
    taken, kind = 0, DATA
    while kind != PONG:
        kind, arg, payload = slow.hear()
        assert kind == PONG or (arg == sender.index and payload == bytes([4]) + bytes(1399))
        taken += kind == DATA
    assert 0 < taken < ROUNDS * FLOOD
    points.ok("what was kept for it arrives whole")


def check_both_ways(points, a, b):
    """Two that fill each other's queues go on, whatever is held meanwhile."""
    batch = 64
    for number in range(100):
        for one, other in ((a, b), (b, a)):
            one.send(one.frame(DATA, other.index, b"\x04" + number.to_bytes(2, "big") + bytes(1300)) * batch)
        for one, other in ((a, b), (b, a)):
            for _ in range(batch):
                kind, index, payload = one.hear()
                assert (kind, index, payload[1:3]) == (DATA, other.index, number.to_bytes(2, "big"))
    points.ok("two that send as much as they get lose nothing")


def main():
    need()
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    points, folder = Points(), make_dir()
    server = Server(folder, MORE)
    server.config.write_text(server.config.read_text().replace("debug", "info"))
    try:
        link = server.setup("--reusable")
        server.up()
        sender, slow, quick = (open_stream(link, name) for name in ("sender", "slow", "quick"))
        check_both_ways(points, sender, quick)
        check_slow(points, sender, slow, quick)
        print(f"1..{points.count}")
    except BaseException:
        if server.log.exists():
            print("\n".join(f"# {line}" for line in server.log.read_text().splitlines()[-40:]))
        raise
    finally:
        if server.process is not None and server.process.poll() is None:
            server.process.kill()
        shutil.rmtree(folder, ignore_errors=True)


main()
