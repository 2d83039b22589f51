"""A minute of nothing: window and tray, with a network that is up and a peer that is there, are woken at most once a second
together, and call meshd not at all.

   [a] ann's desktop: mesh-gui, mesh-tray, a panel · meshd, polkitd          [b] meshd          [server] mesh.example"""
import re

from desk import Desk, Lab, find_program, need_desktop, open_seats, wait_until
from panel import Panel
from rest import switches

MINUTE_S = 60


def main():
    need_desktop("dbus-monitor")
    with Lab() as lab:
        a, b = open_seats(lab.node("a"), ann="active"), lab.node("b")
        lab.server.setup("home")
        lab.server.up()
        for node in (a, b):
            node.up()
            node.join(lab.server.key("home"))
        a.reaches(b.addresses()[4])
        a.wait_until(lambda s: s.peer("b").path == "direct")
        desk = Desk(a, "ann")
        panel = Panel(desk)
        desk.start("mesh-tray", find_program("mesh-tray"))
        window = desk.launch("mesh-gui")
        window.find("list item", re.compile("^b, online, direct"))
        panel.wait_icon("on")
        desk.stop("eyes") # who reads it wakes it
        desk.run("gdbus", "call", "--session", "-d", "org.a11y.Bus", "-o", "/org/a11y/bus", "-m",
                 "org.freedesktop.DBus.Properties.Set", "org.a11y.Status", "IsEnabled", "<false>")
        calls = a.start("calls", "dbus-monitor", "--system", "type='method_call',destination='org.meshvpn.Mesh1'")
        pids = {"window": window.pid, "tray": a.processes["ann-mesh-tray"].pid}
        def count():
            before = {name: switches(a, pid) for name, pid in pids.items()}
            asked = a.log("calls").count("member=")
            a.run("sleep", MINUTE_S, limit_s=MINUTE_S + 60)
            return {**{name: switches(a, pid) - before[name] for name, pid in pids.items()},
                    "calls": a.log("calls").count("member=") - asked}
        rates = []
        def is_quiet():
            rates.append(count())
            return rates[-1]["window"] + rates[-1]["tray"] <= MINUTE_S and rates[-1]["calls"] == 0
        wait_until(is_quiet, 4 * MINUTE_S, "a quiet minute")
        print("# minutes:", *rates)
        assert calls.poll() is None
        lab.ok(f"context switches in {MINUTE_S} s, and calls of meshd: {rates[-1]}")
        for name, pid in pids.items():
            maps = a.run("cat", f"/proc/{pid}/smaps_rollup").stdout
            size = {key: int(re.search(rf"^{key}: +(\d+)", maps, re.MULTILINE)[1]) // 1024 for key in ("Rss", "Pss", "Private_Dirty")}
            print(f"# {name}: MiB {size}")


main()
