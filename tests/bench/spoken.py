"""Which suite a tunnel of ours speaks, by the first bytes of the datagrams on its cable."""
import json

CIPHERS = {"wg1": "ChaCha20-Poly1305", "aesgcm1": "AES-256-GCM"}

# Data of a session: kind, three zeros (docs/PROTOCOL.md §10).
COUNTERS = """table inet spoken {
 counter wg1 { }
 counter aesgcm1 { }
 chain in {
  type filter hook input priority -300;
  iifname eth0 meta l4proto udp @th,64,32 0x04000000 counter name wg1
  iifname eth0 meta l4proto udp @th,64,32 0x64000000 counter name aesgcm1
 }
}
"""


def listen(tunnel):
    """Names of the suites whose data came to b while a few pings went there and back."""
    tunnel.b.run("nft", "-f", "-", text=COUNTERS)
    try:
        assert any(tunnel.reached() for _ in range(3)), f"no answer to ping through {tunnel.name}"
        told = json.loads(tunnel.b.run("nft", "-j", "list", "counters", "table", "inet", "spoken").stdout)
    finally:
        tunnel.b.run("nft", "delete", "table", "inet", "spoken")
    found = [one["counter"] for one in told["nftables"] if "counter" in one]
    return {one["name"] for one in found if one["packets"] > 0}


def check(tunnel):
    """Fails if one of ours speaks another suite than its name says, or two. Returns the cipher's name; None: whoever is
    not ours, or speaks over no UDP."""
    if tunnel.suite is None:
        return None
    spoken = listen(tunnel)
    assert len(spoken) == 1 and tunnel.suite in ("any", *spoken), \
        f"{tunnel.name} is to speak {tunnel.suite}, on the cable is {', '.join(sorted(spoken)) or 'nothing of it'}"
    return CIPHERS[spoken.pop()]
