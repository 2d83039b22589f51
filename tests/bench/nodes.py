"""Two nodes of a network as a contender of ./run bench: meshd on both, with the suite they agree on.

   [a] 192.0.2.1 ── eth0, the cable of all contenders ── 192.0.2.2 [b]; each also ── wan ── [server]"""
import pathlib

from lab import Lab
from space import link, wait_until
from tunnels import CABLE, Tunnel


def process_of(pid, name):
    """What runs the daemon may be its parent."""
    while pathlib.Path(f"/proc/{pid}/comm").read_text().strip() != name:
        pid = int(pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
    return pid


# Over the internet a node reaches the server and nobody else.
WALLS = """table inet walls {{
 chain out {{
  type filter hook output priority 0;
  oifname wan0 ip daddr != {four} drop
  oifname wan0 ip6 daddr != {six} meta l4proto != ipv6-icmp drop
 }}
}}
"""
MTU = 1400


class Joined(Tunnel):
    """Some nodes of a network, and its server; up() makes them."""
    ours, suite = True, "any"

    def __init__(self, folder, name):
        # pylint: disable=super-init-not-called
        self.dir, self.name, self.daemons, self.hosts = folder / name.replace(" ", "-"), name, [], []
        self.dir.mkdir()
        self.lab = Lab()
        try:
            self.lab.server.setup("home")
            self.lab.server.up()
            self.up()
        except BaseException:
            self.lab.show_logs()
            self.close()
            raise

    def join(self, host):
        host.up()
        host.join(self.lab.server.key("home"))
        self.daemons.append(process_of(host.processes["meshd"].pid, "meshd"))

    def close(self):
        self.lab.__exit__(None, None, None)


class Lonely(Joined):
    """A network of one."""

    def up(self):
        self.hosts = [self.lab.node("a")]
        self.join(self.hosts[0])


class Nodes(Joined):
    """Found each other through a server, connected by the cable."""
    mtu = MTU

    def up(self):
        self.hosts = [self.lab.node(name) for name in "ab"]
        self.a, self.b = self.hosts
        link(self.a, "eth0", self.b, "eth0")
        for number, host in enumerate(self.hosts, 1):
            host.run("ip", "addr", "add", f"192.0.2.{number}/24", "dev", "eth0")
            host.run("nft", "-f", "-", text=WALLS.format(four=self.lab.server.ip4, six=self.lab.server.ip6))
            self.join(host)
        self.a.wait_until(lambda node: "b" in node.peers(), 30, "b is known")
        self.address = self.b.addresses()[4]
        route = self.a.run("ip", "-j", "route", "get", self.address).stdout
        self.device = route.split('"dev":"')[1].split('"')[0]
        wait_until(self.reached, 30, f"traffic of {self.name}")
        wait_until(self.by_cable, 60, f"{self.name} by {CABLE}")

    def by_cable(self):
        self.reached()
        return all(one.peer(other.name).endpoint.startswith("192.0.2.")
                   for one, other in ((self.a, self.b), (self.b, self.a)))
