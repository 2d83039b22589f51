"""The window: what is wrong and what mends it, networks switched on and off, peers that come and go, a daemon that
does, and all of it without a mouse.

   [a] ann, bob: a desktop each · meshd          [b] another node          [server] mesh.example"""
import re
import signal

from desk import Desk, Lab, need_desktop, open_seats, wait_until

SWITCH = "Connect to home"
RIM = 40 # pixels at most, around what is drawn


def first_run(lab, desk):
    window = desk.launch("mesh-gui")
    window.find("label", "Welcome to Mesh")
    window.find("label", re.compile("not installed"))
    assert window.unnamed() == [], window.unnamed()
    desk.picture("window-no-service")
    lab.ok("without a daemon the window opens and names the first step")
    desk.node.up()
    window.find("label", re.compile(r"^Version \d"))
    window.gone("label", re.compile("not installed"))
    lab.ok("the window sees the daemon come")
    return window


def sees_peers(lab, desk, window, other):
    desk.node.join(lab.link)
    window.find("label", "home")
    window.find("label", "No Peers")
    lab.ok("a network that was joined elsewhere is shown")
    other.up()
    other.join(lab.server.key("home"))
    window.find("list item", re.compile(f"^{other.name}, online"))
    window.find("label", re.compile(re.escape(other.addresses()[4])))
    desk.node.reaches(other.addresses()[4])
    window.find("list item", re.compile(f"^{other.name}, online, direct"))
    assert window.unnamed() == [], window.unnamed()
    desk.picture("window-peers")
    lab.ok("a peer that joins appears, and tells how it is reached")
    other.mesh("down") # the server gives it some seconds


def sees_peer_go(lab, window, other):
    window.find("list item", re.compile(f"^{other.name}, offline"))
    other.mesh("up")
    window.find("list item", re.compile(f"^{other.name}, online"))
    lab.ok("a peer goes offline and comes back")


def is_on(window):
    return "checked" in window.find("check box", SWITCH).states


def switches(lab, desk, window):
    node = desk.node
    assert is_on(window)
    window.click("check box", SWITCH)
    window.find("label", "Network Is Off")
    node.wait_until(lambda a: a.network().state == "down", what="down")
    wait_until(lambda: not is_on(window), 20, "a switch that is off")
    desk.picture("window-off")
    lab.ok("a click on the switch turns the network off")
    window.click("push button", "Connect")
    wait_until(lambda: is_on(window), 20, "a switch that is on")
    node.wait_until(lambda a: a.network().state == "up", what="up") # a switch is on before that
    lab.ok("the button of the page turns it on again")
    node.mesh("down")
    wait_until(lambda: not is_on(window), 20, "a switch that is off")
    node.mesh("up")
    wait_until(lambda: is_on(window), 20, "a switch that is on")
    lab.ok("the switch follows what others do")


def changes_mind(lab, desk, window):
    """The daemon stands still, so that each click but the first finds a call under way."""
    node = desk.node
    count = lambda: node.log("meshd").count("network home: up")
    for clicks in (2, 3):
        before, shown = count(), is_on(window)
        node.processes["meshd"].send_signal(signal.SIGSTOP)
        for _ in range(clicks):
            window.click("check box", SWITCH)
            shown = not shown
            window.wait_for(lambda shown=shown: is_on(window) == shown, "the slider follows the hand")
        node.processes["meshd"].send_signal(signal.SIGCONT)
        if clicks == 2: # it went down in between
            node.wait_until(lambda a, before=before: count() > before and a.network().state == "up", what="up again")
        else:
            node.wait_until(lambda a: a.network().state == "down", what="down")
            assert count() == before, "it stays as the last click wanted it"
        window.wait_for(lambda: is_on(window) == (clicks == 2), "a switch that stands where the network is")
    node.mesh("up")
    wait_until(lambda: is_on(window), 20, "a switch that is on")
    lab.ok("of clicks while a call is under way the last one counts")


def refusal(lab, node):
    """Bob is not at the computer, and nobody is there to type a password for him."""
    bob = Desk(node, "bob")
    window = bob.launch("mesh-gui")
    def is_told(): # for five seconds, which may have passed unseen
        wait_until(lambda: is_on(window), 20, "a switch that stayed on")
        window.click("check box", SWITCH)
        return any(window.all("label", re.compile("[Aa]uthori[sz]")) for _ in range(50))
    wait_until(is_told, 120, "told that it is not allowed")
    wait_until(lambda: is_on(window), 20, "a switch that stayed on")
    assert node.network().state == "up"
    bob.picture("window-refused")
    bob.stop("mesh-gui")
    lab.ok("who may not disconnect is told so, and the switch goes back")


