"""What stands between a home network and the internet: NAT kinds as nftables rule sets.

Mapping is what the outside sees (EIM: one port for all, APDM: a new one for each), filtering is who
may answer (RFC 4787). Each rule set here was checked by what a socket behind it observes."""

WAN, LAN = "wan0", "lan0"
LEARNED_S = 120

# New things from outside: dropped, also for the router itself. A stray packet that the router took in
# would hold the port, and the NAT would then pick another for its client.
CLOSED = f"""
 chain inp {{
  type filter hook input priority 0; policy accept;
  iifname "{WAN}" meta l4proto {{ tcp, udp }} ct state new drop
 }}
 chain pass {{
  type filter hook forward priority 0; policy accept;
  iifname "{WAN}" ct status dnat accept
  iifname "{WAN}" ct state new drop
 }}"""

MASQUERADE = f'oifname "{WAN}" masquerade'

# What the postrouting chain does with UDP, before everything else is masqueraded.
POST = {
    "port-restricted": "",
    "random-port": f'oifname "{WAN}" ip protocol udp snat to @WAN4@:'
                   "jhash ip saddr . udp sport mod 20000 seed 0xbeef offset 30000",
    "symmetric": f'oifname "{WAN}" ip protocol udp masquerade to :1024-65535 fully-random',
    "full-cone": "",
    "forwarded": "",
    "udp-blocked": "",
}


def rules4(kind, wan4, forwards=()):
    """The IPv4 rules of one kind. forwards: (port, host address, host port) that reach the inside."""
    pre = learn = extra = ""
    if kind == "full-cone":
        pre = f"""
 map cone {{ type inet_service : ipv4_addr . inet_service; flags dynamic,timeout; timeout {LEARNED_S}s; size 65535; }}
 chain pre {{
  type nat hook prerouting priority -100;
  ip daddr {wan4} ip protocol udp dnat ip to udp dport map @cone
 }}"""
        learn = f"""
 chain learn {{
  type filter hook forward priority -10; policy accept;
  oifname "{WAN}" ip protocol udp update @cone {{ udp sport : ip saddr . udp sport }}
 }}"""
    if forwards:
        lines = "\n".join(f'  iifname "{WAN}" udp dport {port} dnat to {host}:{host_port}'
                          for port, host, host_port in forwards)
        pre = f"""
 chain pre {{
  type nat hook prerouting priority -100;
{lines}
 }}"""
    if kind == "udp-blocked":
        extra = """
 chain noudp {
  type filter hook forward priority -5; policy accept;
  ip protocol udp drop
 }"""
    return f"""table ip nat4 {{
{pre}
{learn}
 chain post {{
  type nat hook postrouting priority 100;
  {POST[kind].replace("@WAN4@", wan4)}
  {MASQUERADE}
 }}
{CLOSED}
{extra}
}}
"""


def rules6():
    """A stateful firewall for routed IPv6: whoever is inside speaks first."""
    return f"""table ip6 fw6 {{
 chain pass {{
  type filter hook forward priority 0; policy accept;
  iifname "{WAN}" ct state established,related accept
  iifname "{WAN}" icmpv6 type {{ destination-unreachable, packet-too-big, time-exceeded }} accept
  iifname "{WAN}" drop
 }}
}}
"""
