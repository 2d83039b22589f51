"""What is wrong with a network, in the window: its words, and the button that mends it, each brought about for real.

   [a] ann's desktop · meshd, polkitd     [b] meshd, so that there is a peer     [server] mesh.example"""
import json
import re

from desk import Desk, Lab, need_desktop, open_seats, wait_until

from clockshim import Clocks # after desk, which says where it is


def says(window, title, text):
    """The title of what is wrong, and its words: a label each, or both in the description of a page."""
    window.find("label", title)
    window.find("label", re.compile(text))
    assert window.unnamed() == [], window.unnamed()


def approval(lab, desk, window, link):
    node, server = desk.node, lab.server
    node.join(link)
    node.mesh("set", "--dns=off") # nobody here lets meshd set names, which is another trouble
    says(window, "Waiting for Approval", "has to approve this device")
    window.find("label", "Waits for approval")
    window.click("push button", "Copy Name and Key")
    wait_until(lambda: desk.clipboard() == f"a {node.network().node_key}", 20, "name and key in the clipboard")
    server.ctl("node", "approve", "--network", "home", "a")
    window.gone("label", "Waiting for Approval")
    window.find("list item", re.compile("^b, online"))
    lab.ok("waiting for approval: what the administrator has to know is copied, and the peers come once it is given")


def clock_wrong(lab, desk, window, clocks):
    clocks.jump(wall_s=7200)
    says(window, "The Clock Is Wrong", "differ from the server's")
    window.click("push button", "Copy Command")
    wait_until(lambda: desk.clipboard() == "sudo timedatectl set-ntp true", 20, "the command in the clipboard")
    clocks.jump()
    window.gone("label", "The Clock Is Wrong")
    lab.ok("clock wrong: the command that sets it is copied, and the words go once it is right")


def state_torn(lab, desk, window, clocks):
    """The network cannot start with what is on disk; the file is put back, as from a backup."""
    node = desk.node
    home = f"/var/lib/mesh/networks/{node.network().id}"
    node.stop("meshd")
    node.sh(f"cp {home}/profile /var/lib/kept; echo torn > {home}/profile; echo torn > {home}/profile.prev")
    node.up(**clocks.env())
    says(window, "Saved State Is Damaged", "profile is damaged")
    desk.picture("problem-state")
    node.sh(f"cat /var/lib/kept > {home}/profile")
    window.click("push button", "Repair")
    window.find("list item", re.compile("^b, online"))
    node.wait_until(lambda a: a.network().state == "up", what="up")
    lab.ok("saved state is damaged: the page names the file; once it is back, Repair brings the network up")


def no_device(lab, desk, window, clocks):
    node = desk.node
    node.stop("meshd")
    node.sh("mount -t tmpfs none /dev/net; mknod -m 666 /dev/net/tun c 10 200")
    node.up(**clocks.env())
    window.find("list item", re.compile("^b, online"))
    node.mesh("down")
    node.sh("mv /dev/net/tun /dev/net/away")
    node.mesh("up", check=False)
    says(window, "No Tunnel Device", "no TUN devices")
    window.click("push button", "Copy Command")
    wait_until(lambda: desk.clipboard() == "sudo modprobe tun && sudo systemctl restart meshd", 20,
               "the command in the clipboard")
    desk.picture("problem-tun")
    window.click("push button", "Try Again")
    window.click("push button", "Try Again") # it can be used again: that did not help
    says(window, "No Tunnel Device", "no TUN devices")
    node.sh("mv /dev/net/away /dev/net/tun")
    window.click("push button", "Try Again")
    window.find("list item", re.compile("^b, online"))
    lab.ok("no tunnel device: the command for it is copied, and Try Again connects once it is there")


def removed(lab, desk, window):
    node = desk.node
    lab.server.ctl("node", "remove", "--network", "home", "a")
    says(window, "Removed From the Network", "administrator removed this device")
    window.wait_for(lambda: "sensitive" not in window.find("check box", "Connect to home").states, "a switch out of use")
    window.click("push button", "Leave Network…")
    window.find("label", "Leave “home”?")
    window.click("push button", "Cancel")
    window.gone("label", "Leave “home”?")
    assert node.networks(), "cancelled, and left all the same"
    window.click("push button", "Leave Network…")
    window.click("push button", "Leave")
    window.find("label", "Welcome to Mesh")
    wait_until(lambda: not json.loads(node.mesh("networks", "--json").stdout)["networks"], 20, "no network is left")
    lab.ok("removed by the server: Leave asks first, then nothing of the network is left")


def server_away(lab, desk, window):
    lab.server.ctl("network", "set", "home", "--approve", "no")
    desk.node.join(lab.server.key("home"))
    desk.node.mesh("set", "--dns=off")
    window.find("list item", re.compile("^b, online"))
    lab.server.stop("mesh-server")
    says(window, "Server Not Reachable", "Peers that are known stay reachable")
    window.find("list item", re.compile("^b, online"))
    window.click("push button", "Check Connection")
    heading = window.find("label", "Connection of This Computer")
    desk.picture("problem-check")
    window.click("push button", "Close", inside=list(heading.above())[-2]) # the application is above all
    window.gone("label", "Connection of This Computer")
    lab.ok("server not reachable: told over the peers, which stay, and the connection is checked")


def impostor(lab, desk, window):
    """Another server took over the name and the address of the one that is away."""
    server = lab.server
    server.sh("rm -rf /var/lib/mesh-server* /run/mesh-server")
    link = server.setup("home")
    server.up()
    says(window, "Not the Server of the Invitation", "has another key")
    assert desk.node.network().state == "up", "a stranger took the network down"
    desk.picture("problem-pin")
    window.click("push button", "Join Again…")
    window.paste(re.compile(r"^mesh\.example:443$"), text=link)
    lab.ok("another server at the same address: the network goes on, and the button asks for a new link")


def main():
    need_desktop("cc")
    with Lab() as lab:
        a, b = open_seats(lab.node("a"), grant=["leave", "repair"], ann="active"), lab.node("b")
        clocks = Clocks(a)
        link = lab.server.setup("home")
        lab.server.up()
        a.up(**clocks.env())
        b.up()
        b.join(link)
        desk = Desk(a, "ann")
        window = desk.launch("mesh-gui")
        lab.server.ctl("network", "set", "home", "--approve", "yes")
        approval(lab, desk, window, lab.server.key("home"))
        clock_wrong(lab, desk, window, clocks)
        state_torn(lab, desk, window, clocks)
        no_device(lab, desk, window, clocks)
        removed(lab, desk, window)
        server_away(lab, desk, window)
        impostor(lab, desk, window)
        desk.stop("mesh-gui")


main()
