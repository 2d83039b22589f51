"""Preferences that reach the daemon, notifications and their switches, the keys, and what About tells.

   [a] ann's desktop · meshd, polkitd          [server] mesh.example"""
import re

from desk import PROGRAMS, Desk, Lab, need_desktop, open_seats, wait_until


def daemon_says(node, name):
    path = f"/org/meshvpn/Mesh1/network/{node.network().id}"
    return node.run("gdbus", "call", "--system", "-d", "org.meshvpn.Mesh1", "-o", path, "-m",
                    "org.freedesktop.DBus.Properties.Get", "org.meshvpn.Mesh1.Network", name).stdout


def open_preferences(desk, window):
    desk.activate("Mesh")
    desk.key("ctrl+comma")
    return window.find("frame", "Preferences")


def show_page(window, frame, name):
    window.click("page tab", name, inside=frame)
    window.wait_for(lambda: "selected" in window.find("page tab", name, inside=frame).states, f"the page {name}")


def networks(lab, desk, window):
    frame = open_preferences(desk, window)
    node = desk.node
    show_page(window, frame, "Networks")
    def is_told(): # for five seconds, which may have passed unseen
        window.wait_for(lambda: "checked" in window.find("check box", "Names", inside=frame).states, "names are on")
        window.click("check box", "Names", inside=frame)
        return any(window.all("label", re.compile("^not authorised")) for _ in range(50))
    wait_until(is_told, 120, "told that it is not allowed")
    window.wait_for(lambda: "checked" in window.find("check box", "Names", inside=frame).states, "names are on still")
    lab.ok("what the user may not do is refused in words, and the switch moves back")
    for title, name in (("Port forwarding", "PortMap"), ("Difficult routers", "HardNat"),
                        ("Local announcements", "Lan")):
        assert "true" in daemon_says(node, name)
        window.wait_for(lambda title=title: "checked" in window.find("check box", title, inside=frame).states, f"{title} on")
        window.click("check box", title, inside=frame)
        window.wait_for(lambda name=name: "false" in daemon_says(node, name), f"{name} off")
    entry = window.find("text", re.compile("^UDP port of a relay"), inside=frame)
    entry.enter("Preferences", "40404")
    window.wait_for(lambda: "40404" in daemon_says(node, "PeerRelayPort"), "the port of the relay")
    assert window.unnamed(frame) == [], window.unnamed(frame)
    node.run("gdbus", "call", "--system", "-d", "org.meshvpn.Mesh1", "-o",
             f"/org/meshvpn/Mesh1/network/{node.network().id}", "-m", "org.meshvpn.Mesh1.Network.Set",
             "{'lan': <true>, 'peer-relay': <uint16 0>}")
    lan = "Local announcements"
    window.wait_for(lambda: "checked" in window.find("check box", lan, inside=frame).states, "they are on again")
    lab.ok("switches change the daemon, and follow it when another changes it")


def proxy_and_login(lab, desk, window):
    frame = window.find("frame", "Preferences")
    desk.picture("preferences-networks")
    show_page(window, frame, "General")
    node = desk.node
    proxy = lambda: node.run("gdbus", "call", "--system", "-d", "org.meshvpn.Mesh1", "-o", "/org/meshvpn/Mesh1", "-m",
                             "org.freedesktop.DBus.Properties.Get", "org.meshvpn.Mesh1.Daemon", "Proxy").stdout
    for title, says in (("None", "none"), ("As the system says", "auto")):
        window.mouse("Preferences", "list item", title, lambda says=says: says in proxy(), inside=frame)
    window.click("check box", "Start at login", inside=frame)
    wanted = f"{desk.home}/.config/autostart/org.meshvpn.Mesh.Tray.desktop"
    wait_until(lambda: desk.run("test", "-e", wanted, check=False).returncode == 0, 20, "the autostart file")
    desk.picture("preferences")
    lab.ok("the proxy is chosen, and the tray starts at login")


def told(desk, words):
    """Waits for a notification with these words in its title."""
    return wait_until(lambda: [note for note in desk.notes() if words in note.get("title", "")], 30,
                      f"told that {words}")[0]


