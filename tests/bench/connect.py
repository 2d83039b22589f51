#!/usr/bin/env python3
"""How soon a network that is switched on carries packets: tests/bench/connect.py BUILD [ROUNDS (5)]

   [a] ann's desktop · meshd, NetworkManager ══ internet ══ [b] meshd        [server] mesh.example

The time from a click on the window's switch, and from the start of `nmcli connection up`, until the answer to an echo has
come back through the tunnel; an echo is asked for every 20 ms. Peers, server and daemon run; only the network was off."""
import os
import pathlib
import statistics
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
for folder in ("nm", "gui"):
    sys.path.insert(0, str(HERE.parent / folder))
import echo
from desk import Desk, Lab, need_desktop, open_seats, wait_until

from nmlab import NetworkManager, need_nm

SWITCH = "Connect to home"


def measure(node, connect, disconnect):
    """Milliseconds from the start of connect(), which gets what disconnect() found, to the first answer."""
    found = disconnect()
    wait_until(lambda: echo.is_silent(node), 20, "no answers")
    began = time.monotonic()
    connect(found)
    wait_until(lambda: echo.replies(node)[-1] > began, 30, "an answer")
    return 1000 * (next(at for at in echo.replies(node) if at > began) - began)


def show(name, rounds):
    listed = " ".join(f"{value:.0f}" for value in rounds)
    print(f"{name:24} {statistics.median(rounds):7.0f} ms, median of {listed}", flush=True)


def by_click(node, desk, rounds):
    window = desk.launch("mesh-gui")

    def has_state(on):
        switch = window.find("check box", SWITCH)
        return ("checked" in switch.states) == on and node.network().state == ("up" if on else "down")

    def turns_off():
        switch = window.find("check box", SWITCH)
        if "checked" in switch.states:
            switch.click() # while a call is under way this does nothing
        return has_state(False)

    def disconnect():
        wait_until(turns_off, 20, "the switch is off")
        return window.find("check box", SWITCH) # found before: only the click is measured

    show("click in the window", [measure(node, lambda switch: switch.click(), disconnect) for _ in range(rounds)])
    desk.stop("mesh-gui")


def by_nmcli(node, manager, rounds):
    node.mesh("down")
    manager.cli("connection", "add", "type", "vpn", "vpn-type", "mesh", "con-name", "home", "ifname", "*", "vpn.data",
                "network=home")
    manager.cli("connection", "up", "home")
    wait_until(lambda: not echo.is_silent(node), 30, "answers")
    show("nmcli connection up", [measure(node, lambda _: manager.cli("connection", "up", "home"),
                                         lambda: manager.cli("connection", "down", "home")) for _ in range(rounds)])


def main():
    if len(sys.argv) < 2:
        sys.exit("usage: tests/bench/connect.py BUILD [ROUNDS]")
    os.environ["MESH_BUILD"] = str(pathlib.Path(sys.argv[1]).resolve())
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    need_desktop()
    need_nm()
    with Lab() as lab:
        a, b = lab.node("a"), lab.node("b")
        manager = NetworkManager(a, bus=lambda *policies: open_seats(a, *policies, ann="active"))
        echo.between(lab, a, b)
        by_click(a, Desk(a, "ann"), rounds)
        by_nmcli(a, manager, rounds)


main()
