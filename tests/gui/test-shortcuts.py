"""Each of the keys that the window of shortcuts names does what stands there.

   [a] ann's desktop · meshd, polkitd          [b] meshd: a peer          [server] mesh.example"""
import re

from desk import Desk, Lab, need_desktop, open_seats, wait_until

TITLES = ("Join a network", "Search peers", "Back", "Look for the Mesh service again", "Main menu", "Preferences",
          "Keyboard shortcuts", "Close the window", "Quit")
PEER = re.compile("^b, online")


def press(desk, *keys):
    number = desk.activate("Mesh")
    desk.key(*keys)
    return number


def opens(lab, desk, window):
    """Ctrl+N, Ctrl+comma, F10, Ctrl+question: something comes, and Escape takes it away."""
    for keys, role, name in (("ctrl+n", "frame", "Join a Network"), ("ctrl+comma", "frame", "Preferences"),
                             ("F10", "menu item", re.compile("About Mesh"))):
        press(desk, keys)
        window.find(role, name)
        if role == "frame":
            desk.activate(name) # keys go to it
        desk.key("Escape")
        window.gone(role, name)
    main = press(desk, "ctrl+question")
    for title in TITLES:
        window.find("label", title)
    desk.picture("shortcuts-all")
    desk.wait_keys_leave(main)
    desk.key("Escape")
    window.gone("label", TITLES[3])
    lab.ok("Ctrl+N joins, Ctrl+comma opens the preferences, F10 the menu, Ctrl+? the window of shortcuts")


def goes_back(lab, desk, window):
    window.mouse("Mesh", "list item", PEER, lambda: window.all("label", "Device"))
    for key in ("alt+Left", "XF86Back"):
        window.find("label", "Device")
        press(desk, key)
        window.gone("label", "Device")
        wait_until(lambda: "focused" in window.find("list item", PEER).states, 20, "the list has the focus")
        if key == "alt+Left":
            desk.key("Return")
    press(desk, "ctrl+f")
    wait_until(lambda: "focused" in window.find("entry", re.compile("^Search peers")).states, 20, "keys go to the search")
    desk.type("nobody")
    window.find("label", "No Peer Found")
    desk.key("Escape", "Escape")
    window.find("list item", PEER)
    lab.ok("Alt+Left and the key Back leave a peer's page, Ctrl+F searches")


def looks_again(lab, desk):
    """A bus that is not there at first, to which nobody connects unasked."""
    for number, (look, end) in enumerate((("F5", "ctrl+w"), ("ctrl+r", "ctrl+q"))):
        bus = f"/run/desk/bus{number}"
        window = desk.launch("mesh-gui", key=f"gui-{look}", DBUS_SYSTEM_BUS_ADDRESS=f"unix:path={bus}")
        window.find("label", "No System Bus")
        desk.node.sh(f"ln -s /run/dbus/system_bus_socket {bus}")
        assert window.all("label", "No System Bus")
        press(desk, look)
        window.gone("label", "No System Bus")
        window.find("list item", PEER)
        press(desk, end)
        assert window.close() == 0
    lab.ok("F5 and Ctrl+R look for the service again; Ctrl+W and Ctrl+Q end the window")


def main():
    need_desktop()
    with Lab() as lab:
        a, b = open_seats(lab.node("a"), ann="active"), lab.node("b")
        lab.server.setup("home")
        lab.server.up()
        for node in (a, b):
            node.up()
            node.join(lab.server.key("home"))
        desk = Desk(a, "ann")
        window = desk.launch("mesh-gui")
        window.find("list item", PEER)
        opens(lab, desk, window)
        goes_back(lab, desk, window)
        press(desk, "ctrl+w")
        assert window.close() == 0
        looks_again(lab, desk)


main()
