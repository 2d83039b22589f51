"""A mesh in network namespaces: an internet, NATs, servers, nodes. Read a test to see how it is used.

   lab.wan          the internet: a router with a link of its own to everybody (no shared segment)
   203.0.113.N      what is on the internet with IPv4, 2001:db8:N::/64 with IPv6
   192.168.N.0/24   behind NAT N, with 2001:db8:N::/64 routed behind its stateful firewall

Every host knows `mesh.example`: the first server, with both of its addresses."""
import collections
import dataclasses
import hashlib
import ipaddress
import json
import math
import os
import pathlib
import re
import shlex
import shutil
import stat
import sys
import time
import types

from box import Box
from router import Carrier, Nat, Uplink, attach
from space import REPO, Host, find_program, make_dir, need, wait_until

__all__ = ["Lab", "need", "wait_until"]
SERVER_NAME = "mesh.example"
WAN_GATEWAY4 = "203.0.113.1"

BUS_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <auth>EXTERNAL</auth>
  <listen>unix:path=/run/dbus/system_bus_socket</listen>
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus"/>
  </policy>
%s
</busconfig>
"""


SERVICE_USERS = {"meshd": 64001, "mesh-server": 64002}

# meshd runs as the shipped unit runs it: its own user, these capabilities, no way to more.
MESHD_CAPS = "-all,+net_admin,+net_bind_service"
AS_MESHD = ("setpriv", "--reuid", "meshd", "--regid", "meshd", "--clear-groups", "--no-new-privs",
            "--inh-caps", MESHD_CAPS, "--ambient-caps", MESHD_CAPS, "--bounding-set", MESHD_CAPS)

# mesh-server has no capability at all; systemd gives it its ports, here the host lets everybody bind.
AS_SERVER = ("setpriv", "--reuid", "mesh-server", "--regid", "mesh-server", "--clear-groups",
             "--no-new-privs", "--inh-caps", "-all", "--bounding-set", "-all")


def as_object(value):
    """JSON as attributes: s.networks[0].server_state for "server-state"."""
    if isinstance(value, dict):
        return types.SimpleNamespace(
            **{re.sub(r"\W", "_", key): as_object(item) for key, item in value.items()})
    if isinstance(value, list):
        return [as_object(item) for item in value]
    return value


class Server(Host):
    """A computer on the internet with mesh-server."""

    program = "mesh-server"
    config = "/var/lib/mesh-server.conf"
    ip4 = ip6 = None

    def setup(self, network="home", *options):
        """Runs `mesh-server setup`, from nothing; returns the join link that it prints."""
        self.sh("install -d -o mesh-server -g mesh-server -m 700 /run/mesh-server; "
                "echo 0 > /proc/sys/net/ipv4/ip_unprivileged_port_start")
        printed = self.ctl("setup", "--host", self.dns_name, "--network", network, *options).stdout
        found = re.search(r"mesh://\S+", printed)
        assert found, f"setup printed no join link: {printed!r}"
        return found[0]

    def launch(self, **env):
        """Starts mesh-server and waits for nothing of it."""
        self.start(self.program, *AS_SERVER, find_program(self.program), "-c", self.config, "run", **env)

    def up(self, **env):
        """Starts mesh-server and waits until it answers."""
        self.launch(**env)
        wait_until(lambda: self.ctl("status", check=False).returncode == 0, 20,
                   f"{self.name} answers")

    def ctl(self, *arguments, check=True):
        return self.run(find_program(self.program), "-c", self.config, *arguments, check=check)

    def json(self, *arguments):
        return as_object(json.loads(self.ctl(*arguments, "--json").stdout))

    def restart(self, kill=False):
        self.stop(self.program, kill)
        self.up()

    def key(self, network, *options):
        """A fresh join link of a network."""
        return self.json("key", "create", "--network", network, *options).link

    def nodes(self, network):
        return {node.name: node for node in self.json("node", "list", "--network", network).nodes}


class Relay(Host):
    """A computer on the internet with mesh-server --role=relay."""

    config = "/var/lib/mesh-relay.conf"
    ip4 = ip6 = None

    def setup(self, server, *options):
        """From nothing to a relay of the server's nodes, which the server knows by the line it prints."""
        self.sh("echo 0 > /proc/sys/net/ipv4/ip_unprivileged_port_start")
        line = self.ctl("setup", "--host", self.ip4, "--name", self.name, "--trust",
                        server.json("status").key).stdout
        self.up()
        return server.ctl(*shlex.split(line)[1:], *options)

    def ctl(self, *arguments):
        return self.run(find_program("mesh-server"), "--role=relay", "-c", self.config, *arguments)

    def up(self):
        """Starts the relay and waits until it listens, which it says."""
        said = self.log("relay").count(" is a relay on ")
        self.start("relay", *AS_SERVER, find_program("mesh-server"), "--role=relay", "-c",
                   self.config)
        wait_until(lambda: self.log("relay").count(" is a relay on ") > said, 20, f"{self.name} listens")


