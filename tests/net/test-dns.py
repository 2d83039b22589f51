"""Names of nodes on real hosts: ssh nas.home.mesh works with nothing but resolv.conf and with
systemd-resolved; two networks are two zones; whatever was there before is there again afterwards.

   [a] in home and away   [nas] in home   [far] in away   [b] in both, with systemd-resolved
   [dns] the name server of the internet, which must never hear of a mesh name"""
import ipaddress
import os
import struct
import sys

from lab import Lab, need, wait_until
from names import (ANSWER, POLKITD, Upstream, ask, getent, left_over, look, make_query, packed, send,
                   start_polkit)
from router import outer_dev
from space import unpacked

FORMERR, NXDOMAIN, NOTIMP, REFUSED = 1, 3, 4, 5
RESOLVE1 = "org.freedesktop.resolve1"
SERVE = """
import socket, sys
s = socket.create_server((sys.argv[1], 22), family=socket.AF_INET6)
print("ready", flush=True)
while True:
    s.accept()[0].sendall(b"SSH-2.0-lab\\r\\n")
"""
FLOOD = """
import os, socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
s = socket.socket(family, socket.SOCK_DGRAM)
for n in range(2000):
    s.sendto(os.urandom(n % 300), (sys.argv[1], 53))
idle = [socket.create_connection((sys.argv[1], 53), 5) for _ in range(8)]
for one in idle:
    one.sendall(bytes([255, 255, 0]))
"""
CONNECT = """
import socket, sys
print(socket.create_connection((sys.argv[1], 22), 20).recv(100).decode().strip())
"""


def set_resolv(host, upstream):
    host.sh(f"rm -f /etc/resolv.conf; printf '# of the provider\\nnameserver {upstream.ip4}\\n"
            "options rotate timeout:2\\n' > /etc/resolv.conf; chmod 640 /etc/resolv.conf; "
            "touch -d '2020-02-02 02:02:02.123456789' /etc/resolv.conf")


def state(node, network):
    return node.network(network).dns_state


def is_named(node, how):
    for network in ("home", "away"):
        node.wait_until(lambda n, name=network: state(n, name) == how, 20, f"{network} by {how}")


def find_all(lab, node, nas, far):
    """What every program of the host should see, whatever way it goes."""
    found = nas.addresses("home")
    wait_until(lambda: getent(node, "ahostsv4", "nas.home.mesh") == [found[4]], 20, "nas by name")
    assert getent(node, "ahostsv6", "NAS.Home.Mesh") == [found[6]]
    wait_until(lambda: getent(node, "ahostsv4", "far.away.mesh") == [far.addresses("away")[4]], 60, "far by name")
    own = f"{node.network('home').node_name}.home.mesh"
    assert node.addresses("home")[6] in getent(node, "ahostsv6", own)
    for address in found.values():
        line = node.run("getent", "hosts", address).stdout.split()
        assert line[1:] == ["nas.home.mesh"], line
    assert getent(node, "ahostsv4", "nobody.home.mesh") == []
    assert getent(node, "ahostsv4", "nas.away.mesh") == []
    assert getent(node, "ahostsv4", "www.example") == [ANSWER]
    said = node.run(sys.executable, "-c", CONNECT, "nas.home.mesh").stdout.strip()
    assert said == "SSH-2.0-lab", said
    lab.ok(f"{node.name}: names of both networks, their addresses, and the internet's are found")


