"""NetworkManager in a lab: the real one on a node, with our VPN plugin from the build, its own link under it, and nmcli.

   with Lab() as lab:
       a = lab.node("a")
       nm = NetworkManager(a)          # before a.up()
       a.up()
       nm.cli("connection", "add", "type", "vpn", "vpn-type", "mesh", …)

The node's link to the internet is a connection of NetworkManager's, "wan": a VPN needs one under it."""
import os
import pathlib
import re
import sys

for folder in ("gui", "net"):
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / folder))
from lab import Lab, need
from space import PROGRAMS, REPO, find_program, unpacked, wait_until

__all__ = ["Lab", "NetworkManager", "need_nm", "wait_until"]
BUS = "org.freedesktop.NetworkManager"
LIMIT_S = 60
LIBS = "/usr/lib/x86_64-linux-gnu"
CONFIG = """[main]
plugins=keyfile
dns={dns}
rc-manager=file
no-auto-default=*
auth-polkit=false
hostname-mode=none
[connectivity]
enabled=false
[logging]
level={level}
domains=ALL,VPN:DEBUG
"""
WAN = """[connection]
id=wan
uuid=5b1f4b7e-3d3c-4f55-9a43-0e8f3f7d1c11
type=ethernet
interface-name=wan0
[ipv4]
method=manual
address1={host.ip4}/32
route1=203.0.113.1/32
route2=0.0.0.0/0,203.0.113.1
dns={server};
[ipv6]
method=manual
address1={host.ip6}/128
route1=::/0,fe80::1
"""
# As installed, but from the build.
NAME = """[VPN Connection]
name=mesh
service=org.freedesktop.NetworkManager.mesh
program={service}
supports-multiple-connections=true
[libnm]
plugin={plugins}/libnm-vpn-plugin-mesh.so
[GNOME]
auth-dialog={auth}
supports-external-ui-mode=true
"""


def find_root():
    """Where the packages' files are: "" where they are installed; None: nowhere."""
    found = unpacked("/usr/sbin/NetworkManager")
    return found[:-len("/usr/sbin/NetworkManager")] if found else None


def need_nm(*tools):
    """Ends the test as skipped (77), naming what this machine lacks."""
    need("getent", "busctl", *tools)
    if find_root() is None:
        print("skipped: missing network-manager (see ./run deps)", flush=True)
        sys.exit(77)
    find_program("nm-mesh-service")


def plugin_dir():
    """Where our modules are, for every user of a node."""
    return f"{PROGRAMS}/nm-plugin" if os.environ.get("MESH_BUILD") else f"{PROGRAMS}{LIBS.removeprefix('/usr')}/NetworkManager"


class NetworkManager:
    """The one of a node. dns: its way with resolv.conf; bus: starts the node's, with the policies in these files."""

    def __init__(self, node, dns="default", server="203.0.113.1", bus=None):
        self.node, self.root, self.dns = node, find_root(), dns
        node.sh(f"""
            mkdir -p /etc/NetworkManager/system-connections /etc/NetworkManager/VPN /etc/NetworkManager/conf.d
            mkdir -p /var/lib/NetworkManager
            mount -o remount,ro,bind /sys
            rm -f /etc/resolv.conf; echo '# of before' > /etc/resolv.conf
            ip addr flush dev wan0; ip link set wan0 down""")
        self.write("/etc/NetworkManager/system-connections/wan.nmconnection", WAN.format(host=node, server=server))
        self.write("/etc/NetworkManager/VPN/nm-mesh-service.name", NAME.format(
            service=find_program("nm-mesh-service"), plugins=plugin_dir(), auth=find_program("nm-mesh-auth-dialog")))
        node.sh("chmod -R a+rX /etc/NetworkManager/VPN")
        (bus or node.bus_up)(*self.policies())
        self.start()

    def policies(self):
        """What the system bus has to know."""
        return f"{self.root}/usr/share/dbus-1/system.d/{BUS}.conf", REPO / "nm-plugin/nm-mesh-service.conf"

    def write(self, path, text):
        self.node.run("sh", "-ec", f"umask 077; cat > '{path}'", text=text)

    def env(self):
        return {"LD_LIBRARY_PATH": f"{self.root}{LIBS}"} if self.root else {}

    def start(self):
        self.write("/etc/NetworkManager/NetworkManager.conf",
                   CONFIG.format(dns=self.dns, level=os.environ.get("NM_LEVEL", "INFO")))
        self.node.start("nm", f"{self.root}/usr/sbin/NetworkManager", "--debug", **self.env())
        wait_until(lambda: self.node.run("busctl", "get-property", BUS, "/org/freedesktop/NetworkManager", BUS,
                                         "State", check=False).stdout == "u 70\n", LIMIT_S, "NetworkManager connected")

    def cli(self, *arguments, check=True, limit_s=200):
        """nmcli, terse, to its end."""
        words = [f"{key}={value}" for key, value in self.env().items()]
        return self.node.run("env", "LC_ALL=C.UTF-8", *words, f"{self.root}/usr/bin/nmcli", *arguments, check=check,
                             limit_s=limit_s)

    def add(self, name, network, *more, check=True):
        """A connection as the manual says to make it."""
        return self.cli("connection", "add", "type", "vpn", "vpn-type", "mesh", "con-name", name,
                        "vpn.data", f"network={network}", *more, check=check)

    def up(self, name, check=True):
        return self.cli("--wait", "120", "connection", "up", name, check=check)

    def down(self, name, check=True):
        return self.cli("connection", "down", name, check=check)

    def active(self):
        """Active connections: name → state."""
        lines = self.cli("-t", "-f", "NAME,STATE", "connection", "show", "--active").stdout.splitlines()
        return dict(line.rsplit(":", 1) for line in lines)

    def is_up(self, name):
        return self.active().get(name) == "activated"

    def log(self):
        return self.node.log("nm")

    def services(self):
        """Process ids of our service."""
        found = self.node.run("pgrep", "-f", "nm-mesh-service --bus-name", check=False).stdout.split()
        return [int(pid) for pid in found]

    def resolv(self):
        return self.node.run("cat", "/etc/resolv.conf").stdout

    def addresses(self, device):
        """On an interface, as text with the length of the prefix."""
        text = self.node.run("ip", "-br", "address", "show", "dev", device, "scope", "global", check=False).stdout
        return sorted(re.findall(r"[0-9a-f.:]+/\d+", text))

    def routes(self, device):
        """Destinations behind an interface, by whom they were set: {"10.71.0.0/16": "static"}."""
        text = "".join(self.node.run("ip", f"-{v}", "route", "show", "dev", device, check=False).stdout for v in (4, 6))
        return {line.split()[0]: (re.search(r"proto (\S+)", line) or [0, ""])[1] for line in text.splitlines()}
