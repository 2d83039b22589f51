"""Routers of a lab: home routers, carriers, and what happens to them. nat.py has their rules.

   host ─ eth0 ══ lan0 [Nat] wan0 ══ [wan]                     a home router
   host ─ eth0 ══ lan0 [Nat] wan0 ══ [Carrier] wan0 ══ [wan]   a home router behind a carrier's NAT

Every cable has two ends only: routers meet through a gateway, as on the internet. On one shared segment
their first packets would wait for ARP, and what is to be shown would not be."""
import contextlib
import dataclasses
import json

from box import Box
from nat import WAN, Rules, rules4, rules6
from space import Host, link

CARRIER_GATEWAY4 = "100.64.0.1"

# What went through the outer link, kept apart from the rules so that a change of rules keeps it.
COUNTERS = f"""table inet count {{
 counter udp_out {{ }}
 counter udp_in {{ }}
 counter tcp_out {{ }}
 counter tcp_in {{ }}
 chain leave {{
  type filter hook postrouting priority 400;
  oifname "{WAN}" meta l4proto udp counter name udp_out
  oifname "{WAN}" meta l4proto tcp counter name tcp_out
 }}
 chain enter {{
  type filter hook prerouting priority -400;
  iifname "{WAN}" meta l4proto udp counter name udp_in
  iifname "{WAN}" meta l4proto tcp counter name tcp_in
 }}
}}
"""

SILENCE = """table inet silence {
 chain everything {
  type filter hook prerouting priority -500;
  drop
 }
}
"""

DARK = """table ip dark {{
 chain pass {{
  type filter hook forward priority -300;
  ip daddr {there} drop
  ip saddr {there} drop
 }}
}}
"""


@dataclasses.dataclass
class Uplink:
    """Where a host is connected: a router, the router's IPv4 address, perhaps a box on the cable."""

    gateway: Host
    gateway4: str
    box: Box = None


def attach(host, uplink, dev, ip4, ip6):
    """Gives a host its own link to a gateway, with these addresses (None: not this family)."""
    gateway, gateway4, far = uplink.gateway, uplink.gateway4, outer_dev(host)
    if uplink.box:
        uplink.box.insert(host, dev, gateway, far)
    else:
        link(host, dev, gateway, far)
    if ip4:
        gateway.sh(f"ip addr add {gateway4}/32 dev {far}; ip route add {ip4} dev {far}")
        host.sh(f"ip addr add {ip4}/32 dev {dev}; ip route add {gateway4} dev {dev}; "
                f"ip route add default via {gateway4}")
    if ip6:
        gateway.sh(f"ip addr add fe80::1/64 dev {far} nodad; ip -6 route add {ip6} dev {far}")
        host.sh(f"ip addr add {ip6}/128 dev {dev} nodad; "
                f"ip -6 route add default via fe80::1 dev {dev}")


def outer_dev(host):
    """The gateway's end of a host's link."""
    return f"w-{host.name}"[:15]


def count_on(host):
    """Counts what goes through wan0 of a host from now on."""
    host.run("nft", "-f", "-", text=COUNTERS)


def counted(host):
    """{"udp_out": (packets, bytes), …} since count_on()."""
    found = json.loads(host.run("nft", "-j", "list", "counters", "table", "inet", "count").stdout)
    return {item["counter"]["name"]: (item["counter"]["packets"], item["counter"]["bytes"])
            for item in found["nftables"] if "counter" in item}


