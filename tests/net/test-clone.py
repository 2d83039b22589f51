"""The state of a node is copied to another host, as by a backup or a cloned virtual machine: both are told in
plain words, one of them stays in the network as if nothing had happened, and the copy gets out of it.

   [a] ══ internet ══ [b]        [copy] of a, with its /var/lib/mesh        [server] mesh.example"""
from lab import Lab, wait_until


def copy_state(lab, a, copy):
    a.sh(f"tar -C /var/lib -cf {lab.dir}/state.tar mesh")
    copy.up()
    copy.stop("meshd")
    copy.sh(f"tar -C /var/lib -xf {lab.dir}/state.tar")


def shows(node, words):
    network = node.network("home")
    return words in network.error or any(words in text for text in network.warnings)


def both_told(lab, a, b, copy):
    copy.up()
    a.wait_until(lambda n: shows(n, "copy of this node's keys") and shows(copy, "copy of this node's keys"), 180,
                 "both are told")
    def one_keeps(_):
        who = [shows(node, "this one keeps the node") for node in (a, copy)]
        return who[0] != who[1] and ((a, copy) if who[0] else (copy, a))
    keeps, other = a.wait_until(one_keeps, 180, "one keeps the node")
    other.wait_until(lambda n: n.network("home").state == "error", 180)
    for node in (keeps, other):
        assert "mesh leave --local home" in node.mesh("status").stdout
        assert "mesh leave --local home" in node.log("meshd")
    assert keeps.network("home").state == "up"
    lab.ok("a copied state: both show it, with what to do about it")
    return keeps, other


def main():
    with Lab() as lab:
        a, b, copy, server = lab.node("a"), lab.node("b"), lab.node("copy"), lab.server
        link = server.setup("home")
        server.up()
        for node, text in ((a, link), (b, None)):
            node.up()
            node.join(text or server.key("home"))
        a.reaches(b.addresses()[4])
        copy_state(lab, a, copy)
        keeps, other = both_told(lab, a, b, copy)
        assert other.run("ip", "link", "show", "mesh0", check=False).returncode != 0
        address = keeps.addresses("home")[4]
        b.reaches(address, 180)  # its session may be with the copy, which fell silent: WireGuard's timers end that
        wait_until(lambda: b.ping(address, count=20).lost == 0, 180, "none is lost")  # once its way is settled
        assert "cloned" in server.ctl("node", "list", "--network", "home").stdout
        lab.ok("only one of them speaks, and traffic with it is not disturbed")

        other.mesh("leave", "--local", "home")
        assert not other.networks()
        assert "a" in server.nodes("home"), "the node stays a member"
        other.join(server.key("home"), "--name", "other")
        other.reaches(b.addresses()[4])
        b.reaches(address)
        assert len(server.nodes("home")) == 3
        lab.ok("the copy leaves here alone and joins as a node of its own")


main()
