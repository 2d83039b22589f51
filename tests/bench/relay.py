#!/usr/bin/env python3
"""What a relay costs on loopback: packets over UDP and TLS, handshakes, memory, delay.

    relay.py BUILD [--rounds N] [--seconds S]

Medians of the rounds. "A core" divides by the relay's own CPU time, so it holds on a busy machine, too;
what arrives in a second does not. "joined" is the traffic of senders whose kernel joins datagrams (UDP GSO)."""
import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import threading
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


def cpu_s(pid):
    """Seconds of CPU that a process has used."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


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


def measure_tls(build, seconds):
    """One TLS client to another through a whole mesh-server; both written in Python."""
    os.environ["MESH_BUILD"] = str(build)
    folder = make_dir()
    server = Server(folder, MORE)
    server.config.write_text(server.config.read_text().replace("debug", "info"))
    try:
        link = server.setup("--reusable")
        server.up()
        a, b = open_stream(link, "a"), open_stream(link, "b")
        pid, over, got = server.process.pid, threading.Event(), [0]

        def receive():
            b.connection.sock.settimeout(0.2)
            while not over.is_set():
                try:
                    got[0] += len(b.connection.sock.recv(1 << 18))
                except TimeoutError:
                    pass
        thread = threading.Thread(target=receive)
        thread.start()
        frames = a.frame(0x40, b.index, bytes([4]) + bytes(1399)) * 46
        before, start = cpu_s(pid), time.monotonic()
        while time.monotonic() - start < seconds:
            a.connection.send(frames)
        over.set()
        thread.join()
        used, wall, gbit = cpu_s(pid) - before, time.monotonic() - start, got[0] * 8 / 1e9
        idle = resident_kib(pid)
        streams = [open_stream(link, f"n{n}") for n in range(100)]
        idle = (resident_kib(pid) - idle) / len(streams)
        return gbit / wall, gbit / used, used * 8 / gbit, idle
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
    print(f"one pass, quiet: p50 {median('pass_us', 'p50'):.0f} us, p99 {median('pass_us', 'p99'):.0f} us")
    print(f"handshakes: {median('binds_s_core'):.0f} a second and core")
    print(f"memory: {median('kib_session'):.2f} KiB a bound session")
    tls = [measure_tls(options.build.resolve(), options.seconds) for _ in range(options.rounds)]
    wall, core, cost, idle = (statistics.median(one[n] for one in tls) for n in range(4))
    print(f"1400-byte packets over TLS: {wall:.2f} Gbit/s arrived, {core:.2f} Gbit/s a core, "
          f"{cost:.2f} CPU-s/GB; {idle:.1f} KiB a node that joined and holds a stream")


main()
