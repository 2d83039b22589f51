"""One truth: what nmcli, mesh, the window and the tray switch shows in all the others, and off is off in all of them.

   [a] ann's desktop: mesh-gui, mesh-tray, a panel · NetworkManager, meshd in home   [server] mesh.example"""
from nmlab import Lab, NetworkManager, need_nm, wait_until
from desk import Desk, find_program, need_desktop, open_seats
from panel import Panel

SWITCH = "Connect to home"


class Truth:
    """All that show whether home is on."""

    def __init__(self, desk, window, panel, nm):
        self.desk, self.window, self.panel, self.nm = desk, window, panel, nm

    def shows(self, on, by=None):
        """Waits until all of them say it; by: who sets the addresses."""
        word = "up" if on else "down"
        self.desk.node.wait_until(lambda n: n.network("home").state == word, 20, f"meshd: {word}")
        wait_until(lambda: ("checked" in self.window.find("check box", SWITCH).states) == on, 20, f"the window: {word}")
        self.panel.wait_icon("on" if on else "off")
        self.panel.wait_row("home", lambda row: bool(row["checked"]) == on)
        rows = self.desk.node.mesh("status", "home").stdout
        assert f" {word}" in rows.splitlines()[0], rows
        wait_until(lambda: self.nm.is_up("my mesh") == (by == "NetworkManager"), 20, f"NetworkManager: {by}")
        if on:
            self.desk.node.wait_until(lambda n: n.network("home").management == by, 20, f"addresses are {by}'s")


def main():
    need_nm()
    need_desktop()
    with Lab() as lab:
        lab.server.setup("home")
        lab.server.up()
        a = lab.node("a")
        nm = NetworkManager(a, bus=lambda *policies: open_seats(a, *policies, ann="active"))
        a.up()
        a.join(lab.server.key("home"))
        nm.add("my mesh", "home")
        desk = Desk(a, "ann")
        panel = Panel(desk)
        desk.start("mesh-tray", find_program("mesh-tray"))
        window = desk.launch("mesh-gui")
        truth = Truth(desk, window, panel, nm)
        truth.shows(True, "meshd")
        nm.up("my mesh")
        truth.shows(True, "NetworkManager")
        nm.down("my mesh")
        truth.shows(False)
        lab.ok("mesh up, then nmcli connection up and down: off, in window, tray and mesh status")
        window.click("check box", SWITCH)
        truth.shows(True, "meshd")
        nm.up("my mesh")
        truth.shows(True, "NetworkManager")
        window.click("check box", SWITCH)
        truth.shows(False)
        lab.ok("the switch of the window: on, and off while NetworkManager has it, whose connection ends")
        nm.up("my mesh")
        truth.shows(True, "NetworkManager")
        panel.click("home")
        truth.shows(False)
        lab.ok("so does the tray's, of a network that NetworkManager has up alone")


main()
