"""What users do to meshd and its interfaces while it runs, and what scripts get from the mesh command.

   [a] 203.0.113.11 ══ internet ══ [b] 203.0.113.12        [server] mesh.example"""
import json

from lab import Lab, wait_until

HOLDER = "import socket, sys, time; s = socket.socket(type=socket.SOCK_DGRAM); s.bind(('', 5001)); " \
         "print('held', flush=True); time.sleep(600)"
EXIT_USAGE, EXIT_NOT_FOUND, EXIT_NO_DAEMON = 2, 3, 4


def exits(lab, a):
    rows = (
        (("status", "nowhere"), EXIT_NOT_FOUND, "mesh networks"),
        (("ping", "nobody"), EXIT_NOT_FOUND, "no peer"),
        (("ping", "b", "-4", "-6"), EXIT_USAGE, "exclude"),
        (("ping", "2001:db8::77"), EXIT_NOT_FOUND, "no peer"),
        (("set", "--endpoint", "example.org"), EXIT_USAGE, "ADDRESS:PORT"),
        (("join", "mesh://nonsense"), EXIT_USAGE, "link"),
    )
    for arguments, code, words in rows:
        done = a.mesh(*arguments, check=False)
        assert done.returncode == code and words in done.stderr, (arguments, done)
    lab.ok("exit codes are those of the manual page, and errors say what to do")


def pings(lab, a, b):
    for node, name in ((a, "b"), (b, "a")): # the relay may be the first way, of either
        node.wait_until(lambda n, name=name: n.mesh("ping", name, check=False).returncode == 0, 30)
        node.wait_until(lambda n, name=name: n.peer(name).path == "direct", 30)
    def in_words(family):
        done = a.mesh("ping", "b", family, "-c", "2", check=False)
        lines = [line for line in done.stdout.splitlines()
                 if not line.startswith("path changed: ")]
        return len(lines) == 2 and all("direct via" in line for line in lines)

    def in_json():
        done = a.mesh("ping", b.addresses()[6], "--json", check=False)
        answer = json.loads(done.stdout)["answers"][0]
        return answer["path"] == "direct" and answer["rtt-us"] > 0
    for family in ("-4", "-6"):
        wait_until(lambda f=family: in_words(f), 60, f"two answers by the direct way: {family}")
    wait_until(in_json, 60, "an answer in JSON")
    lab.ok("mesh ping by name and address, over both families, names the way")


def shows(lab, a):
    peer = a.json("peers")["peers"][0]
    assert set(peer) == {"name", "node", "addresses", "online", "path", "reason", "tags",
                         "last-handshake", "rx-bytes", "tx-bytes", "endpoint", "candidates",
                         "relay", "relay-tls", "rtt-us", "wg", "owner", "last-seen", "cipher", "reason-code",
                         "mtu"}, set(peer)
    network = a.json("status")["networks"][0]
    assert {"id", "name", "node-name", "state", "interface", "listen-port", "addresses",
            "endpoints", "warnings", "server-state", "peers-online"} <= set(network), network
    assert "mesh0" in a.mesh("networks").stdout
    lab.ok("the keys of --json are those of the manual page")


def moves(lab, a, b):
    """The port changes while traffic flows: the peers follow."""
    a.mesh("set", "--port", "5000", "--endpoint", f"{a.ip4}:5000")
    network = a.network()
    assert network.listen_port == 5000, network
    assert f"{a.ip4}:5000 static" in network.endpoints, network.endpoints
    b.reaches(a.addresses()[4])
    b.wait_until(lambda n: n.peer("a").endpoint.endswith(":5000"), 20)
    lab.ok("a new UDP port is told to the others, and they follow")


