"""The window on Wayland: it starts, shows a network and its peers, its switch works, and it ends when it is closed.

   [a] ann's desktop: weston without a screen · meshd, polkitd     [b] meshd     [server] mesh.example"""
import re

from desk import Desk, Lab, need_desktop, open_seats, wait_until

SWITCH = "Connect to home"
WESTON = ("weston", "--backend=headless-backend.so", "--use-pixman", "--socket=wl", "--no-config")


def show(lab, desk):
    desk.start("weston", *WESTON)
    wait_until(lambda: desk.run("test", "-S", f"{desk.dir}/wl", check=False).returncode == 0, 20, "weston")
    window = desk.launch("mesh-gui", GDK_BACKEND="wayland", WAYLAND_DISPLAY="wl", DISPLAY="", XDG_SESSION_TYPE="wayland")
    window.find("list item", re.compile("^home"))
    window.find("list item", re.compile("^b, online"))
    assert window.unnamed() == [], window.unnamed()
    assert not desk.windows("Mesh"), "the window is on the X server"
    lab.ok("the window starts, with the network and its peer")
    return window


def switch(lab, desk, window):
    for title, state in (("Network Is Off", "down"), (None, "up")):
        window.click("check box", SWITCH)
        desk.node.wait_until(lambda a, state=state: a.network().state == state, what=f"the network is {state}")
        if title:
            window.find("label", title)
    window.find("list item", re.compile("^b, online"))
    window.wait_for(lambda: "checked" in window.find("check box", SWITCH).states, "a switch that is on")
    lab.ok("the switch turns the network off and on")


def main():
    need_desktop("weston")
    with Lab() as lab:
        a, b = open_seats(lab.node("a"), ann="active"), lab.node("b")
        link = lab.server.setup("home")
        lab.server.up()
        for node, text in ((a, link), (b, None)):
            node.up()
            node.join(text or lab.server.key("home"))
        desk = Desk(a, "ann", wm=False)
        window = show(lab, desk)
        switch(lab, desk, window)
        window.click("push button", "Close")
        assert window.close() == 0
        said = [line for line in desk.log("mesh-gui").splitlines() if "CRITICAL" in line or "WARNING" in line]
        assert not said, said
        assert desk.runs("weston"), "weston ended with it"
        lab.ok("closed, it ends without a word of complaint")


main()
