"""What ./run bench measures in a tunnel: each function takes a Tunnel and returns {figure: value}.

FIGURES has the table's lines in order, ROWS the measurements by the name that --rows takes."""
import json
import re
import statistics
import subprocess

from space import find_program, wait_until

FIGURES = {  # key: title, unit, digits
    "tcp1": ("TCP, 1 flow", "Gb/s", 2), "cpu": ("CPU of both daemons by it", "s/GB", 2),
    "tcp4": ("TCP, 4 flows", "Gb/s", 2), "tcp32": ("TCP, 32 flows", "Gb/s", 2),
    "reverse": ("TCP, the other way", "Gb/s", 2), "bidir": ("TCP, both ways, sum", "Gb/s", 2),
    "udp64": ("UDP, 64 B, delivered", "k/s", 0), "cpu64": ("CPU of both daemons by it", "µs/packet", 2),
    "udp256": ("UDP, 256 B, delivered", "k/s", 0), "udp1200": ("UDP, 1200 B, delivered", "k/s", 0),
    "uso": ("UDP, 1200 B by USO (as QUIC)", "Gb/s", 2),
    "rtt": ("ping, idle, p50", "µs", 0), "rtt_p99": ("ping, idle, p99", "µs", 0),
    "loaded": ("ping beside TCP, p50", "µs", 0), "loaded_p99": ("ping beside TCP, p99", "µs", 0),
    "nogso": ("TCP, no GSO on the cable", "Gb/s", 2), "nogso_cpu": ("CPU of both daemons by it", "s/GB", 2),
    "mtu1280": ("TCP, MTU 1280", "Gb/s", 2), "mtu8920": ("TCP, MTU 8920", "Gb/s", 2),
    "narrow": ("TCP over 100 Mb/s (tbf)", "Mb/s", 1), "narrow_rtt": ("ping beside it, p50", "ms", 1),
    "narrow_p99": ("ping beside it, p99", "ms", 1),
    "rss": ("peak memory, larger end", "MiB", 1), "rss_both": ("peak memory, both ends", "MiB", 1),
    "idle": ("wake-ups, connected, idle", "/s", 2), "alone": ("wake-ups, no peer", "/s", 2),
    "many_out": ("UDP, 1200 B, to 1 000 of 10 000 peers", "k/s", 0),
    "many_in": ("UDP, 1200 B, from 1 000 of 10 000 peers", "k/s", 0),
    "storm_ms": ("1 000 handshakes at once, done in", "ms", 0),
    "storm_tcp": ("a TCP flow beside them, of without", "%", 0),
    "storm_loss": ("lost beside them, of 100 Mb/s of UDP", "packets", 1),
    "peer_idle": ("memory of an idle peer", "B", 0), "peer_active": ("memory of an active peer", "KiB", 1),
    "peers_rss": ("memory, 10 000 peers, 1 000 active", "MiB", 1)}

PORT = 5201
USO_RUN = 50 # datagrams a system call: 60 kB, what QUIC servers send in a burst
HANG_S = 8 # more than it should take: a tunnel that carries nothing
TCP_S, SHORT_S, UDP_S = 2, 1, 0.4 # of one measurement; iperf3 wants whole ones


def server(tunnel):
    """iperf3 at b; it serves one client after another."""
    if not tunnel.b.runs("iperf3"):
        tunnel.b.start("iperf3", "iperf3", "-s", "--forceflush")
        wait_until(lambda: tunnel.b.run("ss", "-Hltn", f"sport = :{PORT}").stdout, 10, "iperf3")


def iperf(tunnel, seconds, *more):
    """Returns (Gb/s, bytes, daemons' CPU-seconds) of what was received; both ways together."""
    server(tunnel)
    before = tunnel.cpu_s()
    try:
        done = tunnel.a.run("iperf3", "-c", tunnel.address, "-J", "-t", seconds, *more, check=False,
                            limit_s=seconds + HANG_S)
    except subprocess.TimeoutExpired:
        tunnel.b.stop("iperf3", kill=True)
        raise
    used = tunnel.cpu_s() - before
    told = json.loads(done.stdout)
    if "error" in told or done.returncode != 0:
        tunnel.b.stop("iperf3", kill=True)
        raise ValueError(f"iperf3: {told.get('error', done.stderr)}")
    sums = [told["end"][key] for key in ("sum_received", "sum_received_bidir_reverse") if key in told["end"]]
    return sum(s["bits_per_second"] for s in sums) / 1e9, sum(s["bytes"] for s in sums), used


def tcp(tunnel, key, seconds, *more, cpu=None):
    rate, n_bytes, used = iperf(tunnel, seconds, *more)
    return {key: rate, **({cpu: used / (n_bytes / 1e9)} if cpu and tunnel.daemons else {})}


def pings(tunnel, count, interval_s):
    """Round trips in µs, in order of size; those that stayed out are not among them."""
    told = tunnel.a.run("ping", "-n", "-c", count, "-i", interval_s, "-W", 2, tunnel.address, check=False)
    found = sorted(1000 * float(ms) for ms in re.findall(r"time=([\d.]+)", told.stdout))
    if len(found) < count / 2:
        raise ValueError(f"{len(found)} of {count} pings came back")
    return found


def percentile(values, share):
    return values[min(len(values) - 1, int(share * len(values)))]


