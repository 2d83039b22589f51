"""A mesh network connected by NetworkManager: nmcli adds, imports, connects, disconnects, exports and deletes; packets
flow, names are found, nothing stays behind, and a connection can ask for nothing else.

   [a] with NetworkManager   [b] in home"""
from nmlab import Lab, NetworkManager, need_nm, wait_until
from names import getent
from space import find_program

# What a connection may not say: part of nmcli's words, and what the refusal names.
HOSTILE = [
    (("vpn.data", "network=home\nserver=evil.example"), "vpn.data, network"),
    (("vpn.data", "network=%s%n"), "vpn.data, network"),
    (("vpn.data", "network=../../etc"), "vpn.data, network"),
    (("vpn.data", "network=" + "a" * 64), "vpn.data, network"),
    (("vpn.data", "network=home, link=mesh://evil.example/x"), "link"),
    (("vpn.data", "network=home, server=evil.example"), "server"),
    (("vpn.data", "network=home, dns=192.0.2.66"), "dns"),
    (("vpn.data", "network=home, routes=0.0.0.0/0"), "routes"),
    (("vpn.data", "server=evil.example"), "server"),
    (("vpn.data", "network=home", "vpn.secrets", "password=hunter2"), "password"),
    (("vpn.data", "network=home", "ipv4.dns", "192.0.2.66"), "ipv4.dns"),
    (("vpn.data", "network=home", "ipv4.routes", "192.0.2.0/24"), "ipv4.routes"),
    (("vpn.data", "network=home", "ipv6.addresses", "2001:db8:66::1/64"), "ipv6.addresses"),
    (("vpn.data", "network=nowhere"), "has not joined a network called"),
]
FILES = ["[mesh]\nnetwork=home\nserver=evil.example\n", "[mesh]\nnetwork=\n", "[mesh]\nnetwork=a%n\n", "[other]\nnetwork=home\n",
         "network=home\n", "[mesh]\nnetwork=home\n[peer]\nkey=x\n", "", "[mesh]\nnetwork=home\n" + "#" * 70000]


def connects(lab, a, b, nm):
    theirs = b.addresses("home")
    before, route = nm.resolv(), a.run("ip", "route").stdout
    nm.add("my mesh", "home")
    nm.up("my mesh")
    for address in theirs.values():
        a.reaches(address)
    wait_until(lambda: getent(a, "ahostsv4", "b.home.mesh") == [theirs[4]], 20, "b by name")
    ours = a.network("home")
    assert ours.management == "NetworkManager" and ours.dns_state == "NetworkManager", ours
    assert nm.addresses("mesh0") == sorted([f"{a.addresses('home')[4]}/32", f"{a.addresses('home')[6]}/128"])
    assert "search" not in nm.resolv(), nm.resolv()
    lab.ok("nmcli connection up: packets flow over both families, and names are found")
    nm.down("my mesh")
    a.wait_until(lambda n: n.network("home").state == "down", 20, "down")
    wait_until(lambda: "mesh0" not in a.sh("ip -br link").stdout, 20, "no interface")
    wait_until(lambda: nm.resolv() == before and a.run("ip", "route").stdout == route, 20, "as before")
    nm.cli("connection", "delete", "my mesh")
    lab.ok("nmcli connection down and delete: the host is as before")


def files(lab, a, b, nm):
    text = "[mesh]\nnetwork=home\n"
    nm.write("/run/Home net.mesh", text)
    nm.cli("connection", "import", "type", "mesh", "file", "/run/Home net.mesh")
    nm.cli("connection", "export", "Home net", "/run/out.mesh")
    assert a.run("cat", "/run/out.mesh").stdout == text
    nm.up("Home net")
    a.reaches(b.addresses("home")[4])
    nm.cli("connection", "delete", "Home net")
    a.wait_until(lambda n: n.network("home").state == "down", 20, "deleted, so down")
    for number, bad in enumerate(FILES):
        nm.write(f"/run/bad{number}.mesh", bad)
        refused = nm.cli("connection", "import", "type", "mesh", "file", f"/run/bad{number}.mesh", check=False)
        assert refused.returncode != 0, (bad[:80], refused.stdout)
    refused = nm.cli("connection", "import", "type", "mesh", "file", "/dev/zero", check=False)
    assert refused.returncode != 0, refused.stdout
    lab.ok(f"import and export give the same file back; {len(FILES) + 1} others are refused")


def refuses(lab, a, nm):
    """What is above `connect` is refused by the service, which is root, whoever wrote the connection."""
    reached = 0
    for number, (words, named) in enumerate(HOSTILE):
        name = f"bad{number}"
        added = nm.cli("connection", "add", "type", "vpn", "vpn-type", "mesh", "con-name", name, *words, check=False)
        if added.returncode != 0: # nmcli or NetworkManager was faster
            continue
        reached += 1
        said = len(nm.log())
        refused = nm.up(name, check=False)
        assert refused.returncode != 0, (words, refused.stdout)
        wait_until(lambda: named in nm.log()[said:], 10, f"{words}: {named}")
        assert "hunter2" not in nm.log() and a.network("home").state == "down"
        nm.cli("connection", "delete", name)
    assert reached > len(HOSTILE) / 2, reached
    lab.ok(f"{len(HOSTILE)} connections that ask for more are refused, {reached} of them by our service, which says why")


def automatic(lab, a, b, nm):
    """With the connection under it, as the manual says: connection.secondaries."""
    nm.add("my mesh", "home")
    uuid = nm.cli("-g", "connection.uuid", "connection", "show", "my mesh").stdout.strip()
    nm.cli("connection", "modify", "wan", "connection.secondaries", uuid)
    nm.down("wan")
    wait_until(lambda: not nm.is_up("my mesh"), 20, "down with the link")
    nm.up("wan")
    wait_until(lambda: nm.is_up("my mesh"), 30, "up with the link")
    a.reaches(b.addresses("home")[4])
    nm.cli("connection", "modify", "wan", "connection.secondaries", "")
    nm.down("my mesh")
    lab.ok("it comes and goes with the connection that names it as a secondary")


def dialog(lab, a):
    """No secret is asked for; what ended is said, to a desktop and on a terminal."""
    told = "DATA_KEY=network\nDATA_VAL={}\n\nDONE\n\nQUIT\n\n"
    words = (find_program("nm-mesh-auth-dialog"), "-u", "1-2", "-n", "My mesh", "-s", "org.freedesktop.NetworkManager.mesh")
    shown = a.run(*words, "--external-ui-mode", "-i", text=told.format("home")).stdout
    assert "[VPN Plugin UI]" in shown and "Version=2" in shown and "needs no password" in shown, shown
    assert a.run(*words, text=told.format("home")).stdout == "\n\n"
    shown = a.run(*words, "--external-ui-mode", text=told.format("nowhere")).stdout
    assert "has not joined" in shown, shown
    assert a.run(*words[:-1], "org.example.other", text=told.format("home"), check=False).returncode == 1
    lab.server.ctl("node", "expire", "--network", "home", "a")
    a.mesh("up", "home", check=False)
    a.wait_until(lambda n: n.network("home").state == "expired", 20, "expired")
    shown = a.run(*words, "--external-ui-mode", text=told.format("home")).stdout
    assert "membership of this computer" in shown and "join again" in shown, shown
    lab.ok("the auth dialog asks for nothing, and says when the membership ended")


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
        a.mesh("down", "home")
        connects(lab, a, b, nm)
        files(lab, a, b, nm)
        refuses(lab, a, nm)
        automatic(lab, a, b, nm)
        dialog(lab, a)


main()
