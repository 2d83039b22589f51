"""The contenders of ./run bench: two hosts on a cable of their own, and somebody's tunnel through it.

   [a] 192.0.2.1 ── eth0, a cable (veth) ── 192.0.2.2 [b]        and 10.8.0.1, 10.8.0.2 through it"""
import os
import pathlib
import re

from space import Host, link, wait_until

MTU = 1420
TICK = os.sysconf("SC_CLK_TCK")
CABLE = "the cable"


def status_of(pid, field):
    """A number of /proc/PID/status."""
    return int(re.search(rf"^{field}:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text(), re.M)[1])


def switches_of(pid):
    """How often each of its threads has been given a core so far."""
    counts = {}
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        text = (task / "status").read_text()
        counts[task.name] = sum(map(int, re.findall(r"^(?:non)?voluntary_ctxt_switches:\s+(\d+)", text, re.M)))
    return counts


class Tunnel:
    """The bare cable; the others add a tunnel in up(). `ours`: held to the goals; `suite`: what it has to speak, "any":
    what its ends agree on, None: not ours."""
    ours, suite = False, None
    device, address, mtu = "eth0", "192.0.2.2", MTU

    def __init__(self, folder, name):
        self.lay(folder / name, name)
        self.up()
        wait_until(self.reached, 30, f"traffic of {name}")

    def lay(self, place, name):
        """The two hosts and the cable; nothing runs yet."""
        self.dir, self.name, self.daemons = place.with_name(place.name.replace(" ", "-")), name, []
        self.dir.mkdir()
        self.hosts = [Host(self, "a"), Host(self, "b")]
        self.a, self.b = self.hosts
        link(self.a, "eth0", self.b, "eth0")
        for number, host in enumerate(self.hosts, 1):
            host.run("ip", "addr", "add", f"192.0.2.{number}/24", "dev", "eth0")

    def up(self):
        """Starts the daemons, noting their processes in self.daemons."""

    def reached(self):
        return self.a.run("ping", "-c1", "-W1", self.address, check=False).returncode == 0

    def serve(self, host, *command, **env):
        """A daemon that counts: its time and memory are the tunnel's."""
        process = host.start("tunnel", *command, **env)
        self.daemons.append(process.pid)
        return process

    def set_mtu(self, inner, outer):
        for host in self.hosts:
            host.run("ip", "link", "set", "eth0", "mtu", outer)
            if self.device != "eth0":
                host.run("ip", "link", "set", self.device, "mtu", inner)

    def cpu_s(self):
        """What both daemons have used so far."""
        used = 0
        for pid in self.daemons:
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            used += int(fields[11]) + int(fields[12])
        return used / TICK

    def peaks_mib(self):
        """The most memory each daemon has had resident."""
        return [status_of(pid, "VmHWM") / 1024 for pid in self.daemons]

    def close(self):
        for host in self.hosts:
            host.close()


class WireGuard(Tunnel):
    """What wg(8) configures: mesh-wg, wireguard-go, boringtun. The command serves wg0."""
    device, address = "wg0", "10.8.0.2"

    def __init__(self, folder, name, command, suite=None, **env):
        self.command, self.suite, self.env = command, suite, env
        self.ours = suite is not None
        super().__init__(folder, name)

    def begin(self, host):
        """Starts one of them, without key or peer."""
        host.sh("mkdir -p /run/wireguard")
        self.serve(host, *self.command, **self.env)
        wait_until(lambda: host.run("wg", "show", "wg0", check=False).returncode == 0, 15, "its socket")

    def up(self):
        secrets = [host.run("wg", "genkey").stdout.strip() for host in self.hosts]
        public = [self.a.run("wg", "pubkey", text=secret).stdout.strip() for secret in secrets]
        for number, host in enumerate(self.hosts, 1):
            other = 3 - number
            self.begin(host)
            host.run("wg", "set", "wg0", "private-key", "/dev/stdin", "listen-port", 51820, "peer",
                     public[other - 1], "endpoint", f"192.0.2.{other}:51820", "allowed-ips",
                     f"10.8.0.{other}/32", text=secrets[number - 1])
            host.sh(f"ip addr add 10.8.0.{number}/24 dev wg0; ip link set wg0 mtu {MTU} up")


class Limit(Tunnel):
    """A program that is only a data plane, with given keys: DEV PORT ADDRESS PORT KEY KEY [aes]."""
    device, address = "lim0", "10.8.0.2"

    def __init__(self, folder, name, program, *more):
        self.program, self.more = program, more
        super().__init__(folder, name)

    def up(self):
        for number, host in enumerate(self.hosts, 1):
            other = 3 - number
            self.serve(host, self.program, "lim0", 7000, f"192.0.2.{other}", 7000, number, other, *self.more)
            wait_until(lambda host=host: host.run("ip", "link", "show", "lim0", check=False).returncode == 0,
                       10, "lim0")
            host.sh(f"ip addr add 10.8.0.{number}/24 dev lim0; ip link set lim0 mtu {MTU} up")


NEBULA = """
pki: {{ca: {dir}/ca.crt, cert: {dir}/{name}.crt, key: {dir}/{name}.key}}
static_host_map: {{"10.8.0.1": ["192.0.2.1:4242"]}}
lighthouse: {{am_lighthouse: {first}, hosts: {ask}}}
listen: {{host: 192.0.2.{number}, port: 4242}}
cipher: {cipher}
tun: {{dev: neb0, mtu: {mtu}, tx_queue: 1000}}
logging: {{level: warning}}
firewall:
  outbound: [{{port: any, proto: any, host: any}}]
  inbound: [{{port: any, proto: any, host: any}}]
"""


class Nebula(Tunnel):
    """Its defaults, offloads among them; only the queue of its TUN is deeper, as its documentation advises."""
    device, address = "neb0", "10.8.0.2"

    def __init__(self, folder, name, program, cipher="aes"):
        self.program, self.cipher = program, cipher
        super().__init__(folder, name)

    def up(self):
        cert = str(pathlib.Path(self.program).with_name("nebula-cert"))
        self.a.sh(f"cd {self.dir} && {cert} ca -name bench")
        for number, host in enumerate(self.hosts, 1):
            self.a.sh(f"cd {self.dir} && {cert} sign -name {host.name} -networks 10.8.0.{number}/24")
            config = self.dir / f"{host.name}.yml"
            config.write_text(NEBULA.format(
                dir=self.dir, name=host.name, number=number, cipher=self.cipher, mtu=MTU,
                first="true" if number == 1 else "false", ask="[]" if number == 1 else '["10.8.0.1"]'))
            self.serve(host, self.program, "-config", config)


HEADSCALE = """
server_url: http://192.0.2.1:8080
listen_addr: 192.0.2.1:8080
metrics_listen_addr: 127.0.0.1:9090
grpc_listen_addr: 127.0.0.1:50443
unix_socket: {dir}/headscale.sock
unix_socket_permission: "0700"
noise: {{private_key_path: {dir}/noise.key}}
prefixes: {{v4: 100.64.0.0/10, allocation: sequential}}
database: {{type: sqlite, sqlite: {{path: {dir}/db.sqlite}}}}
dns: {{magic_dns: false, override_local_dns: false, base_domain: bench.test}}
policy: {{mode: database}}
disable_check_updates: true
logtail: {{enabled: false}}
log: {{level: warn}}
derp:
  urls: []
  paths: []
  auto_update_enabled: false
  server:
    enabled: true
    region_id: 999
    region_code: lab
    region_name: lab
    ipv4: 192.0.2.1
    stun_listen_addr: 192.0.2.1:3478
    private_key_path: {dir}/derp.key
    automatically_add_embedded_derp_region: true
"""


class Tailscale(Tunnel):
    """tailscaled, with a headscale on host a, which is not counted."""
    device = "ts0"

    def __init__(self, folder, name, tailscaled, headscale):
        self.program, self.headscale = tailscaled, headscale
        super().__init__(folder, name)

    def ask(self, host, *words, **more):
        client = str(pathlib.Path(self.program).with_name("tailscale"))
        return host.run(client, f"--socket={self.dir}/{host.name}.sock", *words, **more)

    def up(self):
        config = self.dir / "headscale.yaml"
        config.write_text(HEADSCALE.format(dir=self.dir))
        words = (self.headscale, "-c", config)
        self.a.start("headscale", *words, "serve")
        wait_until(lambda: self.a.run(*words, "users", "create", "bench", check=False).returncode == 0,
                   30, "headscale")
        key = self.a.run(*words, "preauthkeys", "create", "--user", "1", "--reusable").stdout.split()[-1]
        for host in self.hosts:
            state = self.dir / f"{host.name}.state"
            self.serve(host, self.program, "--tun=ts0", f"--statedir={state}",
                       f"--socket={self.dir}/{host.name}.sock", "--port=41641", TS_NO_LOGS_NO_SUPPORT="true")
            wait_until(lambda host=host: os.path.exists(f"{self.dir}/{host.name}.sock"), 15, "its socket")
            self.ask(host, "up", "--login-server", "http://192.0.2.1:8080", "--authkey", key, "--hostname",
                     host.name, "--accept-dns=false", "--timeout=30s")
        self.address = self.ask(self.b, "ip", "-4").stdout.strip()

    def reached(self):
        """By the direct path, not by the relay."""
        told = self.ask(self.a, "ping", "-c", "3", "--timeout", "2s", self.address, check=False).stdout
        return "via 192.0.2.2" in told and super().reached()