class Router(Host):
    """What translates between its inside and wan0: its rules, its memory, and its accidents."""

    def __init__(self, lab, name, kind, **options):
        super().__init__(lab, name)
        self.sh("echo 1 > /proc/sys/net/ipv4/ip_forward; "
                "echo 1 > /proc/sys/net/ipv6/conf/all/forwarding")
        self.uplink = lab.uplink
        self.rules, self.wan6, self.prefix6, self.reboots = Rules(kind, None, **options), None, None, 0

    @property
    def kind(self):
        return self.rules.kind

    @property
    def wan4(self):
        return self.rules.wan4

    def plug_in(self, wan4, wan6=None, pool4=None):
        """Connects wan0 and begins to work. The second address is for the kind "pool"."""
        self.rules.wan4, self.wan6 = wan4, wan6
        attach(self, self.uplink, WAN, wan4, wan6)
        if pool4:
            self._more_address(pool4)
        count_on(self)
        self.apply()

    def _more_address(self, pool4):
        self.rules.pool4 = pool4
        self.run("ip", "addr", "add", f"{pool4}/32", "dev", WAN)
        self.uplink.gateway.run("ip", "route", "add", pool4, "dev", outer_dev(self))

    def apply(self):
        """Replaces the rules at once; flows that are known go on (RFC says nothing of rule changes)."""
        old = "table ip nat4 { }\ndelete table ip nat4\ntable ip6 fw6 { }\ndelete table ip6 fw6\n"
        self.run("nft", "-f", "-", text=old + rules4(self.rules) + rules6(self.rules))

    # ---- memory

    def set_lifetimes(self, unreplied_s, stream_s):
        """How long a UDP flow without an answer lives, and one that went both ways for 2 s."""
        self.sh(f"""cd /proc/sys/net/netfilter
            echo {unreplied_s} > nf_conntrack_udp_timeout
            echo {stream_s} > nf_conntrack_udp_timeout_stream""")

    def flush(self):
        """Forgets every flow and mapping. Who keeps ports gives the same ones again: see rebind()."""
        self.run("nft", "-f", "-", text=SILENCE) # else what is on its way would be remembered again
        self.apply()                             # the sets go with the table
        self.run("conntrack", "-F")
        self.run("nft", "delete", "table", "inet", "silence")

    def rebind(self):
        """Forgets every flow, and gives other ports from now on."""
        self.rules.shift = (self.rules.shift or 0) + 1
        self.flush()

    def entries(self):
        """How many flows the router remembers."""
        return int(self.run("cat", "/proc/sys/net/netfilter/nf_conntrack_count").stdout)

    # ---- accidents

    def move(self, wan4):
        """The provider gives another IPv4 address."""
        gateway, far, old = self.uplink.gateway, outer_dev(self), self.wan4
        gateway.sh(f"ip route del {old} dev {far}; ip route add {wan4} dev {far}")
        self.sh(f"ip addr add {wan4}/32 dev {WAN} && ip addr del {old}/32 dev {WAN}; "
                f"ip route replace {self.uplink.gateway4} dev {WAN}; "
                f"ip route replace default via {self.uplink.gateway4}")
        self.rules.wan4 = wan4
        self.flush()

    def down(self):
        """The outer cable is pulled."""
        self.run("ip", "link", "set", WAN, "down")

    def up(self):
        """The outer cable is back, with the routes that went with it."""
        self.run("ip", "link", "set", WAN, "up")
        self.sh(f"ip route replace {self.uplink.gateway4} dev {WAN}; "
                f"ip route replace default via {self.uplink.gateway4}")
        if self.wan6:
            far = outer_dev(self)
            self.sh(f"ip addr replace {self.wan6}/128 dev {WAN} nodad; "
                    f"ip -6 route replace default via fe80::1 dev {WAN}")
            self.uplink.gateway.sh(f"ip addr replace fe80::1/64 dev {far} nodad; "
                               f"ip -6 route replace {self.wan6} dev {far}")
            if self.prefix6:
                self.uplink.gateway.run("ip", "-6", "route", "replace", self.prefix6, "via", self.wan6,
                                    "dev", far)

    @contextlib.contextmanager
    def off(self):
        """Without power while the block runs; then the same address, other ports and no memory."""
        self.down()
        yield
        self.rebind()
        self.up()

    def cut(self, direction="both", what="udp", version=None):
        """Silently loses what goes "out", "in", or "both" ways through wan0: "udp", "tcp" or "all",
        of one IP version or of both. Mappings stay. mend() ends all cuts."""
        match = {"udp": "meta l4proto udp ", "tcp": "meta l4proto tcp ", "all": ""}[what]
        match += f"meta nfproto ipv{version} " if version else ""
        lines = []
        if direction in ("out", "both"):
            lines.append(f' chain out {{ type filter hook postrouting priority 390; }}\n'
                         f'add rule inet cut out oifname "{WAN}" {match}drop')
        if direction in ("in", "both"):
            lines.append(f' chain in {{ type filter hook prerouting priority -390; }}\n'
                         f'add rule inet cut in iifname "{WAN}" {match}drop')
        text = "".join(line.replace(" chain", "add chain inet cut", 1) + "\n" for line in lines)
        self.run("nft", "-f", "-", text="add table inet cut\n" + text)

    def go_dark(self, other):
        """All to and from another router's outer address is lost; what goes to anybody else passes."""
        self.run("nft", "-f", "-", text=DARK.format(there=other.wan4))

    def lighten(self):
        self.run("nft", "delete", "table", "ip", "dark")

    def mend(self):
        self.run("nft", "-f", "-", text="table inet cut { }\ndelete table inet cut\n")

    def lose_v6(self):
        """IPv6 vanishes without a word: addresses stay, packets do not arrive."""
        self.cut("both", "all", 6)


