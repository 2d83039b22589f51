"""How often daemons wake while nothing happens: connected pairs in silence, and one without a peer; a meshd without one is
the only node of its network, beside a server."""
import time

from nodes import Lonely, Nodes
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


def begin_alone(folder, tunnel):
    """The same program without anybody to talk to; None: it is not made for that here."""
    if isinstance(tunnel, WireGuard):
        return Alone(folder, tunnel.name, tunnel.command, **tunnel.env)
    return Lonely(folder, f"alone-{tunnel.name}") if isinstance(tunnel, Nodes) else None


def counted(tunnels):
    return {tunnel: [switches_of(pid) for pid in tunnel.daemons] for tunnel in tunnels}


def rise(before, after):
    """Of all daemons of a tunnel; a thread that ended meanwhile counts no more."""
    return sum(count - threads.get(task, 0) for threads, later in zip(before, after) for task, count in later.items())


def measure(folder, tunnels):
    """Notes "idle" of every tunnel, "alone" of ours and of those that wg(8) configures."""
    alone = {t: one for t, one in ((t, begin_alone(folder, t)) for t in tunnels) if one}
    watched = [t for t in tunnels if t.daemons] + list(alone.values())
    try:
        time.sleep(SETTLE_S) # no condition tells that nothing will happen
        before, began = counted(watched), time.monotonic()
        time.sleep(QUIET_S)
        after, lasted = counted(watched), time.monotonic() - began
    finally:
        for one in alone.values():
            one.close()
    rate = {t: rise(before[t], after[t]) / lasted for t in watched}
    for tunnel in tunnels:
        if tunnel.daemons:
            tunnel.note("idle", rate[tunnel] / len(tunnel.daemons))
        if tunnel in alone:
            tunnel.note("alone", rate[alone[tunnel]])