def raw(lab, a, nas, far, stranger):
    """The resolvers themselves."""
    home, away, found = a.addresses("home"), a.addresses("away"), nas.addresses("home")
    for server in home.values():
        for over in ("udp", "tcp"):
            assert ask(a, server, "nas.home.mesh", "A", over) == (0, [packed(found[4])])
            assert ask(a, server, "nas.home.mesh", "AAAA", over) == (0, [packed(found[6])])
        assert ask(a, server, "nas.home.mesh", "TXT") == (0, [])
        assert ask(a, server, "x.home.mesh") == (NXDOMAIN, [])
        for name in ("www.example", "mesh", "far.away.mesh", "10.in-addr.arpa", ""):
            assert ask(a, server, name) == (REFUSED, []), name
    assert ask(a, away[4], "far.away.mesh") == (0, [packed(far.addresses("away")[4])])
    assert ask(a, away[4], "nas.home.mesh") == (REFUSED, [])
    lab.ok("each network's resolver knows its own zone and refuses all else")
    for server in home.values():
        for address in found.values():
            pointer = ipaddress.ip_address(address).reverse_pointer
            for over in ("udp", "tcp"):
                code, rows = ask(a, server, pointer, "PTR", over)
                assert code == 0 and len(rows) == 1, (server, pointer, over)
            assert ask(a, away[4], pointer, "PTR") == (REFUSED, []), pointer
    lab.ok("PTR of both families, over UDP and TCP, of its own zone alone")
    hostile(lab, a, home, found)
    stranger.run("ip", "route", "add", f"{home[4]}/32", "via", "203.0.113.1")
    lab.wan.run("ip", "route", "add", f"{home[4]}/32", "dev", outer_dev(a))
    a.sh("for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 > $f; done")
    stranger.run("ping", "-n", "-c", "1", "-W", "30", home[4])  # so the way is there
    assert ask(stranger, home[4], "nas.home.mesh", limit_s=1) is None
    lab.ok("a neighbour outside the network gets no answer")


def hostile(lab, a, home, found):
    """What no well-meant program sends; the answer's code, or None."""
    whole = make_query("nas.home.mesh", "A")
    head, question = whole[:12], whole[12:]
    edns = b"\0" + struct.pack("!HHIH", 41, 1232, 0, 0)
    cases = {
        "half a header": (head[:7], None),
        "an answer": (head[:2] + b"\x81\x80" + head[4:] + question, None),
        "a loop of pointers": (head + b"\xc0\x0c\0\1\0\1", FORMERR),
        "a name that is cut": (head + b"\3na", FORMERR),
        "an update": (head[:2] + b"\x28\0" + head[4:] + question, NOTIMP),
        "two EDNS records": (head[:10] + b"\0\2" + question + edns * 2, FORMERR),
    }
    for server in home.values():
        reply = send(a, server, head[:10] + b"\0\1" + question + edns)
        assert reply[3] & 15 == 0 and reply[10:12] == b"\0\1", reply.hex()  # an EDNS record too
        for what, (query, code) in cases.items():
            reply = send(a, server, query, limit_s=0.5 if code is None else None)
            assert (reply and reply[3] & 15) == code, (what, reply)
        a.run(sys.executable, "-c", FLOOD, server)
        for over in ("udp", "tcp"):
            assert ask(a, server, "nas.home.mesh", "A", over)[0] == 0, over
    lab.ok("EDNS is answered; malformed queries get an error or nothing; junk stops nobody")


def with_file(lab, a, others, upstream, before):
    a.up()
    is_named(a, "resolv.conf")
    find_all(lab, a, *others)
    text = a.run("cat", "/etc/resolv.conf").stdout
    assert f"nameserver {upstream.ip4}" in text and "\noptions rotate" not in text, text
    assert a.stop("meshd") == 0
    assert look(a) == before and not left_over(a), look(a)
    lab.ok("resolv.conf: exactly as before after a stop")

    a.up()
    is_named(a, "resolv.conf")
    a.stop("meshd", kill=True)
    assert "meshd" in a.run("cat", "/etc/resolv.conf").stdout
    a.up()
    is_named(a, "resolv.conf")
    find_all(lab, a, *others)
    a.stop("meshd")
    assert look(a) == before and not left_over(a), look(a)
    lab.ok("resolv.conf: exactly as before after SIGKILL, a new start and a stop")


