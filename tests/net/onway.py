"""Machines on the way that do more than NAT: HTTP proxies, NAT64 with its DNS, routers that map ports.

   proxy = Proxy(lab, user="mole", password="…")    .address .port .url .connects()
   lab.nat("n", kind="proxy-only", proxy=(proxy.address, proxy.port))
   nat64 = Nat64(lab); nat64.serve(node)             IPv6-only hosts reach IPv4, and find the prefix
   map_ports(lab.nat("n", wan4="5.5.5.1"))           PCP, NAT-PMP and UPnP"""
import ipaddress
import pathlib
import re
import sys

from nat import WAN, rules4
from router import Router, outer_dev
from space import unpacked, wait_until

HERE = pathlib.Path(__file__).resolve().parent

PREFIX64 = "2001:db8:64::/96" # not 64:ff9b::/96: tayga refuses documentation addresses behind that one
POOL4 = "192.168.255.0/24"    # what tayga gives each IPv6 host, before the NAT

TAYGA = """tun-device nat64
ipv4-addr 192.168.255.1
ipv6-addr 2001:db8:64:1::1
prefix {prefix}
dynamic-pool {pool}
data-dir /run/tayga
"""

UPNP_TABLE = """table inet upnp {
 chain miniupnpd { }
 chain prerouting_miniupnpd { }
 chain postrouting_miniupnpd { }
 chain holes {
  type filter hook forward priority -5;
  meta mark set 77
  jump miniupnpd
  meta mark set 0
 }
 chain arrive {
  type nat hook prerouting priority -110;
  jump prerouting_miniupnpd
 }
 chain depart {
  type nat hook postrouting priority 90;
  jump postrouting_miniupnpd
 }
}
"""
MINIUPNPD = """ext_ifname={wan}
listening_ip=lan0
http_port=5000
enable_natpmp={pcp}
enable_upnp=yes
secure_mode=no
system_uptime=no
notify_interval=900
min_lifetime={min_s}
max_lifetime=86400
uuid=c4c8b9a2-1111-2222-3333-444455556666
upnp_table_name=upnp
upnp_nat_table_name=upnp
upnp_forward_chain=miniupnpd
upnp_nat_chain=prerouting_miniupnpd
upnp_nat_postrouting_chain=postrouting_miniupnpd
allow 1024-65535 {lan}.0/24 1024-65535
"""


class Proxy:
    """An HTTP proxy on the internet that knows only CONNECT; with a user it wants Basic authentication."""

    def __init__(self, lab, name="proxy", user=None, password=None, idle_s=0):
        self.host, self.port = lab.host(name), 3128
        self.address = self.host.ip4
        self.user, self.password, self.idle_s = user, password, idle_s
        self.start()

    def start(self):
        """Also again, after a stop of "proxy" on its host."""
        seen = len(self.host.log("proxy"))
        user, password, idle_s = self.user, self.password, self.idle_s
        self.host.start("proxy", sys.executable, HERE / "connectproxy.py", self.address, self.port, idle_s,
                        PROXY_USER=f"{user}:{password}" if user else "")
        wait_until(lambda: "ready" in self.host.log("proxy")[seen:], 10, "the proxy")

    @property
    def url(self):
        who = f"{self.user}:{self.password}@" if self.user else ""
        return f"http://{who}{self.address}:{self.port}"

    def connects(self):
        """[(target, status)] of what it was asked."""
        return [(words[1], int(words[2])) for words in map(str.split, self.host.log("proxy").splitlines())
                if words[:1] == ["CONNECT"]]


class Nat64(Router):
    """A provider's NAT64 with a DNS64: tayga and the IPv4 rules of any kind of nat.py."""

    program = unpacked("/usr/sbin/tayga")

    def __init__(self, lab, name="nat64", kind="port-restricted", prefix=PREFIX64):
        super().__init__(lab, name, kind)
        lab.adopt(self)
        self.number, self.prefix = lab.take_number(), ipaddress.ip_network(prefix)
        self.plug_in(f"203.0.113.{self.number}", f"2001:db8:ff::{self.number:x}")
        self.run("sh", "-c", "mkdir -p /run/tayga && cat > /run/tayga.conf",
                 text=TAYGA.format(prefix=prefix, pool=POOL4))
        self.start("tayga", self.program, "--config", "/run/tayga.conf", "--nodetach")
        wait_until(lambda: self.run("ip", "link", "show", "nat64", check=False).returncode == 0, 10,
                   "tayga's device")
        self.sh(f"ip link set nat64 up; ip addr add 192.168.254.1/32 dev nat64; "
                f"ip route add {POOL4} dev nat64; ip -6 route add {prefix} dev nat64")
        lab.wan.run("ip", "-6", "route", "add", prefix, "via", self.wan6, "dev", outer_dev(self))
        self.start("dns", sys.executable, HERE / "dns64.py", self.wan6, prefix, lab.hosts_file)
        wait_until(lambda: "ready" in self.log("dns"), 10, "the DNS64")

    def apply(self):
        old = "table ip nat4 { }\ndelete table ip nat4\n"
        self.run("nft", "-f", "-", text=old + rules4(self.rules)) # IPv6 comes in by wan0, too

    def serve(self, host):
        """Makes it a host's name server."""
        host.sh(f"rm -f /etc/resolv.conf; echo 'nameserver {self.wan6}' > /etc/resolv.conf")

    def address6(self, ip4):
        """An IPv4 address as its IPv6-only clients see it (RFC 6052, /96)."""
        return str(self.prefix[int(ipaddress.ip_address(ip4))])


MAPPER = unpacked("/usr/sbin/miniupnpd")


def map_ports(nat, min_s=2, pcp=True):
    """Makes a home router answer PCP, NAT-PMP and UPnP, or (pcp false) UPnP alone. Its address must not
    be a reserved one: miniupnpd refuses 203.0.113.0/24, so give lab.nat() a wan4. Stop and start
    "miniupnpd" for a new epoch."""
    nat.run("nft", "-f", "-", text=UPNP_TABLE)
    nat.run("sh", "-c", "cat > /run/miniupnpd.conf",
            text=MINIUPNPD.format(wan=WAN, lan=f"192.168.{nat.number}", min_s=min_s,
                                  pcp="yes" if pcp else "no"))
    nat.start("miniupnpd", MAPPER, "-d", "-f", "/run/miniupnpd.conf", "-P", "/run/miniupnpd.pid")
    ports = {"1900", "5000"} | ({"5351"} if pcp else set()) # the one of PCP is the last, and UPnP would take its place
    wait_until(lambda: ports <= set(re.findall(r":(\d+) ", nat.run("ss", "-Hltun").stdout)), 60, "miniupnpd")

