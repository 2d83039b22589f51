"""The page of a peer: addresses to copy, ping and traffic as they happen, path, history, reasons; and what a user sees of it
who may not look at everything.

   [a] desktops of ann and bob · meshd, polkitd          [b] meshd          [server] mesh.example"""
import re

from desk import Desk, Lab, need_desktop, open_seats, wait_until

from authority import Agent # after desk, which says where it is


def open_page(desk):
    window = desk.launch("mesh-gui")
    desk.resize("Mesh", "1000", "1380")
    window.mouse("Mesh", "list item", re.compile("^b, online"), lambda: window.all("label", "Device"))
    return window


def value(window, title):
    """What stands below a row's title; a LookupError, which a wait outlasts, while it is not there."""
    row = window.all("list item", title)[0]
    return [node.name for node in window.all("label", inside=row) if node.name != title][0]


def copies(lab, desk, window):
    b = lab.hosts_by_name["b"]
    wanted = {"IPv4 address": b.addresses()[4], "IPv6 address": b.addresses()[6], "Name": "b.home.mesh"}
    for title, text in wanted.items():
        window.wait_for(lambda title=title, text=text: value(window, title) == text, f"{title} is {text}")
        row = window.find("list item", title)
        window.click("push button", re.compile("^Copy "), inside=row)
        wait_until(lambda text=text: desk.clipboard() == text, 20, f"{text} in the clipboard")
    for title in ("Node key", "WireGuard key"):
        window.wait_for(lambda title=title: len(value(window, title)) >= 43, f"a {title}")
    assert value(window, "WireGuard key") == b.network().public_key
    lab.ok("both addresses and the name are copied, and the keys are there")


def echoes(lab, desk, window):
    window.click("push button", "Start Ping")
    summary = window.find("label", re.compile(r"^([3-9]|\d\d+) answers of \d+\nlast [0-9.]+ ms"))
    chart = "Round trips of the last minute"
    window.wait_for(lambda: " answers of " in window.find("image", chart).description, "a chart that says the same")
    desk.picture("peer")
    b = lab.hosts_by_name["b"]
    b.mesh("down")
    window.find("label", re.compile(r"^\d+ answers of \d+\n(?!last)"))
    assert summary
    b.mesh("up")
    window.find("label", re.compile(r"^\d+ answers of \d+\nlast"))
    window.click("push button", "Stop Ping")
    window.find("push button", "Start Ping")
    lab.ok("echoes are counted and drawn, and so is that one stays out")


def traffic(lab, desk, window):
    node = desk.node
    node.ping(lab.hosts_by_name["b"].addresses()[4], count=20)
    window.find("label", re.compile(r"^Receiving .*/s, [0-9.]+\xa0kB in all\n"))
    chart = "Traffic of the last minute"
    window.wait_for(lambda: window.find("image", chart).description.startswith("Receiving "), "a chart that says the same")
    lab.ok("traffic is drawn while it flows")


def path(lab, window):
    window.wait_for(lambda: value(window, "Reached") == "direct", "a direct way, which it was without for a while")
    window.find("label", re.compile(r"^\d+ changes?$"))
    window.find("list item", "History")
    page = window.find("filler", "GuiPagePeer")
    assert window.unnamed(page) == [], window.unnamed(page)
    lab.ok("the path, and those before it")


def changes(lab, window):
    for before, after in (("b", "bee"), ("bee", "b")):
        lab.server.ctl("node", "rename", "--network", "home", before, after)
        window.wait_for(lambda after=after: value(window, "Name") == f"{after}.home.mesh", f"the name {after}")
    lab.ok("the page follows what becomes of the peer")


def leaves(lab, window):
    window.click("push button", "Back")
    window.gone("filler", "GuiPagePeer")
    window.find("list item", re.compile("^b, online"))
    lab.ok("the way back leads to the peers, and nothing of the page stays")


def hurries(lab, desk, window):
    """A page is opened while the one before is still sliding out."""
    window_path = "/org/meshvpn/Mesh/window/1"
    call = f"gdbus call --session --dest org.meshvpn.Mesh --object-path {window_path} --method org.gtk.Actions.Activate"
    desk.run("sh", "-ec", f"""for turn in 1 2 3 4 5 6 7 8; do
        {call} show-peer "[<'b'>]" {{}}; {call} back [] {{}}
    done; {call} show-peer "[<'b'>]" {{}}""")
    window.find("label", "Device")
    wait_until(lambda: len(window.all("filler", "GuiPagePeer")) == 1, 20, "one page of the peer")
    window.click("push button", "Back")
    window.gone("filler", "GuiPagePeer")
    lab.ok("pages that are opened while others slide out")


def without_rights(lab, desk):
    window = open_page(desk)
    window.find("push button", "Show Details…")
    assert not window.all("list item", "WireGuard key")
    window.click("push button", "Start Ping")
    window.find("label", re.compile("not allowed|not authori", re.IGNORECASE))
    window.find("push button", "Start Ping")
    desk.picture("peer-refused")
    lab.ok("who may not look is told so")
    return window


def asks_once(lab, desk, window):
    """A stand-in for the dialog of an administrator's password counts how often it is asked."""
    agent = Agent(desk.node)
    agent.stand_by(window, "deny")
    window.click("push button", "Back")
    window.gone("filler", "GuiPagePeer")
    window.mouse("Mesh", "list item", re.compile("^b, online"), lambda: window.all("filler", "GuiPagePeer"))
    window.click("push button", "Show Details…")
    wait_until(lambda: agent.prompts(), 20, "a dialog")
    agent.stand_by(window, "approve")
    window.click("push button", "Show Details…")
    window.find("list item", "WireGuard key")
    window.find("list item", "History")
    window.gone("push button", "Show Details…")
    assert [verb for verb, _ in agent.prompts()] == ["inspect", "inspect"], agent.prompts()
    lab.ok("a page that opens asks for no password; Show Details does once, and no more after a refusal")


def main():
    need_desktop()
    with Lab() as lab:
        a = open_seats(lab.node("a"), ann="active")
        b = lab.node("b")
        lab.hosts_by_name = {"a": a, "b": b}
        lab.server.setup("home")
        lab.server.up()
        for node in (a, b):
            node.up()
            node.join(lab.server.key("home"))
        a.reaches(b.addresses()[4])
        a.wait_until(lambda s: s.peer("b").path == "direct")
        desk = Desk(a, "ann", size="1000x1400")
        window = open_page(desk)
        copies(lab, desk, window)
        echoes(lab, desk, window)
        traffic(lab, desk, window)
        path(lab, window)
        changes(lab, window)
        leaves(lab, window)
        hurries(lab, desk, window)
        bob = Desk(a, "bob", size="1000x1400")
        asks_once(lab, bob, without_rights(lab, bob))


main()
