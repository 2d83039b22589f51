"""Many peers: 10 000 configured, 1 000 of them active; what memory each takes.

   [a] initiators.py, 1 000 initiators on one socket ── a cable ── [b] the daemon that is measured"""
import pathlib

from initiators import make_keys
from space import wait_until
from tunnels import WireGuard, status_of

CONFIGURED, ACTIVE = 10000, 1000
CROWD = pathlib.Path(__file__).resolve().parent / "initiators.py"


class Crowded(WireGuard):
    """One daemon at b, and a that plays the peers."""

    def __init__(self, folder, name, command, **env):
        # pylint: disable=super-init-not-called
        self.command, self.env = command, env
        self.lay(folder / f"many-{name}", name)
        self.begin(self.b)
        self.secret = self.b.run("wg", "genkey").stdout.strip()
        self.b.run("wg", "set", "wg0", "private-key", "/dev/stdin", "listen-port", 51820, text=self.secret)
        self.b.sh("ip addr add 10.0.0.1/8 dev wg0 && ip link set wg0 mtu 1420 up")

    def rss(self):
        return status_of(self.daemons[0], "VmRSS") * 1024

    def configure(self, publics):
        text = "".join(f"[Peer]\nPublicKey = {key}\nAllowedIPs = 10.1.{n // 250}.{n % 250 + 1}/32\n"
                       for n, key in enumerate(publics))
        path = self.dir / "peers.conf"
        path.write_text(text)
        self.b.run("wg", "addconf", "wg0", path, limit_s=60)
        wait_until(lambda: len(self.b.run("wg", "show", "wg0", "peers").stdout.splitlines()) == len(publics),
                   30, "all peers")

    def connect(self, keys):
        """@keys: where the private ones are, in the order of configure()."""
        public = self.b.run("wg", "pubkey", text=self.secret).stdout.strip()
        told = self.a.run("python3", CROWD, "192.0.2.2", 51820, public, keys, ACTIVE, "10.0.0.1", limit_s=60)
        assert f"{ACTIVE} answered" in told.stdout, f"of {ACTIVE} peers only {told.stdout}{told.stderr}"


def measure_one(folder, tunnel, keys, publics):
    crowded = Crowded(folder, tunnel.name, tunnel.command, **tunnel.env)
    try:
        empty = crowded.rss()
        crowded.configure(publics)
        full = crowded.rss()
        tunnel.note("peer_idle", (full - empty) / CONFIGURED)
        crowded.connect(keys)
        tunnel.note("peer_active", (crowded.rss() - full) / ACTIVE / 1024)
        tunnel.note("peers_rss", crowded.rss() / 2**20)
    finally:
        crowded.close()


def measure(folder, tunnels):
    """Notes what an idle and an active peer takes, of those that wg(8) configures."""
    keys = folder / "crowd.keys"
    publics = make_keys(keys, CONFIGURED)
    for tunnel in tunnels:
        if not isinstance(tunnel, WireGuard) or tunnel.suite == "aesgcm1": # the crowd speaks WireGuard's own
            continue
        try:
            measure_one(folder, tunnel, keys, publics)
        except (AssertionError, OSError, TimeoutError) as error:
            if tunnel.ours:
                raise
            print(f"  {tunnel.name}: many peers: {str(error).strip()}")
