"""The pages of a mesh connection: in nm-connection-editor (GTK 3), and in a program that loads the module for GTK 4 as
GNOME Settings does. They list the joined networks and nothing else decides.

   [a] ann's desktop, NetworkManager, meshd in home and away   [server] mesh.example"""
import pathlib
import re
import sys

from nmlab import Lab, NetworkManager, need_nm, wait_until
from desk import PYTHON, Desk, need_desktop, open_seats
from space import PROGRAMS, unpacked

EDITOR = unpacked("/usr/bin/nm-connection-editor")
NAME = "/etc/NetworkManager/VPN/nm-mesh-service.name"


def gtk4(lab, desk):
    host = desk.launch(f"{PROGRAMS}/tests/nm/editor-host", NAME, "home", key="host")
    entry = host.find("text", re.compile("^Network"))
    host.wait_for(lambda: entry.text() == "home", "the network of the connection")
    assert host.unnamed() == [], host.tree()
    host.click("push button", "Apply")
    wait_until(lambda: "network: home" in desk.log("host"), 20, "home is said")
    entry.fill("away")
    wait_until(lambda: "changed" in desk.log("host"), 20, "the change is told")
    host.click("push button", "Apply")
    wait_until(lambda: "network: away" in desk.log("host"), 20, "away is said")
    host.find("text", re.compile("^Network")).fill("no such\nname %s")
    host.click("push button", "Apply")
    wait_until(lambda: "refused: vpn.data, network: " in desk.log("host"), 20, "a refusal")
    host.click("push button", "Join a Network…")
    host.find("label", re.compile("^Mesh cannot be opened"))
    desk.picture("editor-gtk4")
    desk.stop("host")
    lab.ok("GTK 4: the network is shown, changed, refused, and the way to join told")


def gtk3(lab, desk, nm):
    def eyes(*words):
        return desk.run(PYTHON, "/run/desk/gtk3eyes.py", "nm-connection-editor", *words, check=False, limit_s=60)

    nm.add("my mesh", "home")
    uuid = nm.cli("-g", "connection.uuid", "connection", "show", "my mesh").stdout.strip()
    desk.node.run("cp", pathlib.Path(__file__).resolve().with_name("gtk3eyes.py"), "/run/desk/")
    desk.node.run("chmod", "a+r", "/run/desk/gtk3eyes.py")
    desk.start("editor", EDITOR, f"--edit={uuid}", **nm.env())
    wait_until(lambda: eyes("text", "text", "Network").stdout == "home\n", 30, "the network of the connection")
    wait_until(lambda: {"away", "home"} <= set(eyes("names", "menu item", "").stdout.split()), 20, "the list")
    desk.picture("editor-gtk3")
    assert eyes("fill", "text", "Network", "away").returncode == 0
    wait_until(lambda: eyes("click", "push button", "Save").returncode == 0, 20, "Save can be used")
    wait_until(lambda: "network = away" in nm.cli("-g", "vpn.data", "connection", "show", "my mesh").stdout, 20, "saved")
    lab.ok("GTK 3: nm-connection-editor shows the networks that are joined, and saves another one")


def main():
    need_nm()
    need_desktop()
    if EDITOR is None:
        print("skipped: missing nm-connection-editor (see ./run deps)", flush=True)
        sys.exit(77)
    with Lab() as lab:
        lab.server.setup("home")
        lab.server.up()
        lab.server.ctl("network", "create", "away")
        a = lab.node("a")
        nm = NetworkManager(a, bus=lambda *policies: open_seats(a, *policies, ann="active"))
        a.up()
        for network in ("home", "away"):
            a.join(lab.server.key(network))
        desk = Desk(a, "ann")
        gtk4(lab, desk)
        gtk3(lab, desk, nm)


main()
