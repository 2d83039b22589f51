"""How often daemons wake while nothing happens: connected pairs in silence, and one without a peer."""
import time

from tunnels import WireGuard, switches_of

QUIET_S = 20 # a keepalive, ten seconds after the last packet, is among it
SETTLE_S = 8


class Alone(WireGuard):
    """One daemon with a key and no peer."""

    def __init__(self, folder, name, command, **env):
        # pylint: disable=super-init-not-called
        self.command, self.env = command, env
        self.lay(folder / f"alone-{name}", name)
        self.begin(self.a)
        self.a.run("wg", "set", "wg0", "private-key", "/dev/stdin", "listen-port", 51820,
                   text=self.a.run("wg", "genkey").stdout)
        self.a.sh("ip addr add 10.8.0.1/24 dev wg0; ip link set wg0 up")


def counted(tunnels):
    return {tunnel: [switches_of(pid) for pid in tunnel.daemons] for tunnel in tunnels}


def measure(folder, tunnels):
    """Notes "idle" of every tunnel, "alone" of those that wg(8) configures, in tunnel.values."""
    alone = {t: Alone(folder, t.name, t.command, **t.env) for t in tunnels if isinstance(t, WireGuard)}
    watched = [t for t in tunnels if t.daemons] + list(alone.values())
    time.sleep(SETTLE_S) # no condition tells that nothing will happen
    before, began = counted(watched), time.monotonic()
    time.sleep(QUIET_S)
    after, lasted = counted(watched), time.monotonic() - began
    rate = {t: sum(after[t]) - sum(before[t]) for t in watched}
    for tunnel in tunnels:
        if tunnel.daemons:
            tunnel.note("idle", rate[tunnel] / lasted / len(tunnel.daemons))
        if tunnel in alone:
            tunnel.note("alone", rate[alone[tunnel]] / lasted)
    for one in alone.values():
        one.close()
