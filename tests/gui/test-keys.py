"""Without a mouse, from the first run on: the service is there, a network is joined, a peer's page and the preferences are
opened, all by keys.

   [a] ann's desktop · meshd, polkitd          [b] meshd          [server] mesh.example"""
import re

from desk import Desk, Lab, need_desktop, open_seats, wait_until

def joins(lab, desk, window):
    desk.activate("Mesh")
    window.go_to("push button", re.compile("Join…$"))
    desk.key("Return")
    desk.activate("Join a Network")
    frame = window.find("frame", "Join a Network")
    window.wait_stays(lambda: "active" in window.find("frame", "Join a Network").states and not window.focused(),
                      "the link, of which GTK 4.8 does not tell, has the focus, which is taken from Cancel first")
    desk.type(lab.server.key("home"))
    window.find("label", re.compile(r"^mesh\.example:443$"), inside=frame)
    desk.key("Return")
    window.find("label", re.compile("^This device is in home as a"))
    wait_until(lambda: any(node.name == "Done" for node in window.focused()), 20, "Done has the focus")
    desk.key("Return")
    window.gone("frame", "Join a Network")
    assert desk.node.network("home").state == "up"
    lab.ok("from the first run to connected by Tab, Enter and typing")


def opens_peer(lab, desk, window):
    desk.activate("Mesh")
    window.go_to("list item", re.compile("^b, online"))
    desk.key("Return")
    window.find("label", "Device")
    window.go_to("push button", "Copy address")
    desk.key("space")
    wanted = lab.peer.addresses()[4]
    wait_until(lambda: desk.clipboard() == wanted, 20, f"{wanted} in the clipboard")
    desk.key("alt+Left")
    wait_until(lambda: any(node.name.startswith("b, online") for node in window.focused()), 20, "the list has the focus")
    lab.ok("the page of a peer is opened, used and left by keys")


def opens_preferences(lab, desk, window):
    desk.activate("Mesh")
    desk.key("F10")
    window.go_to("menu item", "Preferences", key="Down")
    desk.key("Return")
    frame = window.find("frame", "Preferences")
    desk.activate("Preferences")
    window.go_to("page tab", "General")
    desk.key("Right", "space")
    window.find("check box", "Local announcements", inside=frame)
    window.go_to("check box", "Local announcements")
    desk.key("space")
    window.wait_for(lambda: "checked" not in window.find("check box", "Local announcements").states, "it is off")
    desk.key("Escape")
    window.gone("frame", "Preferences")
    lab.ok("the preferences are opened from the menu, a switch is found and used, and they are closed by keys")


def main():
    need_desktop()
    with Lab() as lab:
        a = open_seats(lab.node("a"), grant=["join", "configure"], ann="active")
        lab.peer = lab.node("b")
        lab.server.setup("home")
        lab.server.up()
        for node in (a, lab.peer):
            node.up()
        lab.peer.join(lab.server.key("home"))
        desk = Desk(a, "ann")
        window = desk.launch("mesh-gui")
        window.find("label", "Welcome to Mesh")
        joins(lab, desk, window)
        opens_peer(lab, desk, window)
        opens_preferences(lab, desk, window)


main()
