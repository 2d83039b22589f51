"""A disk that is full: what cannot be kept is said, nothing is half done or lost, and it recovers by itself.

   [a] /var/lib/mesh holds 512 KiB ══ internet ══ [b]        [server] mesh.example"""
from lab import Lab, wait_until


def fill(node):
    node.run("sh", "-c", "cat /dev/zero >> /var/lib/mesh/fill 2>/dev/null; chown meshd /var/lib/mesh/fill")


def empty(node):
    node.sh("rm /var/lib/mesh/fill")


def troubles(node):
    return [text for text in node.network("home").warnings if "not on disk yet" in text]


def joins(lab, a, link):
    fill(a)
    done = a.join(link, check=False)
    assert done.returncode != 0 and "No space left" in done.stderr and "profile" in done.stderr, done
    assert not a.networks() and "a" not in lab.server.nodes("home")
    empty(a)
    a.join(link)  # a single-use key: nothing of it was used up
    lab.ok("a join with the disk full says so, and uses up nothing: afterwards the same link joins")


def lives(lab, a, b):
    fill(a)
    port = a.network().listen_port
    lab.server.ctl("node", "rename", "--network", "home", "b", "bee")
    a.wait_until(lambda n: "bee" in n.peers())
    a.wait_until(lambda n: troubles(n) or fill(n)) # what was being written has left room
    assert a.network().problem == "disk-full", a.network()
    assert "No space left" in a.mesh("status").stdout
    a.reaches(b.addresses()[4])
    lab.ok("a map that cannot be kept is in force all the same, and mesh status says what is not on disk")
    for arguments in (("down", "home"), ("set", "--port", "5001"), ("set", "--endpoint", "198.51.100.7:5")):
        fill(a)
        done = a.mesh(*arguments, check=False)
        assert done.returncode != 0 and "No space left" in done.stderr, done
    network = a.network()
    assert network.state == "up" and network.listen_port == port, network
    assert not any("198.51.100.7" in text for text in network.endpoints), network
    a.reaches(b.addresses()[4])
    a.mesh("down", "--temporary")
    a.mesh("up")
    a.reaches(b.addresses()[6])
    lab.ok("wishes that cannot be kept are refused and change nothing; what needs no disk works")


def is_killed(lab, a, b):
    a.restart(kill=True)
    a.wait_until(lambda n: n.network().state == "up")
    a.reaches(b.addresses()[4])
    empty(a)
    lab.server.ctl("node", "rename", "--network", "home", "bee", "bert")
    a.wait_until(lambda n: "bert" in n.peers())
    a.wait_until(lambda n: not troubles(n), 40)
    a.wait_until(lambda n: n.network().problem == "dns", 60) # nobody here lets meshd set names
    lab.ok("killed with the disk full it starts from what there is; with space the warning goes by itself")
    lab.server.stop("mesh-server")
    a.restart()
    a.wait_until(lambda n: n.network().state == "up" and "bert" in n.peers())
    assert a.json("repair")["found"] == []
    lab.server.up()
    lab.ok("and all of it is on disk: names it never had written before the server went away are there")


def misses_floors(lab, a, b):
    where = f"/var/lib/mesh/networks/{a.network().id}"
    a.stop("meshd")
    a.sh(f"mkdir /var/lib/mesh/kept; mv {where}/floors* /var/lib/mesh/kept/")
    a.up()
    a.wait_until(lambda n: n.network().state == "error", 60)
    network = a.network()
    assert "floors" in network.error and "join again" in network.error, network
    assert a.run("ip", "link", "show", "mesh0", check=False).returncode != 0
    a.sh(f"cp /var/lib/mesh/kept/floors {where}/floors; chown meshd {where}/floors; chmod 600 {where}/floors")
    a.mesh("up")
    a.reaches(b.addresses()[4])
    a.stop("meshd")
    a.sh(f"for f in floors floors.prev; do echo torn > {where}/$f; chown meshd {where}/$f; chmod 600 {where}/$f; done")
    a.up()
    a.wait_until(lambda n: n.network().state == "error", 60)
    network = a.network()
    assert "floors is damaged" in network.error, network
    a.mesh("leave")
    lab.ok("without what was seen before, gone or torn, a network stays down and says why")


def leaves(lab, a):
    a.join(lab.server.key("home"))
    fill(a)
    a.mesh("leave")
    assert not a.networks()
    assert a.sh("ls /var/lib/mesh/networks").stdout == ""
    wait_until(lambda: set(lab.server.nodes("home")) == {"bert"}, 10, "the server knows")
    lab.ok("leaving needs no space")


def main():
    with Lab() as lab:
        a, b, server = lab.node("a"), lab.node("b"), lab.server
        a.sh("mkdir /var/lib/mesh; mount -t tmpfs -o size=512k,mode=700 tmpfs /var/lib/mesh; chown meshd /var/lib/mesh")
        link = server.setup("home")
        server.up()
        a.up()
        b.up()
        b.join(link)
        joins(lab, a, server.key("home"))
        a.reaches(b.addresses()[4])
        lives(lab, a, b)
        is_killed(lab, a, b)
        misses_floors(lab, a, b)
        leaves(lab, a)


main()