def notes(lab, desk, window):
    """The window is looked at no more, then things happen."""
    node = desk.node
    assert desk.notes() == [], "a normal start is no news"
    window.click("check box", "Approval needed")
    window.wait_for(lambda: "checked" not in window.find("check box", "Approval needed").states, "it is off")
    desk.key("Escape")
    window.gone("frame", "Preferences")
    window.look_away("Mesh")
    node.mesh("down")
    node.mesh("up")
    assert told(desk, "connected")["title"] == "home: connected"
    node.join(lab.server.key("club"))
    wait_until(lambda: any(net.state == "pending" for net in node.networks().values()), 20, "club waits")
    lab.server.ctl("node", "approve", "a", "-n", "club")
    seen = wait_until(lambda: [note for note in desk.notes() if "title" in note], 30, "told of the approval")
    assert [note["title"] for note in seen] == ["club: connected"], seen
    desk.run("sh", "-c", "sed -i s/approval=false/approval=true/ ~/.config/mesh/desktop.ini")
    node.join(lab.server.key("lodge"))
    assert "has to let this device in" in told(desk, "Approval needed")["body"]
    lab.server.ctl("node", "remove", "a", "-n", "club")
    lost = told(desk, "lost")
    assert lost["title"] == "club: connection lost", lost
    desk.press(lost)
    window.wait_for(lambda: desk.windows("Mesh"), "the window is there again")
    lab.ok("told what happened while nobody looked, unless it was switched off; nothing at a normal start")


def stops(lab, desk, window):
    """An upgrade takes less than the time that passes before this is told."""
    node = desk.node
    desk.activate("Mesh")
    desk.notes()
    node.stop("meshd", kill=True)
    seen = wait_until(lambda: [note for note in desk.notes() if "title" in note], 120, "told that the service is gone")
    assert [(note["title"], note["body"]) for note in seen] == [
        ("Connection lost", "The Mesh service has stopped.")], seen
    node.up()
    wait_until(lambda: any(note == {"id": seen[0]["id"], "closed": True} for note in desk.notes()), 30,
               "what was told is taken back")
    lab.ok("told that the service has stopped, until it is back")


def keys(lab, desk, window):
    main = desk.activate("Mesh")
    desk.key("ctrl+question")
    window.find("label", "Look for the Mesh service again")
    desk.picture("shortcuts")
    desk.wait_keys_leave(main)
    desk.key("Escape")
    window.gone("label", "Look for the Mesh service again")
    desk.activate("Mesh")
    desk.key("F10")
    window.click("menu item", re.compile("About Mesh"))
    window.find("label", "The Mesh project")
    desk.picture("about")
    texts = lambda: [node.text() for node in window.all("text")]
    details = window.wait_for(lambda: [text for text in texts() if text.startswith("mesh-gui ")], "what runs")[0]
    assert "meshd " in details and "features: " in details and "network 1: " in details, details
    secrets = [desk.node.network("home").node_key, "home", *desk.node.addresses("home").values()]
    assert not any(text in details for text in secrets), details
    desk.wait_keys_leave(main)
    desk.key("Escape")
    window.gone("label", "The Mesh project")
    desk.activate("Mesh")
    desk.key("ctrl+q")
    assert window.close() == 0
    lab.ok("the keys do what the window of shortcuts says")


def main():
    need_desktop()
    with Lab() as lab:
        a = open_seats(lab.node("a"), grant=["configure", "set-server"], ann="active")
        link = lab.server.setup("home")
        lab.server.up()
        for name in ("club", "lodge"):
            lab.server.ctl("network", "create", name, "--approve", "yes")
        a.up()
        a.join(link)
        desk = Desk(a, "ann", size="900x1000")
        window = desk.launch("mesh-gui", PATH=f"{PROGRAMS}/gui/tray:/usr/bin:/bin")
        window.find("list item", re.compile("^home,"))
        networks(lab, desk, window)
        proxy_and_login(lab, desk, window)
        notes(lab, desk, window)
        stops(lab, desk, window)
        keys(lab, desk, window)


main()