def switched_off(lab, a, nas, upstream, before):
    a.mesh("set", "--dns", "off", "home")
    assert state(a, "home") == "off" and state(a, "away") == "resolv.conf"
    upstream.forgive(a)
    assert getent(a, "ahostsv4", "far.away.mesh") != []
    a.mesh("set", "--dns", "off", "away")
    assert look(a) == before, look(a)
    a.restart()
    a.wait_until(lambda n: n.network("home").state == "up", 20, "home is up")
    assert state(a, "home") == "off" and look(a) == before
    assert a.mesh("set", "--dns", "maybe", "home", check=False).returncode == 2
    a.mesh("set", "--dns", "on", "home")
    a.mesh("set", "--dns", "on", "away")
    is_named(a, "resolv.conf")
    wait_until(lambda: getent(a, "ahostsv4", "nas.home.mesh") == [nas.addresses("home")[4]], 20,
               "names are back")
    lab.ok("mesh set --dns off takes names away, over restarts, and on gives them back")


def foreign(lab, a, upstream):
    """Somebody else writes resolv.conf: a DHCP client, an administrator."""
    fresh = f"search corp.example\nnameserver {upstream.ip4}\n"
    a.run("sh", "-c", "cat > /etc/new && mv /etc/new /etc/resolv.conf", text=fresh)
    wait_until(lambda: "meshd" in a.run("cat", "/etc/resolv.conf").stdout, 20, "ours again")
    assert fresh in a.run("cat", "/etc/resolv.conf").stdout
    assert getent(a, "ahostsv4", "nas.home.mesh") != []
    a.stop("meshd", kill=True)
    a.sh("echo '# a line by hand' >> /etc/resolv.conf")
    a.up()
    is_named(a, "resolv.conf")
    a.stop("meshd")
    assert a.run("cat", "/etc/resolv.conf").stdout == fresh + "# a line by hand\n"
    lab.ok("what others write into resolv.conf stays, while we run and after SIGKILL")

    a.sh("mkdir -p /run/resolvconf; cd /etc; mv resolv.conf /run/resolvconf/resolv.conf; "
         "ln -s ../run/resolvconf/resolv.conf resolv.conf")
    before = look(a)
    a.up()
    is_named(a, "resolv.conf")
    assert getent(a, "ahostsv4", "www.example") == [ANSWER]
    a.stop("meshd", kill=True)
    a.up()
    is_named(a, "resolv.conf")
    a.stop("meshd")
    assert look(a) == before, look(a)
    a.sh("rm /etc/resolv.conf")
    a.up()
    is_named(a, "resolv.conf")
    a.stop("meshd")
    assert a.run("test", "-e", "/etc/resolv.conf", check=False).returncode == 1
    lab.ok("resolv.conf as a symbolic link, and none at all, come back too")


def start_resolved(b, program):
    b.start("resolved", program)
    wait_until(lambda: b.run("busctl", "get-property", RESOLVE1, "/org/freedesktop/resolve1",
                             RESOLVE1 + ".Manager", "DNS", check=False).returncode == 0, 20,
               "systemd-resolved on the bus")


def make_resolved_host(b, upstream, program, policy):
    b.sh("""
        grep -q ^systemd-resolve: /etc/passwd ||
            echo 'systemd-resolve:x:978:978::/:/usr/sbin/nologin' >> /etc/passwd
        grep -q ^systemd-resolve: /etc/group || echo 'systemd-resolve:x:978:' >> /etc/group
        mkdir -p /etc/systemd /run/systemd/resolve
        chown systemd-resolve: /run/systemd/resolve
        printf '[Resolve]\\nDNS=%s\\nFallbackDNS=\\nDNSSEC=no\\nLLMNR=no\\nMulticastDNS=no\\n' \
            > /etc/systemd/resolved.conf
        ln -sf ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf""" % upstream.ip4)
    b.bus_up(policy, "/usr/share/dbus-1/system.d/org.freedesktop.PolicyKit1.conf")
    start_polkit(b, unpacked("/usr/share/polkit-1/actions/org.freedesktop.resolve1.policy"))
    start_resolved(b, program)


