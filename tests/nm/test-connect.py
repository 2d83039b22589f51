"""A mesh network connected by NetworkManager: nmcli adds, connects, disconnects and deletes; packets flow, names are
found, and nothing stays behind.

   [a] with NetworkManager   [b] in home"""
from nmlab import Lab, NetworkManager, need_nm, wait_until
from names import getent


def main():
    need_nm()
    with Lab() as lab:
        lab.server.setup("home")
        lab.server.up()
        a, b = lab.node("a"), lab.node("b")
        nm = NetworkManager(a)
        for node in (a, b):
            node.up()
            node.join(lab.server.key("home"))
        a.wait_until(lambda n: n.peer("b").online, 20, "b is seen")
        theirs = b.addresses("home")
        a.mesh("down", "home")
        nm.add("my mesh", "home")
        nm.up("my mesh")
        for address in theirs.values():
            a.reaches(address)
        lab.ok("nmcli connection up: packets flow")
        wait_until(lambda: getent(a, "ahostsv4", "b.home.mesh") == [theirs[4]], 20, "b by name")
        lab.ok("names")
        nm.down("my mesh")
        wait_until(lambda: a.network("home").state == "down", 10, "down")
        wait_until(lambda: "mesh0" not in a.sh("ip -br link").stdout, 10, "no interface")
        lab.ok("nmcli connection down")


main()
