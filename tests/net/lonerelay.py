"""A relay beside the server, on a host of its own: mesh-server --role=relay."""
import shlex

from lab import AS_SERVER, Server
from space import find_program, wait_until


class LoneRelay(Server):
    """Set up as its manual page says; known to the server, and up, once made."""

    config = "/var/lib/mesh-relay.conf"

    def __init__(self, lab, name):
        super().__init__(lab, name)
        self.line = None

    def ctl(self, *arguments, check=True):
        return self.run(find_program(self.program), "--role=relay", "-c", self.config, *arguments, check=check)

    def setup(self, network="home", *options):
        """Makes its keys, trusting the lab's server, and has the server know it, for all networks."""
        self.sh("install -d -o mesh-server -g mesh-server -m 700 /run/mesh-server /var/lib/mesh-relay; "
                "echo 0 > /proc/sys/net/ipv4/ip_unprivileged_port_start")
        trusted = self.lab.server.json("status").key
        self.line = shlex.split(self.ctl("setup", "--host", self.dns_name, "--name", self.name, "--trust", trusted,
                                         "--state-dir", "/var/lib/mesh-relay", *options).stdout)
        self.sh(f"chown -R mesh-server: /var/lib/mesh-relay {self.config}")
        self.lab.server.ctl(*self.line[1:])

    def launch(self, **env):
        self.start(self.program, *AS_SERVER, find_program(self.program), "--role=relay", "-c", self.config, "run", **env)

    def up(self, **env):
        self.launch(**env)
        wait_until(lambda: "is a relay" in self.log(self.program), 20, f"{self.name} runs")


def make_relay(lab, name):
    relay = lab.on_internet(lab.adopt(LoneRelay(lab, name)))
    relay.dns_name = f"{name}.example"
    with open(lab.hosts_file, "a", encoding="utf-8") as hosts:
        hosts.write(f"{relay.ip4} {relay.dns_name}\n{relay.ip6} {relay.dns_name}\n")
    relay.setup()
    relay.up()
    return relay
