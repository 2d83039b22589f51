"""What stands between a network and the internet: kinds of NAT and of firewall, as nftables rule sets.

Mapping is what the outside sees (EIM: one port for all, ADM: one for each address, APDM: a new one for
each), filtering is who may answer (EIF anybody, ADF an address spoken to, APDF an address and port;
RFC 4787). test-natlab.py holds each kind to what a socket behind it observes.

   open                      no NAT: who is placed so has a public address
   port-restricted           EIM APDF, port kept: the plain Linux home router
   port-restricted-accept    the same, but the router takes in strays: they hold the port they hit
   port-restricted-reject    the same, but it answers strays with an ICMP error
   random-port               EIM APDF, port not kept
   restricted                EIM ADF
   full-cone                 EIM EIF
   full-cone-hairpin         EIM EIF, and two hosts behind it reach each other by its outer address
   address-dependent         ADM APDF
   symmetric                 APDM APDF, random ports
   sequential                APDM APDF, the next port is the last + 1
   block                     APDM APDF, random within 1024 ports
   pool                      APDM APDF, one of two outer addresses for each flow
   forwarded                 port-restricted; what the caller forwards reaches the inside
   udp-blocked               port-restricted for TCP, no UDP
   tcp-443-only              nothing but TCP to port 443
   proxy-only                nothing but TCP to one address and port"""
import dataclasses

WAN = "wan0"
LEARNED_S = 120 # what a cone remembers after the last packet from inside
BLOCK_PORTS = 1024
SEQUENCE_PORTS = 4000

KINDS = ("port-restricted", "port-restricted-accept", "port-restricted-reject", "random-port",
         "restricted", "full-cone", "full-cone-hairpin", "address-dependent", "symmetric",
         "sequential", "block", "pool", "forwarded", "udp-blocked", "tcp-443-only", "proxy-only")
CONES = ("restricted", "full-cone", "full-cone-hairpin")


@dataclasses.dataclass
class Rules:
    """What a router does. `shift` moves all ports: None keeps what the kind keeps, another number
    gives other ports, as after a reboot."""

    kind: str
    wan4: str
    pool4: str = None                 # the second address of "pool"
    forwards: tuple = ()              # (port, host address, host port)
    proxy: tuple = None               # (address, port) of "proxy-only"
    shift: int = None
    max_flows: int = None             # at most so many UDP flows for each host inside

    def base(self, start, span, room):
        """Where a range of ports begins: moved by the shift, within `room` ports."""
        return start + (self.shift or 0) * span % room

    def mapping(self):
        """What the postrouting chain does with UDP that leaves; "" is what masquerading does."""
        hashed = f"mod 20000 seed {0xbeef + (self.shift or 0):#x} offset 30000"
        by_host = f"snat to {self.wan4}:jhash ip saddr . udp sport {hashed}"
        if self.kind == "random-port":
            return by_host
        if self.kind == "address-dependent":
            return f"snat to {self.wan4}:jhash ip saddr . udp sport . ip daddr {hashed}"
        if self.kind == "symmetric":
            return "masquerade to :1024-65535 fully-random"
        if self.kind == "block":
            low = self.base(20480, BLOCK_PORTS, 40960)
            return f"snat to {self.wan4}:{low}-{low + BLOCK_PORTS - 1} fully-random"
        if self.kind == "sequential": # through a map: a bare counter would be stored byte-swapped
            low = self.base(40000, SEQUENCE_PORTS, 20000)
            ports = ", ".join(f"{n} : {low + n}" for n in range(SEQUENCE_PORTS))
            return f"snat to {self.wan4}:numgen inc mod {SEQUENCE_PORTS} map {{ {ports} }}"
        if self.kind == "pool":
            return f"snat to numgen random mod 2 map {{ 0 : {self.wan4}, 1 : {self.pool4} }}"
        return by_host if self.shift else ""


def chain(name, hook, *lines):
    body = "\n".join(f"  {line}" for line in lines if line)
    return f" chain {name} {{\n  type {hook};\n{body}\n }}\n"


