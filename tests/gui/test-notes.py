"""Notifications of the tray while no window's program runs, and of one of them alone while both do.

   [a] ann's desktop: mesh-tray without a panel, mesh-gui · meshd, polkitd          [server] mesh.example"""
import re
import sys
import time

from desk import Desk, Lab, attempt, find_program, need_desktop, open_seats, wait_until

WINDOW = "org.meshvpn.Mesh"


def has_owner(desk, name):
    return "true" in desk.run("gdbus", "call", "--session", "-d", "org.freedesktop.DBus", "-o", "/", "-m",
                              "org.freedesktop.DBus.NameHasOwner", name).stdout


def titles(notes):
    return [note["title"] for note in notes if "title" in note]


class Seen:
    """All notes since the last time, gathered while waiting."""

    def __init__(self, desk):
        self.desk, self.notes = desk, []

    def until(self, title):
        def look():
            self.notes += self.desk.notes()
            return title in titles(self.notes)
        wait_until(look, 30, f"told that {title!r}")
        return next(note for note in reversed(self.notes) if note.get("title") == title)

    def until_connected(self, node):
        """Turns home off and on until the tray tells it: it looks when it has time, and then at what is so."""
        before = titles(self.notes).count("home: connected")

        def turn():
            node.mesh("down", "home")
            node.mesh("up", "home")

        def is_told():
            self.notes += self.desk.notes()
            return titles(self.notes).count("home: connected") > before
        wait_until(lambda: attempt(turn, is_told), 60, "told that home is connected")
        return self.until("home: connected")

    def take(self):
        """What has been told, once the last of it is known to be there."""
        seen, self.notes = self.notes + self.desk.notes(), []
        return seen


def set_preference(desk, key, on):
    desk.run("sh", "-c", f"mkdir -p ~/.config/mesh; printf '[notifications]\\n{key}={str(on).lower()}\\n' > "
             "~/.config/mesh/desktop.ini")


def wait_past_start(known):
    """A network that comes within two seconds of who tells knowing the daemon was there before, so it is no news."""
    wait_until(lambda: time.monotonic() - known > 3, 20, "a time at which a network that comes is news")


def start_tray(desk, key="mesh-tray"):
    """Returns when it runs, and has looked for a panel in vain."""
    desk.start(key, find_program("mesh-tray"), "--patience", "0")
    wait_until(lambda: has_owner(desk, f"{WINDOW}.Tray"), 20, "the tray runs")
    wait_until(lambda: "no place" in desk.log(key), 20, "the tray has looked for a panel")


def alone(lab, desk, seen):
    """No window: the tray tells all of it, and a click opens the window."""
    node = desk.node
    assert titles(seen.take())[1:] == [], "a normal start is no news" # the first: no place for icons
    first = seen.until_connected(node)
    assert first["program"] == "Mesh" and "default" in first["actions"], first
    known = time.monotonic()
    set_preference(desk, "connected", False)
    node.mesh("down", "home")
    node.mesh("up", "home")
    wait_past_start(known)
    node.join(lab.server.key("club"))
    note = seen.until("Approval needed")
    assert "has to let this device in" in note["body"], note
    set_preference(desk, "connected", True)
    lab.server.ctl("node", "approve", "a", "-n", "club")
    seen.until("club: connected")
    lab.server.ctl("node", "remove", "a", "-n", "club")
    lost = seen.until("club: connection lost")
    node.mesh("leave", "club")
    assert titles(seen.take()) == ["home: connected", "Approval needed", "club: connected", "club: connection lost"]
    assert lost["id"] == note["id"] != first["id"], (note, lost)
    lab.ok("without a window the tray tells what the window would: connected, approval, lost; none that is switched off")
    desk.press(lost)
    wait_until(lambda: has_owner(desk, WINDOW), 20, "the window's program runs")
    window = desk.app("mesh-gui")
    window.find("list item", re.compile("^home,"))
    lab.ok("a click opens the window")
    return window


def together(lab, desk, seen, window):
    """Window and tray: the window's notes alone, for as long as it runs."""
    node = desk.node
    known = time.monotonic()
    window.look_away("Mesh")
    node.mesh("down", "home")
    node.mesh("up", "home")
    seen.until("home: connected")
    assert titles(seen.take()) == ["home: connected"]
    wait_past_start(known)
    node.join(lab.server.key("lodge"))
    seen.until("Approval needed")
    node.mesh("down", "home")
    node.mesh("up", "home")
    seen.until("home: connected") # whatever else there was to tell is told before
    assert titles(seen.take()) == ["Approval needed", "home: connected"]
    lab.ok("while both run each thing is told once")


def in_the_moment(lab, desk, seen):
    """The window ends just when something happens: told by it, or else by the tray, and once."""
    node = desk.node
    by = []
    for _ in range(2):
        desk.run("gdbus", "call", "--session", "-d", WINDOW, "-o", "/org/meshvpn/Mesh", "-m",
                 "org.freedesktop.Application.Activate", "{}")
        window = desk.app("mesh-gui")
        window.find("list item", re.compile("^home,"))
        window.look_away("Mesh")
        node.mesh("down", "home")
        window.find("list item", re.compile("^home, Off"))
        seen.take()
        node.start("up", find_program("mesh"), "up", "home")
        desk.run("gdbus", "call", "--session", "-d", WINDOW, "-o", "/org/meshvpn/Mesh", "-m", "org.gtk.Actions.Activate",
                 "quit", "[]", "{}")
        wait_until(lambda: not has_owner(desk, WINDOW), 20, "the window is gone")
        by.append("tray" if seen.until("home: connected")["program"] == "Mesh" else "window")
        seen.until_connected(node) # whatever else there was to tell is told before the next one
        assert titles(seen.take()) == ["home: connected"] * 2
    lab.ok(f"a window that ends in the moment: told once, by {by}")


def stops(lab, desk, seen):
    """An upgrade takes less than the time that passes before this is told."""
    node = desk.node
    seen.take()
    node.stop("meshd", kill=True)
    gone = seen.until("Connection lost")
    assert gone["body"] == "The Mesh service has stopped.", gone
    node.up()
    wait_until(lambda: any(note == {"id": gone["id"], "closed": True} for note in seen.notes) or
               seen.notes.extend(desk.notes()), 30, "what was told is taken back")
    node.wait_until(lambda n: n.network("home").state == "up", what="home is up again")
    seen.until_connected(node)
    assert titles(seen.take()) == ["Connection lost", "home: connected"]
    lab.ok("told that the service has stopped, until it is back; its start is no news")


def main():
    need_desktop()
    with Lab() as lab:
        a = open_seats(lab.node("a"), ann="active")
        link = lab.server.setup("home")
        lab.server.up()
        for name in ("club", "lodge"):
            lab.server.ctl("network", "create", name, "--approve", "yes")
        a.up()
        a.join(link)
        desk = Desk(a, "ann")
        assert desk.notes() == []                       # whoever shows notifications is there
        desk.offer_service(WINDOW, "mesh-gui")
        seen = Seen(desk)
        start_tray(desk)
        seen.until("This desktop has no place for tray icons")
        if sys.argv[1:] == ["stops"]: # takes long
            stops(lab, desk, seen)
        else:
            window = alone(lab, desk, seen)
            together(lab, desk, seen, window)
            in_the_moment(lab, desk, seen)
        for word in ("CRITICAL", "WARNING"):
            assert word not in desk.log("mesh-tray"), desk.log("mesh-tray")


main()
