"""Takes a picture of every page of the window: light, dark, as narrow as a phone, in German. From the running app, with a
real meshd and other nodes, into build/screenshots (or where $MESH_SCREENSHOTS says). Words choose some: screenshots.py dark.

   [laptop, tower, phone, rechner, handy] a desktop each · meshd, polkitd   [nas, printer, away] meshd   [server] mesh.example"""
import gettext
import os
import pathlib
import re
import sys

from desk import REPO, Desk, Lab, find_program, need_desktop, open_seats, wait_until
from languages import BUILD, catalogue, show_languages

PATH = "/org/meshvpn/Mesh"
WIDE, NARROW = (900, 700), (360, 720)
# Name of the variant, of its node; size; what the app is told.
VARIANTS = [
    ("light", "laptop", WIDE, {"ADW_DEBUG_COLOR_SCHEME": "prefer-light"}),
    ("dark", "tower", WIDE, {"ADW_DEBUG_COLOR_SCHEME": "prefer-dark"}),
    ("narrow", "phone", NARROW, {"ADW_DEBUG_COLOR_SCHEME": "prefer-light"}),
    ("german", "rechner", WIDE, {"ADW_DEBUG_COLOR_SCHEME": "prefer-light", "LANGUAGE": "de"}),
    ("german-narrow", "handy", NARROW, {"ADW_DEBUG_COLOR_SCHEME": "prefer-light", "LANGUAGE": "de"}),
]


class Tour:
    """One variant: a window on a desktop of its own, brought from page to page by what is in no language."""

    def __init__(self, lab, desk, variant, size, env):
        self.lab, self.desk, self.variant, self.size, self.env = lab, desk, variant, size, env
        language = [env["LANGUAGE"]] if "LANGUAGE" in env else []
        self.said = gettext.translation("mesh", BUILD / "po", language, fallback=True).gettext
        self.window, self.taken = None, []

    def open(self):
        tray = pathlib.Path(self.desk.node.seen_inside(find_program("mesh-tray"))).parent # as installed: both in $PATH
        self.window = self.desk.launch("mesh-gui", PATH=f"{tray}:{self.desk.env['PATH']}", **self.env)
        self.desk.resize("Mesh", *self.size)

    def take(self, page, ours=True):
        """When what is drawn stays as it is: what moves, moves for less than a second."""
        last = None
        for _ in range(5): # a chart, a spinner never stays
            before, last = last, self.desk.picture(f"{page}-{self.variant}").read_bytes()
            if before == last:
                break
        self.taken.append(page)
        unnamed = self.window.unnamed() if ours else [] # libadwaita's own dialogs have nameless controls
        assert unnamed == [], f"{page}: {unnamed}"

    def act(self, action, target="", window=False):
        """Activates an action of the app or of its window."""
        self.desk.run("gdbus", "call", "--session", "-d", "org.meshvpn.Mesh", "-o", PATH + ("/window/1" if window else ""),
                      "-m", "org.gtk.Actions.Activate", action, f"[{target}]", "{}")

    def actions(self):
        got = self.desk.run("gdbus", "call", "--session", "-d", "org.meshvpn.Mesh", "-o", PATH, "-m", "org.gtk.Actions.List")
        return re.findall(r"'([\w-]+)'", got.stdout)

    def see(self, role, text):
        return self.window.find(role, self.said(text))


def before_a_network(tour):
    tour.open()
    tour.see("label", "Welcome to Mesh")
    tour.take("no-service")
    tour.desk.node.up()
    tour.window.find("label", re.compile(r"0\.\d+\.\d+"))
    tour.take("welcome")
    main = tour.desk.activate("Mesh")
    tour.act("join", "<''>")
    tour.see("push button", "Paste")
    tour.take("join")
    tour.window.paste("mesh.example:443", tour.said("Paste"), text=tour.lab.server.key("home"))
    tour.take("join-link")
    tour.desk.wait_keys_leave(main)
    tour.desk.key("Escape")
    tour.window.gone("push button", tour.said("Paste"))


def network(tour):
    node = tour.desk.node
    node.join(tour.lab.server.key("home"))
    for name in ("nas", "printer"):
        node.wait_until(lambda a, name=name: a.peer(name).online, what=f"{name} is online")
        node.reaches(tour.lab.peers[name].addresses()[4])
        node.wait_until(lambda a, name=name: a.peer(name).path == "direct", what=f"the direct way to {name}")
    node.wait_until(lambda a: not a.peer("away").online, what="away is offline")
    if tour.size == NARROW:
        tour.window.find("label", "home")
        tour.take("networks")
        tour.window.mouse("Mesh", "list item", re.compile("home"), lambda: tour.window.all("list item", re.compile("^nas")))
    tour.window.find("list item", re.compile("^nas"))
    tour.take("peers")
    tour.act("show-peer", "<'nas'>", window=True)
    tour.window.find("push button", re.compile("Ping"))
    tour.window.click("push button", tour.said("Start Ping"))
    tour.window.find("label", re.compile(r"^[3-9]\D[^\n]*\n"))
    tour.take("peer")
    tour.act("back", window=True)


def troubles(tour):
    node = tour.desk.node
    node.mesh("down")
    tour.see("label", "Network Is Off")
    tour.take("off")
    node.mesh("up")
    tour.window.find("list item", re.compile("^nas"))
    node.stop("meshd", kill=True)
    tour.see("label", "The Mesh Service Is Not Running")
    tour.take("stopped")
    node.up()
    tour.window.find("list item", re.compile("^nas"))


def dialogs(tour):
    def windows():
        return len(tour.window.all("frame")) + len(tour.window.all("dialog"))
    shown = [("netcheck", True)] + [(name, False) for name in ("preferences", "shortcuts", "about") if name in tour.actions()]
    for action, of_window in shown:
        count, main = windows(), tour.desk.activate("Mesh")
        tour.act(action, window=of_window)
        wait_until(lambda count=count: windows() > count, 20, action)
        tour.take(action, ours=action != "about")
        tour.desk.wait_keys_leave(main)
        tour.desk.key("Escape")
        wait_until(lambda count=count: windows() == count, 20, f"{action} is closed")


def take_variant(lab, variant, name, size, env):
    node = open_seats(lab.node(name), ann="active")
    if "LANGUAGE" in env:
        show_languages(node)
    tour = Tour(lab, Desk(node, "ann", size="x".join(map(str, size))), variant, size, env)
    before_a_network(tour)
    network(tour)
    troubles(tour)
    dialogs(tour)
    lab.ok(f"{variant}: {' '.join(tour.taken)}")


def main():
    need_desktop()
    os.environ.setdefault("MESH_SCREENSHOTS", str(REPO / "build/screenshots"))
    with Lab() as lab:
        lab.server.setup("home")
        lab.server.up()
        lab.peers = {name: lab.node(name) for name in ("nas", "printer", "away")}
        for node in lab.peers.values():
            node.up()
            node.join(lab.server.key("home"))
        lab.peers["away"].mesh("down")
        for variant in VARIANTS:
            if len(sys.argv) > 1 and variant[0] not in sys.argv[1:]:
                continue
            code = variant[3].get("LANGUAGE")
            if code and not catalogue(code).exists():
                print(f"# {variant[0]}: the build has no catalogue po/{code}")
                continue
            take_variant(lab, *variant)


main()
