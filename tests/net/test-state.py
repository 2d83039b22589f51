"""What is wrong on a node's disk is said where its user looks, and nothing is lost by it.

   [a] in two networks, home and work ══ internet ══ [b] in home        [server] mesh.example"""
from lab import Lab


def place(node, name):
    return f"/var/lib/mesh/networks/{node.network(name).id}"


def troubles(node, name):
    return [text for text in node.network(name).warnings if text.startswith("state on disk:")]


def generation_before(lab, a, b):
    home = place(a, "home")
    a.stop("meshd")
    a.sh(f"echo torn > {home}/profile; echo torn > {home}/map")
    a.up()
    a.wait_until(lambda n: n.network("home").state == "up")
    warnings = "\n".join(troubles(a, "home"))
    assert f"{home}/profile is damaged (checksum): the generation before it is used" in warnings, warnings
    assert f"{home}/map is damaged" in warnings, warnings
    assert f"{home}/profile is damaged" in a.mesh("status").stdout
    assert not troubles(a, "work"), "the other network has nothing to do with it"
    assert a.network("home").problem == "state-damaged" != a.network("work").problem
    a.reaches(b.addresses()[4])
    lab.ok("a torn document: the generation before it is used, and mesh status says so")
    found = "\n".join(a.json("repair")["found"])
    assert f"{home}/profile" in found, found
    a.wait_until(lambda n: not troubles(n, "home"))
    a.restart()
    a.wait_until(lambda n: n.network("home").state == "up")
    assert not troubles(a, "home")
    lab.ok("mesh repair puts it right, and the warning goes")


def hopeless(lab, a, b):
    home, key = place(a, "home"), a.network("home").node_key
    a.stop("meshd")
    a.sh(f"cp {home}/profile /var/lib/kept; echo torn > {home}/profile; echo torn > {home}/profile.prev")
    a.up()
    shown = a.mesh("status").stdout
    for words in ("home (", "error", f"{home}/profile is damaged", 'mesh leave --force home',
                  'mesh up home', "Nothing was deleted"):
        assert words in shown, (words, shown)
    a.wait_until(lambda n: n.network("work").state == "up")
    refused = a.mesh("leave", "home", check=False)
    assert refused.returncode != 0 and "--force" in refused.stderr, refused
    a.join(lab.server.key("home"), check=False)
    a.run("test", "-e", f"{home}/profile")
    lab.ok("a profile that cannot be read: mesh status names network, file and what to do; nothing is deleted")
    a.sh(f"cat /var/lib/kept > {home}/profile")
    a.mesh("up", "home")
    assert a.network("home").node_key == key
    a.reaches(b.addresses()[4])
    assert a.json("repair")["found"] == [], a.json("repair")
    lab.ok("the file is put back: mesh up brings the same node back, without a restart")


def refused(lab, a, b, document):
    """The system does not let meshd read a document that is whole: nothing older takes its place."""
    path, key = f"{place(a, 'home')}/{document}", a.network("home").node_key
    a.stop("meshd")
    a.sh(f"test -e {path}.prev; chown root {path}; chmod 600 {path}; cp {path} /var/lib/kept")
    a.up()
    a.wait_until(lambda n: n.network("home").state == "error")
    shown = a.mesh("status").stdout
    for words in (f"cannot read {path}: Permission denied", "tried again"):
        assert words in shown, (words, shown)
    assert a.network("home").problem == "state-damaged"
    found = "\n".join(a.json("repair")["found"])
    assert f"{path}: Permission denied: left as it is" in found, found
    a.sh(f"cmp {path} /var/lib/kept")
    a.sh(f"chown --reference={path}.prev {path}")
    a.wait_until(lambda n: n.network("home").state == "up")
    a.reaches(b.addresses()[4])
    assert a.network("home").node_key == key
    a.wait_until(lambda n: not troubles(n, "home"))
    lab.ok(f"{document} cannot be read for a while: said, tried again, and nothing older is used")


def given_up(lab, a, b):
    home = place(a, "home")
    a.stop("meshd")
    a.sh(f"rm {home}/profile {home}/profile.prev; mkdir -m 700 /var/lib/mesh/networks/00000000000000aa; "
         "chown meshd /var/lib/mesh/networks/00000000000000aa")
    a.up()
    assert a.network("home").state == "error" and "no profile" in a.network("home").error
    assert set(a.networks()) == {"home", "work"}, "an empty directory is no network"
    a.mesh("leave", "--force", "home")
    assert set(a.networks()) == {"work"}
    a.join(lab.server.key("home"))
    a.reaches(b.addresses()[6])
    lab.ok("given up with mesh leave --force, it can be joined anew")


def main():
    with Lab() as lab:
        a, b, server = lab.node("a"), lab.node("b"), lab.server
        link = server.setup("home")
        server.up()
        server.ctl("network", "create", "work")
        for node, text in ((a, link), (b, None)):
            node.up()
            node.join(text or server.key("home"))
        a.join(server.key("work"))
        a.mesh("down", "home")
        a.mesh("up", "home")  # so that each document has a generation before
        a.reaches(b.addresses()[4])
        generation_before(lab, a, b)
        refused(lab, a, b, "profile")
        refused(lab, a, b, "floors")
        hopeless(lab, a, b)
        given_up(lab, a, b)


main()
