"""A mesh connection in the real GNOME Settings: its page has our GTK 4 editor, and what is changed there is saved.
For ./run test full: gnome-control-center brings 339 MB.

   [a] ann's desktop, NetworkManager, meshd in home and away   [server] mesh.example"""
import re
import shutil
import sys

from nmlab import BUS, Lab, NetworkManager, need_nm, wait_until
from desk import Desk, need_desktop, open_seats

SETTINGS = shutil.which("gnome-control-center")


def main():
    need_nm()
    need_desktop()
    if SETTINGS is None:
        print("skipped: missing gnome-control-center", flush=True)
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
        nm.add("my mesh", "home")
        uuid = nm.cli("-g", "connection.uuid", "connection", "show", "my mesh").stdout.strip()
        answer = a.run("busctl", "call", BUS, "/org/freedesktop/NetworkManager/Settings", f"{BUS}.Settings",
                       "GetConnectionByUuid", "s", uuid).stdout
        desk = Desk(a, "ann", size="1100x800")
        settings = desk.launch(SETTINGS, "network", "show-device", re.search(r'"(.*)"', answer)[1], key="settings",
                               XDG_CURRENT_DESKTOP="GNOME")
        settings.click("push button", re.compile("^Options"))
        entry = settings.find("text", re.compile("^Network"))
        wait_until(lambda: entry.text() == "home", 20, "the network of the connection")
        lab.ok("GNOME Settings lists the connection, and its page has our editor")
        entry.fill("away")
        settings.wait_for(lambda: entry.text() == "away", "the other network in the entry", 5)
        settings.click("push button", re.compile("Apply"))
        wait_until(lambda: "network = away" in nm.cli("-g", "vpn.data", "connection", "show", "my mesh").stdout, 20, "saved")
        lab.ok("another network is saved")


main()