class Node(Host):
    """A computer with a system bus of its own, meshd and the mesh command."""

    ip4 = ip6 = None
    options = ()  # more of them for meshd
    runs_meshd = AS_MESHD  # () is root, as for meshd that may replace resolv.conf

    def bus_up(self, *more):
        """Starts a system bus with our policy, and the policies in these files."""
        policies = [REPO / "data/dbus/org.meshvpn.Mesh1.conf", *more]
        self.run("sh", "-c", "mkdir -p /run/dbus; cat > /run/dbus/bus.conf",
                 text=BUS_CONFIG % "\n".join(f"  <include>{path}</include>" for path in policies))
        self.start("bus", "dbus-daemon", "--config-file=/run/dbus/bus.conf", "--nofork",
                   "--nopidfile")
        wait_until(lambda: self.run("test", "-S", "/run/dbus/system_bus_socket",
                                    check=False).returncode == 0, 10, f"bus of {self.name}")

    def launch(self, **env):
        """Starts meshd and waits for nothing of it."""
        if not self.runs("bus"):
            self.bus_up()
        owner = "meshd" if self.runs_meshd else "root"
        self.sh(f"install -d -o {owner} -g {owner} -m 700 /var/lib/mesh /run/mesh")
        self.start("meshd", *self.runs_meshd, find_program("meshd"), "--state-dir", "/var/lib/mesh",
                   "--runtime-dir", "/run/mesh", *self.options, **env)

    def up(self, **env):
        """Starts meshd and waits until it answers."""
        self.launch(**env)
        wait_until(lambda: self.mesh("networks", "--json", check=False).returncode == 0, 20,
                   f"meshd of {self.name}")

    def restart(self, kill=False):
        self.stop("meshd", kill)
        self.up()

    def mesh(self, *arguments, check=True, text=None, limit_s=180):
        return self.run(find_program("mesh"), *arguments, check=check, text=text, limit_s=limit_s)

    def join(self, link_text, *options, check=True):
        """Joins by a link, given on standard input as people should."""
        return self.mesh("join", *options, "-", text=link_text + "\n", check=check)

    def json(self, *arguments):
        return json.loads(self.mesh(*arguments, "--json").stdout)

    def networks(self):
        """Networks by name."""
        found = self.json("status")
        found = found["networks"] if isinstance(found, dict) else found
        return {item["name"]: as_object(item) for item in found}

    def network(self, name=None):
        found = self.networks()
        return found[name] if name else next(iter(found.values()))

    def peers(self, network=None):
        """Peers by name."""
        found = self.json("peers", *([network] if network else []))
        found = found["peers"] if isinstance(found, dict) else found
        return {item["name"]: as_object(item) for item in found}

    def peer(self, name, network=None):
        return self.peers(network)[name]

    def wait_until(self, condition, limit_s=20.0, what=None):
        """Waits until condition(self) is true."""
        return wait_until(lambda: condition(self), limit_s, what or f"{self.name}: condition")

    def addresses(self, network=None):
        """Our mesh addresses by family: {4: "10.…", 6: "fd…"}."""
        return {ipaddress.ip_address(text.split("/")[0]).version: text.split("/")[0]
                for text in self.network(network).addresses}

    def ping(self, address, count=1, limit_s=15):
        """The system's ping: real packets through the tunnel. .lost of .sent, .rtt_ms. Late is not lost: after
        the last of several it would wait for two round trips alone, so it is told to go on until as many
        answers are there, or for limit_s."""
        wait = ("-W", limit_s) if count == 1 else ("-w", math.ceil(count * 0.05 + limit_s))
        done = self.run("ping", "-n", "-c", count, "-i", "0.05", *wait, address, check=False,
                        limit_s=60 + limit_s)
        answered = {int(n) for n in re.findall(r"bytes from .*icmp_seq=(\d+) ", done.stdout)}
        rtt = re.search(r"= [\d.]+/([\d.]+)/", done.stdout)
        return types.SimpleNamespace(sent=count, lost=len(set(range(1, count + 1)) - answered),
                                     text=done.stdout + done.stderr, rtt_ms=float(rtt[1]) if rtt else None)

    def reaches(self, address, limit_s=15):
        """Waits until an echo comes back; the first packets may fall while paths are tried."""
        return wait_until(lambda: self.ping(address, limit_s=1).lost == 0, limit_s,
                          f"{self.name} reaches {address}")


