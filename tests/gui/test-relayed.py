"""A peer that only a relay reaches: the list says so and why, its page says what would help; in each language of po/.

   [a] ann's desktop ─ symmetric NAT ══ wan ══ symmetric NAT ─ [b]          [server] mesh.example, with its relay"""
import re

from desk import Desk, Lab, find_program, need_desktop, open_seats, wait_until
from languages import codes, show_languages, texts

WHY = "both ends are behind NATs that use another port for each destination"
REASON = "no direct way was found"
REMEDY = "a UDP port that a router forwards"


def below(window, title):
    """What stands below a row's title; "" while there is no such row."""
    rows = window.all("list item", title)
    return " ".join(node.name for node in window.all("label", inside=rows[0]) if node.name != title) if rows else ""


def find_text(said, words):
    """The translation of the one text that begins so."""
    return next(said[text] for text in said if text.startswith(words))


def translated(lab, desk, code, said):
    why, remedy = find_text(said, WHY), find_text(said, REMEDY)
    relayed = said["by relay %s: %s"] % ("server", why)
    searched = said["%s; another search is under way"] % relayed # perhaps just now
    wanted = {f"b: {reached}; {remedy}" for reached in (relayed, searched)}
    wait_until(lambda: desk.run(find_program("mesh"), "why", "b", LANGUAGE=code).stdout.splitlines()[0] in wanted, 60,
               f"mesh why says one of {wanted}")
    wait_until(lambda: said[REASON] in desk.run(find_program("mesh"), "peers", LANGUAGE=code).stdout, 60,
               "mesh peers says why") # between two searches
    window = desk.launch("mesh-gui", key=f"gui-{code}", LANGUAGE=code)
    desk.resize("Mesh", "1000", "1380")
    row = re.compile("^b, ")
    window.wait_for(lambda: [node for node in window.all("list item", row) if said[REASON] in node.description],
                    "the list says why it is a relay")
    window.mouse("Mesh", "list item", row, lambda: window.all("filler", "GuiPagePeer"))
    window.wait_for(lambda: why in below(window, said["Why not directly"]), "the page says why")
    window.wait_for(lambda: remedy == below(window, said["What would help"]), "the page says what would help")
    desk.picture(f"peer-relayed-{code}")
    desk.stop(f"gui-{code}")
    lab.ok(f"{code}: list, page and mesh why say so in words of the language")


def main():
    need_desktop()
    with Lab() as lab:
        lab.server.setup("home")
        lab.server.up()
        a, b = (lab.node(name, behind=lab.nat(f"r{name}", kind="symmetric", v6=False)) for name in "ab")
        open_seats(a, ann="active")
        for node in (a, b):
            node.up()
            node.join(lab.server.key("home"))
            node.mesh("set", "--hard-nat=off")
        a.reaches(b.addresses()[4])
        desk = Desk(a, "ann", size="1000x1400")
        window = desk.launch("mesh-gui")
        desk.resize("Mesh", "1000", "1380")
        row = re.compile("^b, online, by relay server")
        window.wait_for(lambda: [node for node in window.all("list item", row) if REASON in node.description],
                        "the list says why it is a relay")
        assert a.peer("b").path == "relay"
        lab.ok("the list says that a relay is used, and why")
        window.mouse("Mesh", "list item", row, lambda: window.all("filler", "GuiPagePeer"))
        window.wait_for(lambda: below(window, "Reached").startswith("by relay server"), "the page says that it is a relay")
        window.wait_for(lambda: WHY in below(window, "Why not directly"), "the page says why")
        window.wait_for(lambda: REMEDY in below(window, "What would help"), "the page says what would help")
        desk.picture("peer-relayed")
        lab.ok("the page says why, and what would help")
        desk.stop("mesh-gui")
        show_languages(a)
        for code in codes():
            translated(lab, desk, code, texts(code))


main()