def link_domains(b, network):
    """Routing domains that systemd-resolved has for the network's interface."""
    index = b.run("cat", f"/sys/class/net/{b.network(network).interface}/ifindex").stdout.strip()
    path = b.run("busctl", "call", RESOLVE1, "/org/freedesktop/resolve1", RESOLVE1 + ".Manager",
                 "GetLink", "i", index).stdout.split()[1].strip('"')
    said = b.run("busctl", "get-property", RESOLVE1, path, RESOLVE1 + ".Link", "Domains").stdout
    return [word.strip('"') for word in said.split()[2:] if word.startswith('"')]


def with_resolved(lab, b, others, upstream, program):
    before = look(b)
    is_named(b, "systemd-resolved")
    find_all(lab, b, *others)
    assert "home.mesh" in link_domains(b, "home") and "away.mesh" not in link_domains(b, "home")
    b.stop("resolved")
    b.wait_until(lambda n: state(n, "home") == "waiting", 20, "systemd-resolved is missed")
    start_resolved(b, program)
    is_named(b, "systemd-resolved")
    find_all(lab, b, *others)
    lab.ok("a new systemd-resolved is told again")
    b.mesh("set", "--dns", "off", "home")
    wait_until(lambda: link_domains(b, "home") == [], 10, "the link is reverted")
    upstream.forgive(b)
    b.mesh("set", "--dns", "on", "home")
    is_named(b, "systemd-resolved")
    lab.ok("mesh set --dns off reverts the link")
    b.restart(kill=True)
    is_named(b, "systemd-resolved")
    find_all(lab, b, *others)
    b.stop("meshd")
    assert look(b) == before and not left_over(b)
    assert getent(b, "ahostsv4", "www.example") == [ANSWER]
    upstream.forgive(b)
    lab.ok("systemd-resolved: nothing is left after SIGKILL, a new start and a stop")


def main():
    need("getent", "busctl")
    program = unpacked("/lib/systemd/systemd-resolved")
    policy = unpacked("/usr/share/dbus-1/system.d/org.freedesktop.resolve1.conf")
    with Lab() as lab:
        upstream = Upstream(lab)
        lab.server.setup("home")
        lab.server.up()
        lab.server.ctl("network", "create", "away")
        a, b, nas, far = (lab.node(name) for name in ("a", "b", "nas", "far"))
        for node in (a, nas, far):
            set_resolv(node, upstream)
            node.runs_meshd = ()
        before = look(a)
        for node, networks in ((a, ("home", "away")), (nas, ("home",)), (far, ("away",))):
            node.up()
            for network in networks:
                node.join(lab.server.key(network))
        serve = nas.addresses("home")[6]
        nas.start("serve", sys.executable, "-c", SERVE, serve)
        wait_until(lambda: "ready" in nas.log("serve"), 10, "a service on nas")
        a.wait_until(lambda n: len(n.peers("home")) == 1 and len(n.peers("away")) == 1, 20, "peers")

        raw(lab, a, nas, far, lab.host("stranger"))
        a.stop("meshd")
        with_file(lab, a, (nas, far), upstream, before)
        a.up()
        is_named(a, "resolv.conf")
        switched_off(lab, a, nas, upstream, before)
        foreign(lab, a, upstream)
        if program and policy and os.path.exists(POLKITD):
            make_resolved_host(b, upstream, program, policy)
            b.up()
            for network in ("home", "away"):
                b.join(lab.server.key(network))
            with_resolved(lab, b, (nas, far), upstream, program)
        else:
            print("# systemd-resolved or polkitd is missing (see ./run deps): left out", flush=True)
        assert upstream.asked() and not upstream.leaked(), upstream.leaked()
        lab.ok("no name of a mesh was asked of the internet")


main()
