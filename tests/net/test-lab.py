"""The lab is what it says: each NAT kind maps and filters as its name promises, IPv6 behind a router is
reached only by answers, and hosts are apart.

   [in] 192.168.N.10 ─ nat ─ 203.0.113.N ══ wan ══ [server] echoes what it sees, [stranger] speaks first"""
import sys

from lab import Lab, copy, wait_until

ECHO = """
import socket, sys
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
s.bind((sys.argv[1], int(sys.argv[2])))
print("ready", flush=True)
while True:
    data, seen = s.recvfrom(100)
    s.sendto(f"{seen[0]} {seen[1]}".encode(), seen)
"""
# Asks each echo how it sees us, prints that, then asks the last one again and again: a word that a stranger said
# before a round began came before the round's end, or never will.
ASK = """
import socket, sys
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("::" if ":" in sys.argv[1] else "0.0.0.0", int(sys.argv[2])))
s.settimeout(0.5)
def hear():
    try:
        data, source = s.recvfrom(100)
        return data.decode(), source[1]
    except socket.timeout:
        return None, None
def ask(port, tries=20):
    for _ in range(tries):
        s.sendto(b"?", (sys.argv[1], port))
        while True:
            text, source = hear()
            if source in (port, None):
                break
            print("stranger:", text, flush=True)
        if text:
            return text
    return "none 0"
ports = [int(port) for port in sys.argv[3:]]
for port in ports:
    print(ask(port), flush=True)
print("asked", flush=True)
while True:
    print("round", ask(port), flush=True)
"""
SAY = """
import socket, sys
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
s.sendto(b"hello", (sys.argv[1], int(sys.argv[2])))
"""


def observe(lab, host, stranger, address, source_port):
    """([(address, port) seen by two echoes], whether a stranger's word came through)."""
    key = f"ask{source_port}"
    host.start(key, sys.executable, "-c", ASK, address, source_port, 7001, 7002)
    wait_until(lambda: "asked" in host.log(key), 60, "answers of the echoes")
    seen = [tuple(line.split()) for line in host.log(key).splitlines()[:2]]
    assert "none" not in seen[0] + seen[1], seen
    stranger.run(sys.executable, "-c", SAY, *seen[0])
    rounds = host.log(key).count("round")
    wait_until(lambda: host.log(key).count("round") >= rounds + 2, 60, "two rounds after the stranger's word")
    host.stop(key)
    return seen, "stranger: hello" in host.log(key)


# kind: same mapping for two destinations, port kept, strangers come in
KINDS = {
    "port-restricted": (True, True, False),
    "random-port": (True, False, False),
    "symmetric": (False, False, False),
    "full-cone": (True, True, True),
}


def main():
    with Lab() as lab:
        stranger = lab.host("stranger")
        for address in (lab.server.ip4, lab.server.ip6):
            for port in (7001, 7002):
                key = f"echo{port}-{address[:3]}"
                lab.server.start(key, sys.executable, "-c", ECHO, address, port)
                wait_until(lambda key=key: "ready" in lab.server.log(key), 10, "echo")

        for kind, (same, kept, open_) in KINDS.items():
            nat = lab.nat("nat-" + kind[:8], kind=kind)
            host = lab.node("in-" + kind[:8], behind=nat)
            seen, came = observe(lab, host, stranger, lab.server.ip4, 5555)
            assert seen[0][0] == seen[1][0] == nat.wan4, seen
            assert (seen[0] == seen[1]) == same, (kind, seen)
            assert (seen[0][1] == "5555") == kept, (kind, seen)
            assert came == open_, (kind, came)
            lab.ok(f"NAT {kind}: mapping and filtering are as named")

        seen, came = observe(lab, host, stranger, lab.server.ip6, 5556)
        assert seen[0] == seen[1] == (host.ip6, "5556") and not came, (seen, came)
        lab.ok("routed IPv6 keeps its address, answers pass, strangers do not")

        nat = lab.nat("nat-fwd", kind="forwarded", forwards=[(6000, 10, 5555)])
        host = lab.node("in-fwd", behind=nat)
        host.start("echo", sys.executable, "-c", ECHO, "0.0.0.0", 5555)
        wait_until(lambda: "ready" in host.log("echo"), 10, "echo")
        stranger.start("ask", sys.executable, "-c", ASK, nat.wan4, 5557, 6000)
        wait_until(lambda: "asked" in stranger.log("ask"), 10, "answer")
        assert stranger.log("ask").startswith(stranger.ip4), stranger.log("ask")
        lab.ok("a forwarded port reaches the inside")

        nat = lab.nat("nat-noudp", kind="udp-blocked")
        host = lab.node("in-noudp", behind=nat)
        host.start("ask", sys.executable, "-c", ASK, lab.server.ip4, 5558, 7001)
        assert host.ping(lab.server.ip4).lost == 0
        wait_until(lambda: "asked" in host.log("ask"), 10, "silence")
        assert host.log("ask").startswith("none"), host.log("ask")
        lab.ok("UDP can be blocked while the rest passes")

        neighbour = lab.node("neighbour", behind=nat)
        assert neighbour.ping(host.ip4).lost == 0 and neighbour.ping(host.ip6).lost == 0
        assert host.run("hostname").stdout == "in-noudp\n"
        only6 = lab.node("only6", v4=False)
        assert only6.ip4 is None and only6.ping(lab.server.ip4, limit_s=1).lost == 1
        took, same = copy(only6, lab.server, lab.server.ip6, 8 << 20)
        assert same and took > 0
        lab.ok("neighbours, names, IPv6-only hosts and copies work")


main()
