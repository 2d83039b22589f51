"""The proxy and the hosts that need none, in the preferences: nothing of the choice is lost by what the window changes.

   [a] ann's desktop · meshd, polkitd          [server] mesh.example"""
import json
import re

from desk import Desk, Lab, need_desktop, open_seats

HOSTS, PROXY = re.compile("^Hosts without proxy"), re.compile("^http://")


def says(node, name):
    """A property of the daemon's."""
    return node.run("gdbus", "call", "--system", "-d", "org.meshvpn.Mesh1", "-o", "/org/meshvpn/Mesh1", "-m",
                    "org.freedesktop.DBus.Properties.Get", "org.meshvpn.Mesh1.Daemon", name).stdout


def open_general(desk, window):
    desk.activate("Mesh")
    desk.key("ctrl+comma")
    frame = window.find("frame", "Preferences")
    desk.resize("Preferences", "700", "960") # all of it is seen
    window.click("page tab", "General", inside=frame)
    window.find("list item", "As the system says", inside=frame)
    return frame


def changes_hosts(lab, desk, window):
    node = desk.node
    node.mesh("proxy", "-", "--except", "mesh.example,.lan", text="http://mole:dig@10.9.9.9:3128\n")
    window.wait_for(lambda: window.find("text", HOSTS).text() == "mesh.example,.lan", "the hosts")
    window.find("text", HOSTS).enter("Preferences", "mesh.example,10.0.0.0/8")
    window.wait_for(lambda: "'mesh.example,10.0.0.0/8'" in says(node, "ProxyExempt"), "other hosts")
    assert "'http://10.9.9.9:3128'" in says(node, "Proxy")
    assert "http://mole:dig@10.9.9.9:3128\nmesh.example,10.0.0.0/8" in node.sh("cat /var/lib/mesh/proxy").stdout
    lab.ok("the hosts without proxy are shown and changed; name and password stay, and are not shown")


def changes_proxy(lab, desk, window, frame):
    node = desk.node
    window.find("text", PROXY).enter("Preferences", "http://10.8.8.8:8080")
    window.wait_for(lambda: "'http://10.8.8.8:8080'" in says(node, "Proxy"), "another proxy")
    assert "'mesh.example,10.0.0.0/8'" in says(node, "ProxyExempt")
    assert window.unnamed(frame) == [], window.unnamed(frame)
    desk.picture("preferences-proxy")
    window.mouse("Preferences", "list item", "None", lambda: "'none'" in says(node, "Proxy"), inside=frame)
    window.gone("text", HOSTS, inside=frame)
    assert "'mesh.example,10.0.0.0/8'" in says(node, "ProxyExempt")
    lab.ok("the hosts are kept over another proxy, and over none")


def changes_by_cli(lab, desk, window):
    node = desk.node
    node.mesh("proxy", "http://10.8.8.8:8080", "--except", ".lan")
    window.wait_for(lambda: window.find("text", HOSTS).text() == ".lan", "the hosts of the command")
    node.mesh("proxy", "--except", ".home")
    assert json.loads(node.mesh("proxy", "--json").stdout) == {"proxy": "http://10.8.8.8:8080", "exempt": ".home"}
    assert node.mesh("proxy").stdout == "http://10.8.8.8:8080\nexcept .home\n"
    window.wait_for(lambda: window.find("text", HOSTS).text() == ".home", "the other hosts of the command")
    for none, text in (("", None), ("-", "\n")):
        done = node.mesh("proxy", none, text=text, check=False)
        assert done.returncode != 0 and "'http://10.8.8.8:8080'" in says(node, "Proxy"), done
    lab.ok("mesh proxy --except alone changes the hosts, and the window follows")


def main():
    need_desktop()
    with Lab() as lab:
        a = open_seats(lab.node("a"), grant=["set-server"], ann="active")
        link = lab.server.setup("home")
        lab.server.up()
        a.up()
        a.join(link)
        desk = Desk(a, "ann", size="900x1000")
        window = desk.launch("mesh-gui")
        window.find("list item", re.compile("^home,"))
        frame = open_general(desk, window)
        changes_hosts(lab, desk, window)
        changes_proxy(lab, desk, window, frame)
        changes_by_cli(lab, desk, window)


main()
