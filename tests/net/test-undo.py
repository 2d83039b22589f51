"""The host before and after: whatever way meshd ends, nothing of ours is left and nothing else is touched.

   [a] with routes, rules, nft and a TUN of its owner's ══ internet ══ [b]        [server] mesh.example"""
from lab import AS_MESHD, Lab, find_program, need, wait_until

OWN = """
ip tuntap add tun5 mode tun; ip addr add 192.0.2.77/32 dev tun5; ip link set tun5 up
ip route add 198.51.100.0/24 via 203.0.113.1 metric 77
ip route add 198.51.100.0/24 dev tun5 table 200
ip rule add from 192.0.2.77 lookup 200 pref 5000; ip -6 rule add from 2001:db8:77::/48 lookup 200 pref 5001
nft add table inet mine; nft add chain inet mine in '{ type filter hook input priority 0; }'
nft add rule inet mine in tcp dport 1 drop"""
# Counters, ages and caches change by themselves.
LOOK = """
ip -br link; ip -br addr; ip -4 route show table all; ip -6 route show table all; ip -4 rule; ip -6 rule
nft list ruleset; cat /etc/resolv.conf; ls -l /etc/resolv.conf
cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding
cat /proc/sys/net/ipv4/conf/*/rp_filter"""


def look(node):
    """Everything of the host that a VPN may be tempted to change, one fact a line."""
    return [line for line in node.run("sh", "-c", LOOK + " 2>&1").stdout.splitlines()
            if " metric 1024 expires" not in line]


def same(node, before, how):
    """A device that goes may be seen for a moment longer."""
    def differs():
        after = look(node)
        return [f"more {sorted(set(after) - set(before))}", f"less {sorted(set(before) - set(after))}"] \
            if after != before else None
    try:
        wait_until(lambda: differs() is None, 60, how)
    except TimeoutError:
        raise AssertionError(f"{how}: {differs()}") from None


def undo(node):
    return node.run(*AS_MESHD, find_program("meshd"), "--undo", "--state-dir", "/var/lib/mesh",
                    "--runtime-dir", "/run/mesh", check=False)


def comes_up(a, b):
    a.up()
    a.wait_until(lambda n: n.network().state == "up")
    a.reaches(b.addresses()[6])


def main():
    need()
    with Lab() as lab:
        a, b, server = lab.node("a"), lab.node("b"), lab.server
        link = server.setup("home")
        server.up()
        b.up()
        b.join(link)
        a.sh(OWN)
        before = look(a)
        a.up()
        same(a, before, "a meshd without networks")
        a.join(server.key("home"))
        a.reaches(b.addresses()[4])
        assert look(a) != before, "the test sees nothing"
        lab.ok("a node on a host with a network life of its own")

        done = undo(a)
        assert done.returncode == 1 and "runs" in done.stderr, done
        a.reaches(b.addresses()[4])
        lab.ok("--undo leaves a running meshd alone, and says so")

        a.mesh("down", "home")
        same(a, before, "down")
        a.mesh("up", "home")
        assert a.stop("meshd") == 0
        same(a, before, "a stop")
        lab.ok("down, and a stop, leave the host as it was")

        for number in range(3):
            comes_up(a, b)
            a.stop("meshd", kill=True)
            a.up()
            a.wait_until(lambda n: n.network().state == "up")
            assert a.stop("meshd") == 0
            same(a, before, f"SIGKILL, start, stop, {number}")
        lab.ok("so do SIGKILL, a start, and a stop")

        comes_up(a, b)
        a.stop("meshd", kill=True)
        a.sh("ip tuntap add mesh0 mode tun; ip addr add 192.0.2.88/32 dev mesh0")
        theirs = look(a)
        assert undo(a).returncode == 0
        same(a, theirs, "--undo beside another program's mesh0")
        comes_up(a, b)
        assert a.network().interface != "mesh0"
        assert a.stop("meshd") == 0
        same(a, theirs, "a meshd beside another program's mesh0")
        a.sh("ip link del mesh0")
        lab.ok("an interface that another program made under our name in the meantime is not ours")

        comes_up(a, b)
        a.stop("meshd", kill=True)
        assert undo(a).returncode == 0
        same(a, before, "SIGKILL, then --undo")
        left = a.run("find", "/run/mesh", "-type", "f").stdout.split()
        assert not left, left
        assert undo(a).returncode == 0
        a.sh("rm -r /var/lib/mesh /run/mesh")
        assert undo(a).returncode == 0
        same(a, before, "--undo of nothing")
        lab.ok("--undo after SIGKILL does too, leaves no file of a run, and may be repeated")


main()