class Lab:
    """with Lab() as lab: … Everything made in the block is gone after it."""

    def __init__(self, server=True, users=None):
        self.dir = make_dir()
        self.hosts, self.number, self.cases = [], 9, 0
        self.began = time.monotonic()
        self.hosts_file = self.dir / "hosts"
        self.hosts_file.write_text("127.0.0.1 localhost\n::1 localhost\n")
        self._make_files({**SERVICE_USERS, **(users or {})})
        self.free = collections.deque() # numbers of hosts that left, the oldest first
        self.wan = self.adopt(Host(self, "wan"))
        self.uplink = Uplink(self.wan, WAN_GATEWAY4)
        self.wan.sh(f"""
            ip addr add {WAN_GATEWAY4}/32 dev lo; ip addr add 2001:db8::1/128 dev lo
            echo 1 > /proc/sys/net/ipv4/ip_forward
            echo 1 > /proc/sys/net/ipv6/conf/all/forwarding""")
        self.server = self.make_server("server", SERVER_NAME) if server else None

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if error is not None and kind is not SystemExit:
            self.show_logs()
        for host in reversed(self.hosts):
            host.close()
        if error is not None and os.environ.get("MESH_LAB_KEEP"):
            print(f"# kept: {self.dir}")
        else:
            shutil.rmtree(self.dir, ignore_errors=True)
        if error is None and self.cases:
            print(f"1..{self.cases}")

    def show_logs(self):
        for log in sorted(self.dir.glob("*.log")):
            lines = log.read_text(errors="replace").splitlines()
            print(f"# ---- {log.name}, the last of {len(lines)} lines")
            print("\n".join(f"# {line}" for line in lines[-40:]))

    def ok(self, text):
        """Says that a point of the test holds, with the time since the lab began."""
        self.cases += 1
        print(f"ok {self.cases} - {text} # {time.monotonic() - self.began:.1f} s", flush=True)

    def _make_files(self, users):
        """Users as the package makes them, and a TUN device that they may open, as udev makes it."""
        for name, line in (("passwd", "{0}:x:{1}:{1}::/nonexistent:/usr/sbin/nologin\n"),
                           ("group", "{0}:x:{1}:\n")):
            lines = pathlib.Path("/etc", name).read_text(encoding="utf-8").splitlines(True)
            others = [text for text in lines if text.split(":")[0] not in users]
            (self.dir / name).write_text("".join(others) + "".join(
                line.format(*user) for user in users.items()), encoding="utf-8")
        os.mknod(self.dir / "tun", 0o666 | stat.S_IFCHR, os.makedev(10, 200))
        os.chmod(self.dir / "tun", 0o666)

    def adopt(self, host):
        """Makes a host one of the lab: its files, and its end with the lab's."""
        self.hosts.append(host)
        host.sh(f"""cd {self.dir}
            mount --bind hosts /etc/hosts; mount --bind passwd /etc/passwd
            mount --bind group /etc/group; mount --bind tun /dev/net/tun""")
        return host

    def take_number(self):
        if self.number < 120:
            self.number += 1
            return self.number
        return self.free.popleft()

    def leave(self, host):
        """Takes a host away, as if it had never been; its number is given again, late."""
        self.hosts.remove(host)
        host.close()
        if getattr(host, "number", None):
            self.free.append(host.number)

    def on_internet(self, host, v4=True, v6=True, box=False):
        """A host straight on the internet; with a box its cable is natbox, .box."""
        number = self.take_number()
        host.box = Box(self, f"box-{host.name}"[:15]) if box else None
        host.ip4 = f"203.0.113.{number}" if v4 else None
        host.ip6 = f"2001:db8:ff::{number:x}" if v6 else None
        host.number = number
        attach(host, dataclasses.replace(self.uplink, box=host.box), "wan0", host.ip4, host.ip6)
        return host

    def make_server(self, name, dns_name=None):
        server = self.on_internet(self.adopt(Server(self, name)))
        server.dns_name = dns_name or f"{name}.example"
        with open(self.hosts_file, "a", encoding="utf-8") as hosts:
            hosts.write(f"{server.ip4} {server.dns_name}\n{server.ip6} {server.dns_name}\n")
        return server

    def make_relay(self, name, delay_ms=0):
        """A relay to be, whose cable takes so long each way."""
        relay = self.on_internet(self.adopt(Relay(self, name)), box=True)
        relay.box.set(delay_ms=delay_ms)
        return relay

    def nat(self, name, kind="port-restricted", **options):
        """A home router of a kind of nat.py. Options: v6, carrier, box, wan4, forwards, proxy, shift,
        max_flows, udp_timeout_s."""
        return self.adopt(Nat(self, name, kind, self.take_number(), **options))

    def carrier(self, name, kind="port-restricted", **options):
        """A carrier's NAT, for lab.nat(…, carrier=it)."""
        return self.adopt(Carrier(self, name, kind, self.take_number(), **options))

    def host(self, name):
        """A computer on the internet with nothing of ours on it."""
        return self.on_internet(self.adopt(Host(self, name)))

    def node(self, name, behind=None, v4=True, v6=True, box=False):
        """A computer on the internet, or behind a NAT. Its meshd is started by .up()."""
        node = self.adopt(Node(self, name))
        if behind is None:
            return self.on_internet(node, v4, v6, box)
        behind.add(node, v4, v6)
        return node