def stays(lab, a, b):
    """A port that another program has is refused, and nothing changes."""
    a.start("holder", "/usr/bin/python3", "-c", HOLDER)
    wait_until(lambda: "held" in a.log("holder"), 20, "the port is taken")
    done = a.mesh("set", "--port", "5001", check=False)
    assert done.returncode != 0 and "UDP port 5001: Address already in use" in done.stderr, done
    network = a.network()
    assert network.listen_port == 5000 and network.state == "up", network
    b.reaches(a.addresses()[4])
    a.stop("holder")
    a.restart()
    a.wait_until(lambda n: n.network().state == "up" and n.network().listen_port == 5000, 20)
    b.reaches(a.addresses()[4])
    lab.ok("a port that is taken is refused by its number; the one before stays, also over a restart")


def loses_interface(lab, a, b):
    a.sh("ip link del mesh0")
    a.wait_until(lambda n: n.network().state == "up" and
                 "mesh0" in n.run("ip", "-br", "link").stdout, 20)
    a.reaches(b.addresses()[6])
    lab.ok("an interface that somebody deletes is made anew")


SHOW_PIECES = """ip -br addr show mesh0; ip route show dev mesh0 proto 77
                 ip -6 route show dev mesh0 proto 77; true"""


def loses_pieces(lab, a, b):
    """Addresses and routes come back by themselves, the server need not say a word."""
    mine = a.addresses()
    whole = set(a.sh(SHOW_PIECES).stdout.split())
    for script in (f"ip addr del {mine[4]}/32 dev mesh0", "ip addr flush dev mesh0",
                   "ip -6 route flush dev mesh0 proto 77", "ip link set mesh0 down",
                   "ip link set mesh0 down; ip link set mesh0 name theirs; ip link set theirs up"):
        a.sh(script)
        a.wait_until(lambda n: whole == set(n.sh(SHOW_PIECES).stdout.split()), 20, script)
    for address in b.addresses().values():
        a.reaches(address)
    lab.ok("what somebody takes from the interface is put back")


def lacks_ip6(lab, a, b):
    b.sh("for i in all default mesh0; do echo 1 > /proc/sys/net/ipv6/conf/$i/disable_ipv6; done")
    b.restart()
    b.wait_until(lambda n: n.network().state == "up" and 6 not in n.addresses(), 20)
    b.wait_until(lambda n: "IPv6 switched off" in str(n.network().warnings), 20)
    b.reaches(a.addresses()[4])
    b.sh("echo 0 > /proc/sys/net/ipv6/conf/mesh0/disable_ipv6")
    b.wait_until(lambda n: 6 in n.addresses() and
                 not any("IPv6" in text for text in n.network().warnings), 20)
    a.reaches(b.addresses()[6])
    lab.ok("a host with IPv6 switched off has the network's IPv4, and IPv6 once it is back")


def is_killed(lab, a, b):
    a.restart(kill=True)
    a.reaches(b.addresses()[4])
    assert a.run("cat", "/run/mesh/interfaces").stdout.split()[0::2] == ["mesh0"]
    a.stop("meshd")
    links = a.run("ip", "-br", "link").stdout
    assert "mesh" not in links and a.run("cat", "/run/mesh/interfaces").stdout == "", links
    done = a.mesh("status", check=False)
    assert done.returncode == EXIT_NO_DAEMON and "systemctl start meshd" in done.stderr, done
    a.up()
    a.reaches(b.addresses()[4])
    lab.ok("killed or stopped, it leaves no interface behind and comes back")


def main():
    with Lab() as lab:
        a, b = lab.node("a"), lab.node("b")
        links = [lab.server.setup("home")]
        lab.server.up()
        links.append(lab.server.key("home"))
        for node, link in zip((a, b), links):
            node.up()
            node.join(link)
        a.reaches(b.addresses()[4])
        exits(lab, a)
        pings(lab, a, b)
        shows(lab, a)
        moves(lab, a, b)
        stays(lab, a, b)
        loses_interface(lab, a, b)
        loses_pieces(lab, a, b)
        is_killed(lab, a, b)
        lacks_ip6(lab, a, b)


main()