def idle_ping(tunnel):
    found = pings(tunnel, 150, 0.004)
    return {"rtt": statistics.median(found), "rtt_p99": percentile(found, 0.99)}


def ping_beside(tunnel, seconds, count, interval_s):
    """Pings while one TCP flow goes as fast as it can. Returns (Gb/s, round trips)."""
    server(tunnel)
    tunnel.a.start("load", "iperf3", "-c", tunnel.address, "-t", seconds, "-J", "--logfile",
                   tunnel.dir / "load.json")
    began = f"dst {tunnel.address} dport = :{PORT}"
    wait_until(lambda: tunnel.a.run("ss", "-Htn", began).stdout.count("ESTAB") == 2, 10, "the flow")
    found = pings(tunnel, count, interval_s)
    tunnel.a.processes.pop("load").wait(timeout=30)
    told = json.loads((tunnel.dir / "load.json").read_text())
    (tunnel.dir / "load.json").unlink()
    return told["end"]["sum_received"]["bits_per_second"] / 1e9, found


def loaded_ping(tunnel):
    _, found = ping_beside(tunnel, 2, 300, 0.005)
    return {"loaded": statistics.median(found), "loaded_p99": percentile(found, 0.99)}


def burst(tunnel, size, run=1):
    """Datagrams at the highest rate. Returns (what receive tells, daemons' CPU-seconds)."""
    program = find_program("burst")
    tunnel.b.start("receive", program, "receive", tunnel.address, 7777, *(("gro",) if run > 1 else ()))
    wait_until(lambda: tunnel.b.run("ss", "-Hlun", "sport = :7777").stdout, 10, "the receiver")
    before = tunnel.cpu_s()
    tunnel.a.run(program, "send", tunnel.address, 7777, UDP_S, size, run)
    tunnel.b.processes.pop("receive").wait(timeout=30)
    told = json.loads(tunnel.b.log("receive").splitlines()[-1])
    return told, tunnel.cpu_s() - before


def udp(tunnel, size, cpu=None):
    told, used = burst(tunnel, size)
    found = {f"udp{size}": told["packets"] / told["seconds"] / 1e3 if told["seconds"] else 0}
    if cpu and tunnel.daemons and told["packets"]:
        found[cpu] = used / told["packets"] * 1e6
    return found


def uso(tunnel):
    told, _ = burst(tunnel, 1200, USO_RUN)
    return {"uso": told["bytes"] * 8 / told["seconds"] / 1e9 if told["seconds"] else 0}


def without_gso(tunnel):
    """The cable's ends segment nothing: the kernel does it before them, packet by packet."""
    def switch(to):
        for host in tunnel.hosts:
            host.run("ethtool", "-K", "eth0", "tx-udp-segmentation", to)
    switch("off")
    try:
        return tcp(tunnel, "nogso", SHORT_S, cpu="nogso_cpu")
    finally:
        switch("on")


def with_mtu(tunnel, inner, outer):
    tunnel.set_mtu(inner, outer)
    try:
        return tcp(tunnel, f"mtu{inner}", SHORT_S)
    finally:
        tunnel.set_mtu(tunnel.mtu, 1500)


def narrow(tunnel):
    """A bottleneck that can hold 20 ms: what is more is a queue of the tunnel's own."""
    tunnel.a.run("tc", "qdisc", "add", "dev", "eth0", "root", "tbf", "rate", "100mbit", "burst", "64kb",
                 "limit", "250kb")
    try:
        rate, found = ping_beside(tunnel, 1, 40, 0.02)
    finally:
        tunnel.a.run("tc", "qdisc", "del", "dev", "eth0", "root")
    return {"narrow": rate * 1e3, "narrow_rtt": statistics.median(found) / 1e3,
            "narrow_p99": percentile(found, 0.99) / 1e3}


ROWS = { # pings first: what a flood left in somebody's queues is gone by then
    "ping": idle_ping,
    "tcp1": lambda tunnel: tcp(tunnel, "tcp1", TCP_S, cpu="cpu"),
    "tcp4": lambda tunnel: tcp(tunnel, "tcp4", SHORT_S, "-P", 4),
    "tcp32": lambda tunnel: tcp(tunnel, "tcp32", SHORT_S, "-P", 32),
    "reverse": lambda tunnel: tcp(tunnel, "reverse", SHORT_S, "-R"),
    "bidir": lambda tunnel: tcp(tunnel, "bidir", SHORT_S, "--bidir"),
    "udp64": lambda tunnel: udp(tunnel, 64, cpu="cpu64"),
    "udp256": lambda tunnel: udp(tunnel, 256),
    "udp1200": lambda tunnel: udp(tunnel, 1200),
    "uso": uso,
    "loaded": loaded_ping,
    "nogso": without_gso,
    "mtu1280": lambda tunnel: with_mtu(tunnel, 1280, 1500),
    "mtu8920": lambda tunnel: with_mtu(tunnel, 8920, 9100),
    "narrow": narrow,
}
SHORT = ("ping", "tcp1", "tcp4", "udp64", "uso", "loaded") # of ./run bench short
SELDOM = ("nogso", "mtu1280", "mtu8920", "narrow") # in every other round
ONCE = ("idle", "peers") # apart from the others: standstill.py, manypeers.py
