"""mesh-tray, driven as a panel does it: StatusNotifierItem and its menu over D-Bus.

   [a] ann's desktop: mesh-tray, a panel that comes and goes · meshd, polkitd
   [b] meshd: a peer                      [server] mesh.example with the networks home and work"""
import re

from desk import Desk, Lab, find_program, need_desktop, open_seats, wait_until
from panel import Panel
from rest import switches


def state(node, network="home"):
    return node.network(network).state


def waits_for_a_panel(lab, desk):
    """No place for an icon: said once, on the terminal and in a notification, and little memory until there is one."""
    assert desk.notes() == []                           # whoever shows notifications is there
    tray = desk.start("mesh-tray", find_program("mesh-tray"), "--patience", "0")
    wait_until(lambda: "no place for tray icons" in desk.log("mesh-tray"), 20, "the tray says that it has no place")
    note = wait_until(desk.notes, 20, "a notification")[0]
    assert "no place" in note["title"] and "AppIndicator" in note["body"], note
    maps = desk.node.run("cat", f"/proc/{tray.pid}/smaps_rollup").stdout
    dirty_kb = int(re.search(r"Private_Dirty: +(\d+) kB", maps)[1])
    assert dirty_kb < 6000, maps
    lab.ok(f"without a panel the tray says so once and waits with {dirty_kb} KiB of its own")

    again = desk.run(find_program("mesh-tray"), "--patience", "0")
    assert (again.stdout, again.stderr) == ("", "") and desk.runs("mesh-tray"), again
    lab.ok("a second start finds the first and ends well")

    panel = Panel(desk, host=False)
    wait_until(lambda: panel.ask("told") is not None, 20, "the watcher answers")
    assert panel.icon() is None
    panel.ask("host")
    panel.wait_icon("off")
    assert panel.title() == "Mesh: no network joined yet", panel.title()
    assert panel.rows() == ["Open Mesh", "Mesh: no network joined yet", "-", "Quit"], panel.rows()
    assert desk.log("mesh-tray").count("no place") == 1 and not desk.notes()
    lab.ok("a panel comes late and gets the icon; with no network the menu has what there is to do")
    return panel


def a_click_connects(lab, desk, panel, link):
    a = desk.node
    a.join(link)
    panel.wait_icon("on")
    row = panel.wait_row("home", lambda row: row["checked"])
    assert panel.title() == "Mesh: connected to home" and row["kind"] == "checkmark", row
    lab.ok("a network that is joined appears, checked, and the icon says that it is on")

    panel.click("home")
    panel.wait_icon("off")
    panel.wait_row("home", lambda row: not row["checked"] and row["label"] == "home")
    assert state(a) == "down" and "This Device" not in panel.rows(), panel.rows()
    panel.click("home")
    panel.wait_icon("on")
    assert state(a) == "up" and panel.find("home")["checked"]
    lab.ok("a click disconnects, a click connects; icon and check follow meshd")

    panel.ask("middle")
    panel.wait_icon("off")
    assert state(a) == "down"
    panel.ask("middle")
    panel.wait_icon("on")
    lab.ok("so does the middle button on the icon")

    a.mesh("down")
    panel.wait_icon("off")
    a.mesh("up")
    panel.wait_icon("on")
    lab.ok("what others do shows as well")


def a_refusal(lab, desk, panel):
    """The service itself refuses: nothing is shown that is not so, and the reason is told."""
    a = desk.node
    a.mesh("down")
    panel.wait_icon("off")
    a.run("mount", "--bind", "/dev/null", "/dev/net/tun")
    desk.notes()
    panel.click("home")
    note = wait_until(lambda: [note for note in desk.notes() if note.get("title") == "Cannot connect home"], 20, "told why")[0]
    assert note["body"], note
    row = panel.wait_row("home", lambda row: "connecting" not in row["label"])
    assert not row["checked"], row
    a.run("umount", "/dev/net/tun")
    panel.click("home")
    panel.wait_icon("on")
    desk.notes()
    lab.ok("what fails is told with its reason, and can be tried again")


def addresses(lab, desk, panel, peer):
    mine = desk.node.addresses("home")
    wanted = [f"Copy {mine[4]} (home)", f"Copy {mine[6]} (home)"]
    wait_until(lambda: panel.rows("This Device") == wanted, 20, f"rows {wanted}")
    panel.click(f"Copy {mine[6]}")
    wait_until(lambda: desk.clipboard() == mine[6], 20, "our address in the clipboard")
    theirs = peer.addresses("home")[4]
    panel.wait_row(f"b: copy {theirs}")
    panel.click("b: copy")
    wait_until(lambda: desk.clipboard() == theirs, 20, "the peer's address in the clipboard")
    lab.ok("this device's addresses and a peer's are copied")


def open_menu_stays(lab, desk, panel, peer, work_link):
    """While somebody looks at the menu, no row comes to stand for something else, and nothing is rebuilt."""
    panel.ask("tell", event="opened")
    before = panel.rows("Peers")
    panel.ask("told")
    peer.mesh("leave", "home")
    desk.node.wait_until(lambda node: not node.peers("home"), what="the peer is gone")
    desk.node.mesh("down", "home")
    panel.wait_icon("off")
    assert not panel.wait_row("home", lambda row: not row["checked"])["checked"]
    assert panel.rows("Peers") == before, panel.rows("Peers")
    assert panel.ask("told")["layout"] == 0
    lab.ok("in an open menu checks follow, and rows keep what they stand for")
    panel.ask("tell", event="closed")
    wait_until(lambda: "Peers" not in panel.rows(), 20, "the list of peers is gone")
    desk.node.mesh("up", "home")
    panel.wait_icon("on")

    desk.node.join(work_link)
    panel.wait_row("work", lambda row: row["checked"])
    wanted = ["Open Mesh", "Mesh: connected to home, work", "-", "home", "work", "Disconnect All"]
    wait_until(lambda: panel.rows()[:6] == wanted and panel.title() == wanted[1], 20, f"rows {wanted}")
    desk.node.mesh("down", "work")
    panel.wait_row("work", lambda row: not row["checked"])
    panel.ask("middle")
    panel.wait_icon("off")
    assert [state(desk.node, name) for name in ("home", "work")] == ["down", "down"]
    panel.wait_row("Connect All")
    panel.ask("middle")
    panel.wait_icon("on")
    assert [state(desk.node, name) for name in ("home", "work")] == ["up", "down"]
    lab.ok("with two networks the middle button turns off all, and on again those that were on")