def arrivals(rules):
    """The prerouting chain: what reaches the inside, and by which memory."""
    lines = [f'iifname "{WAN}" udp dport {port} dnat to {host}:{host_port}'
             for port, host, host_port in rules.forwards]
    memory = ""
    if rules.kind in CONES:
        memory = (" map cone { type inet_service : ipv4_addr . inet_service; flags dynamic,timeout; "
                  f"timeout {LEARNED_S}s; size 65535; }}\n"
                  " set spoken { type inet_service . ipv4_addr; flags dynamic,timeout; "
                  f"timeout {LEARNED_S}s; size 65535; }}\n")
        place = "" if rules.kind == "full-cone-hairpin" else f'iifname "{WAN}" '
        who = "udp dport . ip saddr @spoken " if rules.kind == "restricted" else ""
        lines.append(f"{place}ip daddr {rules.wan4} {who}dnat ip to udp dport map @cone")
    return memory + chain("arrive", "nat hook prerouting priority -100", *lines)


def departures(rules):
    """The postrouting chains. A cone learns after the NAT from every packet, so that each renews it."""
    out, mapping = f'oifname "{WAN}"', rules.mapping()
    lines = [f"{out} ip protocol udp {mapping}" if mapping else "", f"{out} masquerade"]
    if rules.kind == "full-cone-hairpin": # RFC 4787 REQ-9a: the external source
        lines.insert(0, f'oifname != "{WAN}" ct status dnat ip protocol udp '
                        f"{mapping or f'snat to {rules.wan4}'}")
    learn = ""
    if rules.kind in CONES:
        learn = chain("learn", "filter hook postrouting priority 300",
                      f"{out} ip protocol udp update @cone "
                      "{ udp sport : ct original ip saddr . ct original proto-src }",
                      f"{out} ip protocol udp update @spoken {{ udp sport . ip daddr }}")
    return chain("depart", "nat hook postrouting priority 100", *lines) + learn


def router_input(rules):
    """What comes to the router itself. What it takes in holds a port, and the NAT then picks another."""
    if rules.kind == "port-restricted-accept":
        return ""
    what = "reject" if rules.kind == "port-restricted-reject" else "drop"
    return chain("own", "filter hook input priority 0",
                 f'iifname "{WAN}" meta l4proto {{ tcp, udp }} ct state new {what}')


def passing(rules):
    """What may pass through: new flows from inside, or what a mapping let in."""
    limit = f'iifname != "{WAN}" ip protocol udp ct state new ' \
            f"add @flows {{ ip saddr ct count over {rules.max_flows} }} drop"
    held = " set flows { type ipv4_addr; flags dynamic; size 65535; }\n" if rules.max_flows else ""
    return held + chain("pass", "filter hook forward priority 0", *refusals(rules),
                        f'iifname "{WAN}" ct status dnat accept', f'iifname "{WAN}" ct state new drop',
                        limit if rules.max_flows else "")


def refusals(rules):
    """What a firewall keeps those inside from doing."""
    if rules.kind == "udp-blocked":
        return ["meta l4proto udp drop"]
    if rules.kind == "tcp-443-only":
        return ["ct state established accept", f'iifname != "{WAN}" tcp dport 443 accept', "drop"]
    if rules.kind == "proxy-only":
        address, port = rules.proxy
        return ["ct state established accept",
                f'iifname != "{WAN}" ip daddr {address} tcp dport {port} accept', "drop"]
    return []


def rules4(rules):
    """The IPv4 side, as one table."""
    if rules.kind not in KINDS:
        raise ValueError(f"no NAT kind {rules.kind!r}")
    return ("table ip nat4 {\n" + arrivals(rules) + departures(rules) + router_input(rules) +
            passing(rules) + "}\n")


def rules6(rules):
    """A stateful firewall for routed IPv6: whoever is inside speaks first, and as IPv4 may."""
    refused = [line for line in refusals(rules) if "ip daddr" not in line]
    return "table ip6 fw6 {\n" + chain(
        "pass", "filter hook forward priority 0", f'iifname "{WAN}" ct state established,related accept',
        f'iifname "{WAN}" meta mark 77 accept', # what miniupnpd lets in, see onway.py
        f'iifname "{WAN}" icmpv6 type {{ destination-unreachable, packet-too-big, time-exceeded }} accept',
        f'iifname "{WAN}" drop', *refused) + "}\n"