class Nat(Router):
    """A home router: NAT for IPv4, a stateful firewall for routed IPv6, hosts on its lan0."""

    def __init__(self, lab, name, kind, number, v6=True, udp_timeout_s=None, carrier=None, box=False,
                 wan4=None, forwards=(), **options):
        inside = [(port, f"192.168.{number}.{host}", to) for port, host, to in forwards]
        super().__init__(lab, name, kind, forwards=inside, **options)
        self.number, self.inside = number, []
        self.v6 = v6 and not carrier
        self.box = Box(lab, f"box-{name}"[:15]) if box else None
        self.uplink = dataclasses.replace(lab.uplink, box=self.box)
        if carrier:
            self.uplink = Uplink(carrier, CARRIER_GATEWAY4, self.box)
        wan6 = f"2001:db8:ff::{number:x}" if self.v6 else None
        self.sh(f"ip link add lan0 type bridge mcast_snooping 0; ip link set lan0 up; "
                f"ip addr add 192.168.{number}.1/24 dev lan0")
        self.plug_in(wan4 or f"{'100.64.0' if carrier else '203.0.113'}.{number}", wan6,
                     f"203.0.113.{number + 100}" if kind == "pool" else None)
        if self.v6:
            self.prefix6 = f"2001:db8:{number:x}::/64"
            self.run("ip", "addr", "add", f"2001:db8:{number:x}::1/64", "dev", "lan0", "nodad")
            lab.wan.run("ip", "route", "add", self.prefix6, "via", self.wan6, "dev", outer_dev(self))
        if udp_timeout_s:
            self.set_lifetimes(udp_timeout_s, udp_timeout_s)

    def add(self, host, v4=True, v6=True):
        """Puts a host on the LAN: .10, .11 … of both families."""
        number, port = len(self.inside) + 10, f"lan{len(self.inside) + 1}"
        link(host, "eth0", self, port)
        self.run("ip", "link", "set", port, "master", "lan0")
        self.inside.append(host)
        if v4:
            host.ip4 = f"192.168.{self.number}.{number}"
            host.sh(f"ip addr add {host.ip4}/24 dev eth0; "
                    f"ip route add default via 192.168.{self.number}.1")
        if v6 and self.v6:
            host.ip6 = f"2001:db8:{self.number:x}::{number:x}"
            host.sh(f"ip addr add {host.ip6}/64 dev eth0 nodad; "
                    f"ip -6 route add default via 2001:db8:{self.number:x}::1")

    def withdraw_v6(self):
        """The provider takes IPv6 back, and the hosts hear of it: addresses and routes go."""
        for host in self.inside:
            host.run("ip", "-6", "addr", "flush", "dev", "eth0", "scope", "global")
        self.lose_v6()


class Carrier(Router):
    """A carrier's NAT: home routers are its subscribers (lab.nat(…, carrier=…)), IPv4 only. They reach
    each other by the outer address if the kind does hairpins, and never by their inner ones."""

    def __init__(self, lab, name, kind, number, **options):
        super().__init__(lab, name, kind, **options)
        self.number = number
        self.plug_in(f"203.0.113.{number}",
                     pool4=f"203.0.113.{number + 100}" if kind == "pool" else None)
        self.run("nft", "-f", "-", text=f"""table ip apart {{
 chain pass {{
  type filter hook forward priority -10;
  ct status dnat accept
  iifname != "{WAN}" oifname != "{WAN}" drop
 }}
}}
""")
