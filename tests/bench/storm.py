"""A storm of handshakes beside a flow: 1 000 peers want a session at once, while another's traffic goes on.

   [a] rush.py, 1 000 addresses · an established peer ── a cable ── [b] the daemon with 10 000 peers"""
import json
import pathlib
import re
import signal
import time

from rows import server
from space import wait_until

CROWD = 1000
BESIDE_TCP, BESIDE_UDP = 3, 2 # waves
QUIET_S = 0.5
RUSH = pathlib.Path(__file__).resolve().parent / "rush.py"
LOSS_RATE, DATAGRAM, FLOW_S = "100M", 1200, 4


def received(host, device="wg0"):
    """Bytes so far that came out of the host's tunnel."""
    text = pathlib.Path(f"/proc/{host.holder.pid}/net/dev").read_text()
    return int(re.search(rf"^\s*{device}:\s*(\d+)", text, re.M)[1])


class Storm:
    """What blows at a Crowded; @first: of its peers those from there on have no session yet."""

    def __init__(self, crowded, keys, first):
        self.crowded, self.count = crowded, 0
        crowded.befriend()
        crowded.a.sh("ip route add local 198.18.0.0/16 dev lo")
        crowded.b.sh("ip route add 198.18.0.0/16 via 192.0.2.1")
        crowded.a.start("rush", "python3", RUSH, "192.0.2.2", 51820, crowded.public(), keys, first, CROWD,
                        BESIDE_TCP + BESIDE_UDP)
        wait_until(lambda: crowded.a.log("rush"), 60, "the rush")

    def blow(self):
        """One wave. Returns (milliseconds, cookies)."""
        self.count += 1
        self.crowded.a.processes["rush"].send_signal(signal.SIGUSR1)
        wait_until(lambda: len(self.crowded.a.log("rush").splitlines()) > self.count, 30, "the end of the wave")
        line = self.crowded.a.log("rush").splitlines()[-1]
        took, cookies, answered = map(int, re.findall(r"\d+", line))
        assert answered == CROWD, f"of {CROWD} handshakes at once: {line}"
        return took, cookies

    def flow(self, *more):
        """iperf3 from a through the tunnel to b, long enough; it is at work when this returns."""
        server(self.crowded)
        self.crowded.a.start("load", "iperf3", "-c", self.crowded.address, "-J", "--logfile", self.place(), *more)
        began = received(self.crowded.b)
        wait_until(lambda: received(self.crowded.b) > began + 200000, 10, "the flow")

    def place(self):
        return self.crowded.dir / "storm.json"

    def end_flow(self):
        """Ends it; the server at b goes as well."""
        self.crowded.a.stop("load", kill=True)
        self.crowded.b.stop("iperf3", kill=True)

    def beside_tcp(self):
        """Notes how long it takes, and what is left of a flow that fills the tunnel."""
        b, note = self.crowded.b, self.crowded.note
        self.flow("-t", 120)
        for _ in range(BESIDE_TCP):
            time.sleep(QUIET_S)
            start, began = received(b), time.monotonic()
            time.sleep(QUIET_S)
            before = (received(b) - start) / (time.monotonic() - began)
            start, began = received(b), time.monotonic()
            took, _ = self.blow()
            note("storm_ms", took)
            note("storm_tcp", 100 * (received(b) - start) / (time.monotonic() - began) / before)
        self.end_flow()

    def beside_udp(self):
        """Notes how many datagrams a steady flow loses by a storm."""
        self.flow("-u", "-b", LOSS_RATE, "-l", DATAGRAM, "-t", FLOW_S)
        for _ in range(BESIDE_UDP):
            self.blow()
        self.crowded.a.processes.pop("load").wait(timeout=60)
        told = json.loads(self.place().read_text())["end"]["sum"]
        self.crowded.note("storm_loss", told["lost_packets"] / BESIDE_UDP)
        self.crowded.b.stop("iperf3", kill=True)


def measure(crowded, keys, first):
    storm = Storm(crowded, keys, first)
    storm.beside_tcp()
    storm.beside_udp()
