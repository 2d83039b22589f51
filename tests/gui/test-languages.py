"""Window, tray and command line in every language of po/: no English is left, and a phone's width is enough.

   [a] ann's desktop · meshd, polkitd     [b] meshd: a peer     [server] mesh.example

glibc translates as $LANGUAGE says in any locale but "C", C.UTF-8 too: the languages' own locales need not be installed."""
import re

from desk import Desk, Lab, find_program, need_desktop, open_seats, wait_until
from languages import catalogue, codes, show_languages, texts
from panel import Panel

NETWORK = "oak" # in no catalogue
NARROW = (360, 640)
COMMAND = re.compile(r"^  ([a-z]+) .*?\s\s+(\S.*)$|^  ([a-z]+) \S+ (\S.*)$", re.MULTILINE)


def command_line(lab, desk, code, said):
    def ask(*words, language):
        return desk.run(find_program("mesh"), *words, check=False, LANGUAGE=language)
    english, foreign = ask("help", language="").stdout, ask("help", language=code).stdout
    assert len(english.splitlines()) == len(foreign.splitlines()) > 15, foreign
    for line, other in zip(english.splitlines(), foreign.splitlines()):
        text = next((text for text in sorted(said, key=len, reverse=True) if line.endswith(text)), None)
        assert (text is None and not line.strip()) or other.endswith(said[text]), (line, other)
    wrong = ask("frobnicate", language=code).stderr
    assert wrong == said['mesh: unknown command "%s"; see "mesh help"\n'] % "frobnicate", wrong
    options = ask("join", "--help", language=code).stdout
    assert said["Join with IPv6 only"] in options, options
    lab.ok(f"{code}: mesh help, a command's options, and an error")
    for program, text in (("mesh-tray", "Mesh networks in the tray of the desktop."), ("nm-mesh-auth-dialog", "VPN type"),
                          ("nm-mesh-service", "Name on the bus")):
        help_text = desk.run(find_program(program), "--help", LANGUAGE=code).stdout
        assert said[text] in help_text, help_text
    lab.ok(f"{code}: the tray's options, and those of NetworkManager's programs")


def check_window(window, said):
    """Every control has a name, and none of what can be translated is as in English."""
    assert window.unnamed() == [], window.unnamed()
    left = [node for node in window.nodes() for text in (node.name, node.description) if said.get(text, text) != text]
    assert not left, (left, window.tree())


def narrow(desk, window, page):
    """GTK makes no window smaller than what is in it: a text that is too long would make it wider."""
    number = desk.activate("Mesh")
    def width():
        return int(re.search(r"WIDTH=(\d+)", desk.run("xdotool", "getwindowgeometry", "--shell", number).stdout)[1])
    wide = width()
    desk.resize("Mesh", *NARROW)
    window.wait_for(lambda: width() == NARROW[0], f"a window that is {NARROW[0]} wide")
    desk.picture(f"{page}-narrow")
    desk.resize("Mesh", wide, 640)
    wait_until(lambda: width() == wide, 20, "a wide window")


def show_page(desk, action, target):
    desk.run("gdbus", "call", "--session", "-d", "org.meshvpn.Mesh", "-o", "/org/meshvpn/Mesh/window/1", "-m",
             "org.gtk.Actions.Activate", action, target, "{}")


def window_of(lab, desk, code, said):
    window = desk.launch("mesh-gui", LANGUAGE=code)
    window.find("list item", re.compile("^b, " + re.escape(said["online"])))
    window.find("entry", said["Search peers by name or address"])
    window.find("check box", said["Connect to %s"] % NETWORK)
    check_window(window, said)
    narrow(desk, window, f"peers-{code}")
    show_page(desk, "show-peer", "[<'b'>]")
    window.find("push button", said["Start Ping"])
    check_window(window, said)
    narrow(desk, window, f"peer-{code}")
    lab.ok(f"{code}: peers and a peer")
    desk.node.mesh("down")
    show_page(desk, "back", "[]")
    window.find("label", said["Network Is Off"])
    check_window(window, said)
    narrow(desk, window, f"off-{code}")
    desk.node.mesh("up")
    lab.ok(f"{code}: a page that says what is wrong")
    desk.activate("Mesh")
    desk.key("ctrl+q")
    assert window.close() == 0


def tray_of(lab, desk, code, said):
    desk.start("mesh-tray", find_program("mesh-tray"), LANGUAGE=code)
    panel = Panel(desk)
    panel.wait_icon("on")
    wait_until(lambda: said["This Device"] in panel.rows(), 20, "the menu of a network that is on")
    left = [row for row in panel.rows() if said.get(row, row) != row]
    assert not left and said["Open Mesh"] in panel.rows(), panel.rows()
    assert panel.title() == said["Mesh: %s"] % (said["connected to %s"] % NETWORK), panel.title()
    panel.close()
    desk.stop("mesh-tray")
    lab.ok(f"{code}: the tray's menu")


def main():
    need_desktop()
    if not all(catalogue(code).exists() for code in codes()):
        print("skipped: missing catalogues, see MESH_BUILD")
        raise SystemExit(77)
    with Lab() as lab:
        a, b = open_seats(lab.node("a"), ann="active"), lab.node("b")
        link = lab.server.setup(NETWORK)
        lab.server.up()
        show_languages(a)
        desk = Desk(a, "ann")
        a.up()
        b.up()
        a.join(link)
        b.join(lab.server.key(NETWORK))
        a.reaches(b.addresses()[4])
        for code in codes():
            said = texts(code)
            command_line(lab, desk, code, said)
            window_of(lab, desk, code, said)
            tray_of(lab, desk, code, said)


main()
