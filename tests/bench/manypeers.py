"""Many peers: 10 000 configured, 1 000 of them active; what memory each takes, what goes to all and comes from all of
the active ones in turns, what a storm of handshakes does to another's flow (storm.py).

   [a] initiators.py, 1 000 initiators on one socket ── a cable ── [b] the daemon that is measured"""
import json
import pathlib
import subprocess

import initiators
import storm
from space import find_program, wait_until
from tunnels import WireGuard, status_of

CONFIGURED, ACTIVE = 10000, 1000
SPREAD_S, PER_PEER = 0.4, 25 # of one round: seconds outwards, datagrams of each inwards
SEALED = 32 + 1232 # bytes of a datagram outside
CROWD = pathlib.Path(initiators.__file__).resolve()
INNER = "10.0.0.1"


class Crowded(WireGuard):
    """One daemon at b, and a that plays the peers."""
    address = INNER

    def __init__(self, folder, tunnel):
        # pylint: disable=super-init-not-called
        self.command, self.env, self.note, self.friend = tunnel.command, tunnel.env, tunnel.note, None
        self.lay(folder / f"many-{tunnel.name}", tunnel.name)
        self.begin(self.b)
        self.secret = self.b.run("wg", "genkey").stdout.strip()
        self.b.run("wg", "set", "wg0", "private-key", "/dev/stdin", "listen-port", 51820, text=self.secret)
        self.b.sh(f"ip addr add {INNER}/8 dev wg0 && ip link set wg0 mtu 1420 up")

    def rss(self):
        return status_of(self.daemons[0], "VmRSS") * 1024

    def public(self):
        return self.b.run("wg", "pubkey", text=self.secret).stdout.strip()

    def configure(self, publics):
        text = "".join(f"[Peer]\nPublicKey = {key}\nAllowedIPs = 10.1.{n // 250}.{n % 250 + 1}/32\n"
                       for n, key in enumerate(publics))
        path = self.dir / "peers.conf"
        path.write_text(text)
        self.b.run("wg", "addconf", "wg0", path, limit_s=60)
        wait_until(lambda: len(self.b.run("wg", "show", "wg0", "peers").stdout.splitlines()) == len(publics),
                   30, "all peers")

    def connect(self, keys, rounds):
        """@keys: where the private ones are, in the order of configure()."""
        told = self.a.run("python3", CROWD, "192.0.2.2", 51820, self.public(), keys, ACTIVE, INNER, self.dir / "sealed",
                          rounds, PER_PEER, limit_s=60)
        assert f"{ACTIVE} answered" in told.stdout, f"of {ACTIVE} peers only {told.stdout}{told.stderr}"

    def befriend(self):
        """A peer beside the crowd: the same program at a, with a session."""
        if self.friend is None:
            self.begin(self.a)
            self.daemons.pop() # not measured
            self.friend = self.a.run("wg", "genkey").stdout.strip()
            public = self.a.run("wg", "pubkey", text=self.friend).stdout.strip()
            self.b.run("wg", "set", "wg0", "peer", public, "allowed-ips", "10.200.0.2/32")
            self.a.run("wg", "set", "wg0", "private-key", "/dev/stdin", "listen-port", 51820, "peer", self.public(),
                       "endpoint", "192.0.2.2:51820", "allowed-ips", f"{INNER}/32", text=self.friend)
            self.a.sh(f"ip addr add 10.200.0.2/32 dev wg0; ip link set wg0 mtu 1420 up; ip route add {INNER} dev wg0")
        wait_until(self.reached, 20, "the peer beside the crowd")

    def receive(self, host, *words):
        program = find_program("burst")
        host.start("receive", program, "receive", *words)
        wait_until(lambda: "ready" in host.log("receive").splitlines()[-1:], 10, "the receiver")
        return program

    def received(self, host):
        """Thousands a second."""
        host.processes.pop("receive").wait(timeout=30)
        told = json.loads(host.log("receive").splitlines()[-1])
        assert told["seconds"] > 0, f"{self.name}: nothing of the crowd's traffic arrived"
        return told["packets"] / told["seconds"] / 1e3

    def to_all(self):
        program = self.receive(self.a, "192.0.2.1", initiators.PORT, "gro")
        self.b.run(program, "spread", "10.1.0.1", 7777, SPREAD_S, initiators.PAYLOAD, ACTIVE)
        return self.received(self.a)

    def from_all(self, number):
        program, sealed = self.receive(self.b, INNER, initiators.INNER_PORT), self.dir / f"sealed.{number}"
        self.a.run(program, "replay", "192.0.2.2", 51820, sealed, SEALED, initiators.PORT)
        sealed.unlink()
        return self.received(self.b)


def begin(folder, tunnel, keys, publics, rounds):
    """Notes what an idle and an active peer takes. Returns the daemon with its crowd."""
    crowded = Crowded(folder, tunnel)
    try:
        empty = crowded.rss()
        crowded.configure(publics)
        full = crowded.rss()
        tunnel.note("peer_idle", (full - empty) / CONFIGURED)
        crowded.connect(keys, rounds)
        tunnel.note("peer_active", (crowded.rss() - full) / ACTIVE / 1024)
        tunnel.note("peers_rss", crowded.rss() / 2**20)
    except BaseException:
        crowded.close()
        raise
    return crowded


class Many:
    """All daemons with a crowd. @failed(row, tunnel, error): is told what somebody cannot."""

    def __init__(self, failed):
        self.crowds, self.failed = [], failed

    def attempt(self, tunnel, what, *arguments):
        """None: it could not."""
        try:
            return what(*arguments)
        except (AssertionError, OSError, TimeoutError, ValueError, subprocess.SubprocessError) as error:
            self.failed("peers", tunnel, error)
            return None

    def measure(self, folder, tunnels, rounds):
        keys = folder / "crowd.keys"
        publics = initiators.make_keys(keys, CONFIGURED)
        for tunnel in tunnels:
            crowded = self.attempt(tunnel, begin, folder, tunnel, keys, publics, rounds)
            if crowded:
                self.crowds.append((tunnel, crowded))
        for number in range(rounds):
            for tunnel, crowded in self.crowds:
                self.attempt(tunnel, lambda one=crowded: one.note("many_out", one.to_all()))
                self.attempt(tunnel, lambda one=crowded, n=number: one.note("many_in", one.from_all(n)))
        for tunnel, crowded in self.crowds:
            self.attempt(tunnel, storm.measure, crowded, keys, ACTIVE)

    def close(self):
        for _, crowded in self.crowds:
            crowded.close()


def measure(folder, tunnels, rounds, failed):
    """Of those that wg(8) configures; the crowd speaks WireGuard's own suite."""
    many = Many(failed)
    try:
        many.measure(folder, [t for t in tunnels if isinstance(t, WireGuard) and t.suite != "aesgcm1"], rounds)
    finally:
        many.close()