COPY_SENDER = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), 60) as s, open(sys.argv[3], "rb") as f:
    s.sendfile(f)
"""
COPY_RECEIVER = """
import hashlib, socket, sys
s = socket.create_server((sys.argv[1], int(sys.argv[2])),
                         family=socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET)
print("ready", flush=True)
c, h, n, buffer = s.accept()[0], hashlib.sha256(), 0, bytearray(1 << 20)
while got := c.recv_into(buffer):
    h.update(memoryview(buffer)[:got]); n += got
print(n, h.hexdigest(), flush=True)
"""


def copy(sender, receiver, address, size_bytes, limit_s=300):
    """Copies random bytes to an address of the receiver by TCP. Returns (seconds, whether the hashes
    are the same); sends them over whatever the routes say, which is the tunnel for mesh addresses."""
    source = sender.lab.dir / "copy.bin"
    digest = hashlib.sha256()
    with open(source, "wb") as out:
        for start in range(0, size_bytes, 1 << 20):
            block = os.urandom(min(1 << 20, size_bytes - start))
            digest.update(block)
            out.write(block)
    key = f"copy{time.monotonic_ns()}"
    process = receiver.start(key, sys.executable, "-c", COPY_RECEIVER, address, 9000)
    wait_until(lambda: "ready" in receiver.log(key), 10, "receiver")
    began = time.monotonic()
    sender.run(sys.executable, "-c", COPY_SENDER, address, 9000, source, limit_s=limit_s)
    process.wait(timeout=limit_s)
    took = time.monotonic() - began
    source.unlink()
    words = receiver.log(key).split()
    return took, words[1:] == [str(size_bytes), digest.hexdigest()]
