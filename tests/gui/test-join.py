"""A network is joined from the window: by a link that is pasted, by a QR code in a picture, and by a click on a link.

   [a] ann's desktop · meshd, polkitd          [server] mesh.example: home, work, club"""
import os
import re
import signal
import subprocess

from desk import Desk, Lab, find_program, need_desktop, open_seats, wait_until

QR_MAKER = find_program("qrpicture")
CHOOSER = "Open a Picture of a QR Code"


def make_picture(desk, name, text):
    """A PNG of a QR code, in the user's home."""
    done = subprocess.run([QR_MAKER], input=text.encode(), capture_output=True, check=True)
    return desk.put_file(name, done.stdout)


def by_paste(lab, desk, window, link):
    window.click("push button", re.compile("Join…$"))
    join = window.find("push button", "Join")
    assert "sensitive" not in join.states, window.tree()
    window.paste(re.compile("^join link: "), text="mesh://nonsense")
    assert "sensitive" not in window.find("push button", "Join").states
    window.paste(re.compile(r"^mesh\.example:443$"), text=f"  {link}\n")
    assert not any(link in node.name for node in window.nodes()), "the link is shown"
    assert window.unnamed() == [], window.unnamed()
    desk.picture("join")
    window.click("push button", "Join")
    window.find("label", "Connected")
    window.find("label", re.compile("^This device is in home as "))
    desk.picture("joined")
    window.click("push button", "Done")
    window.gone("push button", "Done")
    assert desk.node.network("home").state == "up"
    lab.ok("a link is pasted, judged before it is used, and the network is joined with it")


def by_file(lab, desk, window, link):
    """The chooser of files is GTK's own; a path can be typed into it."""
    plain = make_picture(desk, "plain.png", "https://example.org/")
    code = make_picture(desk, "code.png", link)
    window.click("push button", "Join a network")
    for path, then in ((plain, "The QR code in this picture is not a join link."), (code, r"^mesh\.example:443$")):
        window.click("push button", "QR Code…")
        desk.activate(CHOOSER)
        window.wait_for(lambda: window.all("text", "GtkFileChooserEntry") or desk.key("slash"), "a place for the path")
        desk.key("ctrl+a")
        desk.type(path)
        window.wait_for(lambda path=path: window.find("text", "GtkFileChooserEntry").text() == path, "the path")
        desk.key("Return")
        window.find("label", re.compile(then))
        wait_until(lambda: not desk.windows(CHOOSER), 20, "the chooser is gone")
    assert "sensitive" in window.find("push button", "Join").states
    window.find("text", "Name of this device").fill("laptop")
    window.click("push button", "Join")
    window.find("label", re.compile("^This device is in work as laptop"))
    window.click("push button", "Done")
    window.gone("push button", "Done")
    assert desk.node.network("work").node_name == "laptop"
    lab.ok("a QR code in a file is read, another one refused, and the options count")


def by_clipboard(lab, desk, window, link):
    window.click("push button", "Join a network")
    window.paste(re.compile(r"^mesh\.example:443$"), image=make_picture(desk, "clip.png", link))
    window.click("push button", "Join")
    window.find("label", "Waiting for Approval")
    desk.picture("approval")
    lab.server.ctl("node", "approve", "a", "-n", "club")
    window.find("label", re.compile("^This device is in club as a"))
    window.click("push button", "Done")
    window.gone("frame", "Join a Network")
    lab.ok("a QR code is read from the clipboard; the dialog says who must approve, and sees that it was done")


def by_click(lab, desk, window, link):
    """Once as a browser does it where programs are activated by the bus, once where they get an argument."""
    desk.look(op="open", name="org.meshvpn.Mesh", uris=[link])
    window.find("frame", "Join a Network")
    window.find("label", re.compile(r"^mesh\.example:443$"))
    window.click("push button", "Join")
    refused = window.find("label", re.compile("^this host is in that network already"))
    assert link not in refused.name
    desk.picture("refused")
    window.click("push button", "Cancel")
    window.gone("frame", "Join a Network")
    again = desk.start("again", find_program("mesh-gui"), link)
    window.find("frame", "Join a Network")
    assert again.wait(timeout=60) == 0
    window.click("push button", "Cancel")
    window.gone("frame", "Join a Network")
    desk.stop("mesh-gui")
    alone = desk.launch("mesh-gui", link, key="alone")
    alone.find("label", re.compile(r"^mesh\.example:443$"))
    shown = desk.node.run("ps", "-o", "args", "-p", alone.pid).stdout
    assert "mesh-gui" in shown and "k=" not in shown, shown
    limits = desk.node.run("cat", f"/proc/{alone.pid}/limits").stdout
    assert re.search(r"^Max core file size +0 +0 ", limits, re.M), limits
    for log in lab.dir.glob("*.log"):
        assert link not in log.read_text(errors="replace"), f"{log.name} has the link"
    lab.ok("a click on a link opens the dialog with it; refusals are the daemon's words; nothing shows the link")


def gets_keys(desk, window):
    """Waits until the link does. GTK 4.8 tells of every focus but that of such an entry; first Cancel has it."""
    desk.activate("Join a Network")
    window.wait_stays(lambda: "active" in window.find("frame", "Join a Network").states and not window.focused(),
                      "the link has the focus")


def by_more_clicks(lab, desk, window):
    """Links that come while the dialog is not at its beginning: while it joins, and beside what became of it."""
    links = {name: lab.server.key(name) for name in ("guild", "lodge", "work")}
    click = lambda name: desk.look(op="open", name="org.meshvpn.Mesh", uris=[links[name]])
    server = lab.server.processes["mesh-server"].pid
    click("guild")
    window.find("label", re.compile(r"^mesh\.example:443$"))
    gets_keys(desk, window)
    os.kill(server, signal.SIGSTOP)
    desk.key("Return")
    window.find("label", "Joining…")
    click("work")
    window.find("label", re.compile("^Another join link has come"))
    desk.picture("join-busy")
    os.kill(server, signal.SIGCONT)
    window.find("label", re.compile("^This device is in guild as a"))
    window.click("push button", "Done")
    window.find("label", re.compile(r"^mesh\.example:443$"))
    gets_keys(desk, window)
    desk.key("Return")
    window.find("label", re.compile("^this host is in that network already"))
    lab.ok("a link that comes while another is joined waits for its turn")
    click("lodge")
    window.gone("label", re.compile("^this host is in that network already"))
    window.click("push button", "Join")
    window.find("label", re.compile("^This device is in lodge as a"))
    click("work")
    window.find("push button", "Join")
    window.find("label", re.compile(r"^mesh\.example:443$"))
    window.click("push button", "Cancel")
    window.gone("frame", "Join a Network")
    assert window.find("label", "lodge", inside=window.find("list item", re.compile("^lodge")))
    assert not any(link in node.name for link in links.values() for node in window.nodes())
    lab.ok("a link that comes beside a result takes its place")


def main():
    need_desktop()
    with Lab() as lab:
        node = open_seats(lab.node("a"), grant=["join", "leave"], ann="active")
        home = lab.server.setup("home")
        lab.server.up()
        for name in ("work", "guild", "lodge"):
            lab.server.ctl("network", "create", name)
        lab.server.ctl("network", "create", "club", "--approve", "yes")
        node.up()
        desk = Desk(node, "ann")
        window = desk.launch("mesh-gui")
        by_paste(lab, desk, window, home)
        by_file(lab, desk, window, lab.server.key("work"))
        by_clipboard(lab, desk, window, lab.server.key("club"))
        by_more_clicks(lab, desk, window)
        by_click(lab, desk, window, lab.server.key("work"))


main()