def accidents(lab, desk, panel):
    a = desk.node
    panel.close(kill=True)
    a.mesh("down", "home")
    panel = Panel(desk)
    panel.wait_icon("off")
    assert panel.find("home")
    panel.close()
    panel = Panel(desk)
    panel.wait_icon("off")
    panel.click("home")
    panel.wait_icon("on")
    lab.ok("a panel that is killed or starts anew gets the icon again, as things are then")

    a.stop("meshd", kill=True)
    panel.wait_icon("problem")
    assert panel.title() == "Mesh: the Mesh service is not running"
    assert panel.rows() == ["Open Mesh", panel.title(), "-", "Quit"], panel.rows()
    a.up()
    panel.wait_icon("on")
    assert panel.find("home")["checked"]
    lab.ok("meshd killed shows as a problem; when it is back, so is everything else")
    lab.server.stop("mesh-server", kill=True)
    panel.wait_row("home: server unreachable")
    panel.wait_icon("problem")
    lab.server.up()
    panel.wait_icon("on")
    lab.ok("a server that does not answer shows as a problem, until it does")
    return panel


def rest(lab, desk, panel):
    """Nothing happens, so nothing is done: no timer wakes it, nothing is asked."""
    pid = desk.node.processes["ann-mesh-tray"].pid
    def count():
        before = switches(desk.node, pid)
        desk.node.run("sleep", "5") # a count needs a time
        return switches(desk.node, pid) - before
    found = wait_until(lambda: [rate for rate in [count()] if rate <= 5], 60, "at most one context switch a second")
    lab.ok(f"at rest: {found[0]} context switches in 5 s")
    assert panel.icon() == "on"


def login(lab, desk):
    """Start at login: only when it was chosen."""
    tray = find_program("mesh-tray")
    file = f"{desk.home}/.config/autostart/org.meshvpn.Mesh.Tray.desktop"
    def status():
        return desk.run(tray, "--autostart=status").stdout.strip()
    assert status() == "off"
    desk.run(tray, "--autostart=on")
    assert status() == "on"
    entry = desk.run("cat", file).stdout
    assert re.search(r"^Exec=/\S+/bin/mesh-tray$", entry, re.MULTILINE), entry
    assert desk.run("desktop-file-validate", file).stdout == ""
    desk.run("sh", "-c", f"echo Hidden=true >> {file}")
    assert status() == "off"
    desk.run(tray, "--autostart=on")
    assert status() == "on"
    desk.run(tray, "--autostart=off")
    assert status() == "off" and desk.run("test", "-e", file, check=False).returncode != 0
    bad = desk.run(tray, "--autostart=maybe", check=False)
    assert bad.returncode == 1 and "on, off or status" in bad.stderr, bad
    lab.ok("start at login is a file, written and removed on demand, and a desktop may hide it")


def end(lab, desk, panel):
    desk.run("sh", "-c", f"cat > {desk.dir}/services/org.meshvpn.Mesh.service", text=f"""[D-BUS Service]
Name=org.meshvpn.Mesh
Exec=/bin/sh -c "echo $DBUS_STARTER_BUS_TYPE > {desk.home}/opened"
""")
    desk.run("gdbus", "call", "--session", "-d", "org.freedesktop.DBus", "-o", "/", "-m",
             "org.freedesktop.DBus.ReloadConfig")
    panel.click("Open Mesh")
    wait_until(lambda: desk.run("cat", f"{desk.home}/opened", check=False).stdout == "session\n", 20,
               "the window is started")
    lab.ok("Open Mesh starts the window by its bus name")
    panel.click("Quit")
    wait_until(lambda: panel.icon() is None, 20, "the icon is gone")
    assert desk.node.processes["ann-mesh-tray"].wait(timeout=60) == 0
    assert state(desk.node) == "up"
    lab.ok("Quit ends the tray, and nothing else")
    for word in ("CRITICAL", "WARNING"):
        assert word not in desk.log("mesh-tray"), desk.log("mesh-tray")


def main():
    need_desktop("desktop-file-validate")
    with Lab() as lab:
        a, b = open_seats(lab.node("a"), ann="active"), lab.node("b")
        link = lab.server.setup("home")
        lab.server.up()
        lab.server.ctl("network", "create", "work")
        a.up()
        b.up()
        b.join(lab.server.key("home"))
        desk = Desk(a, "ann", wm=False)
        panel = waits_for_a_panel(lab, desk)
        a_click_connects(lab, desk, panel, link)
        a_refusal(lab, desk, panel)
        addresses(lab, desk, panel, b)
        open_menu_stays(lab, desk, panel, b, lab.server.key("work"))
        panel = accidents(lab, desk, panel)
        rest(lab, desk, panel)
        login(lab, desk)
        end(lab, desk, panel)


main()