def survives(lab, desk, window, other):
    desk.node.stop("meshd", kill=True)
    window.find("label", "The Mesh Service Is Not Running")
    desk.picture("window-stopped")
    desk.node.up()
    window.gone("label", "The Mesh Service Is Not Running")
    window.find("list item", re.compile(f"^{other.name}, online"))
    wait_until(lambda: is_on(window), 20, "a switch that is on")
    lab.ok("the daemon is killed and starts again: the window was there all the time")


def has_size(desk, window, size):
    """Whether the window has it in X, and the program knows that: what it draws has it, but for the rim."""
    found = desk.run("xdotool", "getwindowgeometry", "--shell", desk.windows("Mesh")[-1]).stdout
    drawn = desk.look(op="place", at=window.all("frame", "Mesh")[0].at)[2:]
    given = tuple(int(re.search(f"{name}=(\\d+)", found)[1]) for name in ("WIDTH", "HEIGHT"))
    return given == size and all(0 <= outer - inner <= RIM for outer, inner in zip(size, drawn))


def by_keys(lab, desk, window):
    node = desk.node
    desk.activate("Mesh")
    desk.key("ctrl+f")
    wait_until(lambda: "focused" in window.find("entry", re.compile("^Search peers")).states, 20,
               "keys go to the search")
    desk.type("nobody")
    window.find("label", "No Peer Found")
    desk.key("ctrl+a")
    desk.type("b")
    window.find("list item", re.compile("^b, online"))
    desk.key("Escape", "Escape")
    lab.ok("Ctrl+F searches, Escape ends it")
    window.go_to("check box", SWITCH)
    desk.key("space")
    node.wait_until(lambda a: a.network().state == "down", what="the network is off")
    desk.key("space")
    node.wait_until(lambda a: a.network().state == "up", what="the network is on")
    lab.ok("Tab and space switch the network")
    desk.resize("Mesh", 560, 480)
    wait_until(lambda: has_size(desk, window, (560, 480)), 20, "the new size")
    desk.key("ctrl+q")
    assert window.close() == 0
    lab.ok("Ctrl+Q ends the window")
    window = desk.launch("mesh-gui")
    wait_until(lambda: has_size(desk, window, (560, 480)), 20, "a window of that size")
    desk.resize("Mesh", 660, 500)
    wait_until(lambda: has_size(desk, window, (660, 500)), 20, "the new size")
    window.click("push button", "Close")
    assert window.close() == 0
    assert "width=660" in desk.run("cat", f"{desk.home}/.config/mesh/desktop.ini").stdout.replace(" ", "")
    lab.ok("the window comes back in the size that it had, however it was ended")


def closes(lab, desk):
    """The daemon stands still while a switch is used and the window closed, so the call is under way."""
    node = desk.node
    window = desk.launch("mesh-gui")
    wait_until(lambda: is_on(window), 20, "a switch that is on")
    node.processes["meshd"].send_signal(signal.SIGSTOP)
    window.click("check box", SWITCH)
    window.wait_for(lambda: not is_on(window), "the slider follows the hand")
    window.click("push button", "Close")
    wait_until(lambda: not desk.windows("Mesh"), 20, "no window")
    node.processes["meshd"].send_signal(signal.SIGCONT)
    assert window.close() == 0
    node.wait_until(lambda a: a.network().state == "down", what="the network is off")
    lab.ok("a wish counts, though the window was closed before it was fulfilled")


def main():
    need_desktop()
    with Lab() as lab:
        a = open_seats(lab.node("a"), ann="active", bob="inactive")
        b = lab.node("b")
        lab.link = lab.server.setup("home")
        lab.server.up()
        desk = Desk(a, "ann")
        window = first_run(lab, desk)
        sees_peers(lab, desk, window, b)
        switches(lab, desk, window)
        changes_mind(lab, desk, window)
        refusal(lab, a)
        sees_peer_go(lab, window, b)
        survives(lab, desk, window, b)
        by_keys(lab, desk, window)
        closes(lab, desk)


main()
