#!/usr/bin/env python3
"""What a relay costs on loopback: packets over UDP and TLS, handshakes, memory, delay.

    relay.py BUILD [--rounds N] [--seconds S]

Medians of the rounds. "A core" divides by the relay's own CPU time, so it holds on a busy machine, too;
what arrives in a second does not. "joined" is the traffic of senders whose kernel joins datagrams (UDP GSO)."""
import argparse
import json
import mmap
import os
import pathlib
import shutil
import signal
import statistics
import struct
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "net"))
from httpnode import Node  # noqa: E402
from httpserver import Server  # noqa: E402
from relaynode import RelayStream  # noqa: E402
from space import make_dir, need  # noqa: E402

MORE = """[relay]
udp = 34781
alt = 34791
rate = 100000
burst = 1000000
"""


WINDOW = 96 << 10  # bytes under way between sender and receiver, as a connection inside a tunnel has
STUCK_S = 0.05  # nothing has come for so long: what is under way is lost
IDLE_STREAMS = 500
SETTLED_S = 13  # the server tidies its memory every 10 s


def cpu_s(pid):
    """Seconds of CPU that a process has used: the scheduler's account, not the ticks' samples."""
    tasks = pathlib.Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def resident_kib(pid):
    return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4


def open_stream(link, name):
    node = Node(link, name)
    assert node.register().status == 200
    told = node.ask("GET", "relays").json()
    stream = RelayStream(node, told["t"])
    assert stream.status == 101
    stream.index = json.loads(told["t"]["b"])["i"]
    return stream


class Receiver:
    """A process of its own that counts the bytes which come for a stream."""

    def __init__(self, stream):
        self.count = mmap.mmap(-1, 8)
        self.pid = os.fork()
        if self.pid != 0:
            return
        buffer, got = memoryview(bytearray(1 << 16)), 0
        stream.connection.sock.settimeout(None)
        while True:
            got += stream.connection.sock.recv_into(buffer)
            struct.pack_into("<Q", self.count, 0, got)

    def got(self):
        return struct.unpack_from("<Q", self.count, 0)[0]

    def end(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def send_for(seconds, sender, receiver, frames):
    """Keeps the window full. Returns: bytes sent."""
    sent = lost = last = 0
    end = time.monotonic() + seconds
    came = time.monotonic()
    while (now := time.monotonic()) < end:
        got = receiver.got()
        if got != last:
            last, came = got, now
        if sent - lost - got + len(frames) <= WINDOW:
            sender.connection.send(frames)
            sent += len(frames)
        elif now - came > STUCK_S:
            lost, came = sent - got, now
        else:
            time.sleep(0)
    return sent


def measure_flow(pid, link, seconds):
    """One TLS client to another. Returns: Gbit/s, Gbit/s a core, CPU-s/GB, share lost."""
    a, b = open_stream(link, "a"), open_stream(link, "b")
    frames = a.frame(0x40, b.index, bytes([4]) + bytes(1399)) * 23
    receiver = Receiver(b)
    try:
        used = cpu_s(pid)
        sent = send_for(seconds, a, receiver, frames)
        got, used = receiver.got(), cpu_s(pid) - used
    finally:
        receiver.end()
    return got * 8e-9 / seconds, got * 8e-9 / used, used * 1e9 / got, 1 - got / sent


def measure_idle(pid, link):
    """KiB of the server for a node that has joined, holds a stream and is silent."""
    before = resident_kib(pid)
    streams = [open_stream(link, f"n{n}") for n in range(IDLE_STREAMS)]
    least, since = resident_kib(pid), time.monotonic()
    while time.monotonic() - since < SETTLED_S:
        time.sleep(0.2)
        if resident_kib(pid) < least:
            least, since = resident_kib(pid), time.monotonic()
    return (least - before) / len(streams)


def measure_tls(build, seconds):
    """Through a whole mesh-server; its clients are written in Python. The last: idle memory."""
    os.environ["MESH_BUILD"] = str(build)
    folder = make_dir()
    server = Server(folder, MORE)
    server.config.write_text(server.config.read_text().replace("debug", "info"))
    try:
        link = server.setup("--reusable")
        server.up()
        flow = measure_flow(server.process.pid, link, seconds)
        return *flow, measure_idle(server.process.pid, link)
    finally:
        if server.process is not None:
            server.process.kill()
            server.process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3)
    options = parser.parse_args()
    need()
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    program = options.build / "tests/server/relay/relay-bench"
    rounds = [json.loads(subprocess.run([program, str(options.seconds)], check=True, timeout=120,
                                        stdout=subprocess.PIPE).stdout)
              for _ in range(options.rounds)]

    def median(*keys):
        values = []
        for one in rounds:
            for key in keys:
                one = one[key]
            values.append(one)
        return statistics.median(values)

    for key, text in (("udp", "one datagram a call"), ("udp_joined", "joined by senders")):
        print(f"1400-byte packets, {text}: {median(key, 'gbit_s'):.2f} Gbit/s arrived, "
              f"{median(key, 'gbit_s_core'):.2f} Gbit/s a core, "
              f"{median(key, 'cpu_s_gb'):.2f} CPU-s/GB")
    def passes(name):
        return (f"p50 {median(name + '_kernel', 'p50'):.0f} us, p99 {median(name + '_kernel', 'p99'):.0f} us; "
                f"until the node runs {median(name, 'p50'):.0f}, {median(name, 'p99'):.0f} us")

    print(f"one pass to the receiver's kernel, quiet: {passes('pass_us')}")
    for key, where in (("loaded", "all on the same cores"), ("alone", "the relay before others on its own")):
        if key in rounds[0]:
            print(f"one pass beside half the load of a core, {where} ({median(key, 'gbit_s'):.2f} Gbit/s, "
                  f"{median(key, 'core'):.2f} of a core): {passes('pass_' + key + '_us')}")
    print(f"handshakes: {median('binds_s_core'):.0f} a second and core")
    print(f"memory: {median('kib_session'):.2f} KiB a bound session")
    tls = [measure_tls(options.build.resolve(), options.seconds) for _ in range(options.rounds)]
    wall, core, cost, lost, idle = (statistics.median(one[n] for one in tls) for n in range(5))
    print(f"1400-byte packets over TLS, {WINDOW >> 10} KiB under way: {wall:.2f} Gbit/s arrived, {core:.2f} "
          f"Gbit/s a core, {cost:.2f} CPU-s/GB, {lost * 100:.1f} % lost; {idle:.1f} KiB an idle node that "
          "joined and holds a stream")


main()
