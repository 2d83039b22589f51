"""Two networks in one node, apart; an IPv4 prefix that clashes is told, and IPv6 joins all the same.

   [a] home          [both] home, work (the same 10.70.0.0/16)          [w] work          [lan] uses 10.70 itself"""
from lab import Lab, wait_until

PREFIX = "10.70.0.0/16"


def main():
    with Lab() as lab:
        server = lab.server
        a, both, w, lan = (lab.node(name) for name in ("a", "both", "w", "lan"))
        server.setup("home")
        server.up()
        bad = server.ctl("network", "create", "bad", "--ip4", "10.70.0.1/16", check=False)
        assert bad.returncode == 1 and "ip4" in bad.stderr and "host bits" in bad.stderr, bad
        lab.ok("a prefix with host bits is refused and named")
        for name in ("one", "two"):
            server.ctl("network", "create", name, "--ip4", PREFIX)
        for node in (a, both, w, lan):
            node.up()
        a.join(server.key("one"))
        w.join(server.key("two"))

        both.join(server.key("one"))
        assert set(both.addresses("one")) == {4, 6}
        said = both.join(server.key("two"))
        assert PREFIX in said.stdout + said.stderr, said
        assert set(both.addresses("two")) == {6}, both.addresses("two")
        both.wait_until(lambda n: any(PREFIX in text for text in n.network("two").warnings), 60, "a warning")
        both.wait_until(lambda n: n.network("two").problem == "clash" != n.network("one").problem, 60)
        lab.ok("the second network with the same IPv4 prefix is told, and joins with IPv6 only")

        both.reaches(a.addresses()[4])
        both.reaches(a.addresses()[6])
        both.reaches(w.addresses()[6])
        w.reaches(both.addresses("two")[6])
        lab.ok("both networks work at once, each on its own interface")
        assert both.network("one").interface != both.network("two").interface

        assert set(both.peers("one")) == {"a"} and set(both.peers("two")) == {"w"}
        assert set(a.peers()) == {"both"} and set(w.peers()) == {"both"}
        assert w.ping(a.addresses()[6], limit_s=1).lost == 1
        assert a.ping(w.addresses()[6], limit_s=1).lost == 1
        assert both.network("one").node_key != both.network("two").node_key
        lab.ok("the networks are apart: other peers, other keys, no way between them")

        both.restart(kill=True)
        both.wait_until(lambda n: n.network("one").state == n.network("two").state == "up")
        both.reaches(a.addresses()[4])
        both.reaches(w.addresses()[6])
        lab.ok("both come back after a restart")

        both.mesh("leave", "one")
        wait_until(lambda: not a.peers(), 20, "a is alone")
        both.reaches(w.addresses()[6])
        assert set(both.networks()) == {"two"}
        lab.ok("leaving one leaves the other as it is")

        lan.sh("ip link add office0 type veth peer name office1; ip link set office0 up; "
               "ip link set office1 up; ip addr add 10.70.3.1/24 dev office0")
        said = lan.join(server.key("one"))
        assert "office0" in said.stdout + said.stderr or "10.70.3.0/24" in said.stdout + said.stderr
        assert set(lan.addresses("one")) == {6}
        lan.reaches(a.addresses()[6])
        assert "10.70.3.0/24 dev office0" in lan.run("ip", "route").stdout
        lab.ok("a clash with a route of the host is told too, and the route is untouched")


main()
