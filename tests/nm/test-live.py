"""What happens to a mesh network while NetworkManager has it connected: it was up before, it changes, its parts are
killed, it ends.

   [a] in home and away, with NetworkManager   [b] in home   [c] in away"""
import os
import re
import signal

from nmlab import Lab, NetworkManager, need_nm, wait_until
from names import getent

REKEY_S = 119 # WireGuard's 120, as seen in whole seconds


def shown(a, network="home"):
    found = a.network(network)
    return found.state, found.management


def sessions(a):
    """When the session with b began, and by which socket: another one is another session."""
    peer = a.peer("b", "home")
    return peer.last_handshake, a.network("home").listen_port


def link_lost(a, nm):
    """The connection under it ends, and comes again."""
    nm.down("wan")
    wait_until(lambda: not nm.is_up("my mesh"), 20, "its end")
    nm.up("wan")


def service_lost(a, nm):
    for pid in nm.services():
        os.kill(inside(a, pid), signal.SIGKILL)
    wait_until(lambda: not nm.is_up("my mesh"), 20, "its end")


def manager_lost(a, nm):
    a.stop("nm", kill=True)
    nm.start()


def manager_stopped(a, nm):
    a.stop("nm")
    nm.start()


def deleted(a, nm):
    nm.cli("connection", "delete", "my mesh")
    nm.add("my mesh", "home")


def same_session(before, now):
    """Or the one that follows it by age alone."""
    return now[1] == before[1] and (now[0] == before[0] or now[0] - before[0] >= REKEY_S)


def hand_over(lab, a, b, nm, ends):
    """Up by mesh, then in NetworkManager too, and back by whatever is nobody's wish. ends: function → whether
    NetworkManager is left in order: one that ends leaves its routes, and 1.42 may take no name servers of an interface
    that nobody gave back."""
    theirs = b.addresses("home")
    assert shown(a) == ("up", "meshd"), shown(a)
    wait_until(lambda: len(nm.addresses("mesh0")) == 2, 20, "both families")
    ours = nm.addresses("mesh0")
    wait_until(lambda: "77" in nm.routes("mesh0").values(), 20, "routes of meshd's")
    index = a.run("cat", "/sys/class/net/mesh0/ifindex").stdout
    for end, orderly in ends.items():
        a.reaches(theirs[4])
        before = sessions(a)
        nm.up("my mesh")
        assert shown(a) == ("up", "NetworkManager"), (end, shown(a))
        assert nm.addresses("mesh0") == ours, (end, ours, nm.addresses("mesh0"))
        assert "77" not in nm.routes("mesh0").values(), (end, nm.routes("mesh0"))
        wait_until(lambda: getent(a, "ahostsv4", "b.home.mesh") == [theirs[4]], 20, "b by name")
        a.reaches(theirs[4])
        a.reaches(theirs[6])
        end(a, nm)
        a.wait_until(lambda n: shown(n) == ("up", "meshd"), 20, f"meshd has it again after {end.__name__}")
        wait_until(lambda: nm.addresses("mesh0") == ours and a.sh("ip route show dev mesh0 proto 77").stdout, 20,
                   f"addresses and routes are meshd's after {end.__name__}")
        if orderly:
            wait_until(lambda: set(nm.routes("mesh0").values()) <= {"77", "kernel"}, 20, "no routes but these")
            wait_until(lambda: getent(a, "ahostsv4", "b.home.mesh") == [theirs[4]], 30, f"b by name after {end.__name__}")
        a.reaches(theirs[4])
        if end is not link_lost: # then nobody answers for some time, so that both may begin another
            assert same_session(before, sessions(a)), (end, sessions(a), before)
        assert a.run("cat", "/sys/class/net/mesh0/ifindex").stdout == index, end
    names = ", ".join(end.__name__.replace("_", " ") for end in ends)
    lab.ok(f"up by mesh, connected by NetworkManager and back ({names}): nothing of it began anew")


def switched_off(lab, a, b, nm):
    """nmcli connection down is off, also where mesh up had it up, until somebody switches it on."""
    nm.up("my mesh")
    nm.down("my mesh")
    a.wait_until(lambda n: shown(n) == ("down", "meshd"), 20, "off")
    wait_until(lambda: "mesh0" not in a.sh("ip -br link").stdout, 20, "no interface")
    assert re.search(r"^home .*\bdown\b", a.mesh("status", "home").stdout, re.M), a.mesh("status", "home").stdout
    a.stop("meshd")
    a.up()
    assert shown(a) == ("down", "meshd"), shown(a)
    nm.up("my mesh")
    a.mesh("up", "home")
    assert shown(a) == ("up", "NetworkManager"), shown(a)
    nm.down("my mesh")
    a.wait_until(lambda n: shown(n) == ("down", "meshd"), 20, "off, whoever switched it on last")
    a.mesh("up", "home")
    a.stop("meshd")
    a.up()
    a.wait_until(lambda n: shown(n) == ("up", "meshd"), 20, "on, by mesh up")
    a.reaches(b.addresses("home")[4])
    lab.ok("nmcli connection down: off, after the next start too, until mesh up or NetworkManager has it on")
    kept = f"/var/lib/mesh/networks/{a.network('home').id}"
    nm.up("my mesh")
    a.sh(f"chmod 500 {kept}")
    nm.down("my mesh")
    a.wait_until(lambda n: shown(n) == ("down", "meshd"), 20, "off, though it cannot be kept")
    a.sh(f"chmod 700 {kept}")
    a.mesh("up", "home")
    lab.ok("off, too, where meshd cannot write that down")


def wish_meanwhile(lab, a, b, nm):
    """mesh up and mesh down while NetworkManager has it."""
    a.mesh("down", "home")
    nm.up("my mesh")
    a.mesh("up", "home")
    assert shown(a) == ("up", "NetworkManager"), shown(a)
    service_lost(a, nm)
    a.wait_until(lambda n: shown(n) == ("up", "meshd"), 20, "it stays up")
    a.reaches(b.addresses("home")[4])
    nm.up("my mesh")
    a.mesh("down", "home")
    wait_until(lambda: not nm.is_up("my mesh"), 20, "NetworkManager's connection ended")
    a.wait_until(lambda n: shown(n) == ("down", "meshd"), 20, "off")
    lab.ok("mesh up meanwhile: it stays; mesh down: NetworkManager's connection ends")


def changes(lab, a, b, nm):
    """Another address, then no IPv4."""
    nm.up("my mesh")
    began = nm.log().count("starting mesh")
    ours = a.addresses("home")
    other = ours[4].rsplit(".", 2)[0] + ".77.77"
    lab.server.ctl("node", "set", "--network", "home", "a", "--ip4", other)
    wait_until(lambda: f"{other}/32" in nm.addresses("mesh0"), 20, "the new address")
    wait_until(lambda: f"{ours[4]}/32" not in nm.addresses("mesh0"), 20, "the old address is gone")
    b.reaches(other)
    assert nm.is_up("my mesh") and nm.log().count("starting mesh") == began
    lab.server.ctl("node", "set", "--network", "home", "a", "--ip4", "none")
    wait_until(lambda: not nm.is_up("my mesh"), 20, "its end")
    nm.up("my mesh")
    wait_until(lambda: nm.addresses("mesh0") == [f"{ours[6]}/128"], 20, "IPv6 alone")
    a.reaches(b.addresses("home")[6])
    lab.server.ctl("node", "set", "--network", "home", "a", "--ip4", ours[4])
    wait_until(lambda: not nm.is_up("my mesh"), 20, "its end")
    nm.up("my mesh")
    a.reaches(b.addresses("home")[4])
    wait_until(lambda: getent(a, "ahostsv4", "b.home.mesh") == [b.addresses("home")[4]], 20, "b by name")
    lab.ok("another address without a new connection; no IPv4, and IPv4 again, with one")


def two(lab, a, b, c, nm):
    """Both networks at once, each with its service."""
    a.mesh("down", "away")
    nm.add("other mesh", a.network("away").id)
    nm.up("other mesh")
    wait_until(lambda: len(nm.services()) == 2, 20, "two services; one that ended may take a moment")
    assert nm.is_up("my mesh")
    a.reaches(b.addresses("home")[4])
    a.reaches(c.addresses("away")[4])
    wait_until(lambda: getent(a, "ahostsv4", "c.away.mesh") == [c.addresses("away")[4]], 20, "c by name")
    wait_until(lambda: getent(a, "ahostsv4", "b.home.mesh") == [b.addresses("home")[4]], 20, "b by name")
    nm.add("third", "home")
    refused = nm.up("third", check=False)
    wait_until(lambda: "another connection of NetworkManager has this network" in nm.log(), 10, "the reason")
    assert refused.returncode != 0 and nm.is_up("my mesh"), refused.stdout
    nm.cli("connection", "delete", "third")
    lab.ok("two networks at once, by name and by id; a second connection of one network is refused")


def service_killed(lab, a, b, nm):
    """Without its service NetworkManager takes all away; what was up by mesh is meshd's again."""
    a.mesh("up", "away") # NetworkManager has it; home has it alone
    for pid in nm.services():
        os.kill(inside(a, pid), signal.SIGKILL)
    wait_until(lambda: not nm.is_up("my mesh") and not nm.is_up("other mesh"), 20, "both connections ended")
    a.wait_until(lambda n: shown(n, "home") == ("down", "meshd"), 20, "home is down")
    a.wait_until(lambda n: shown(n, "away") == ("up", "meshd"), 20, "away is meshd's")
    wait_until(lambda: "77" in nm.routes("mesh1").values(), 20, "routes of meshd's")
    wait_until(lambda: "mesh0" not in a.sh("ip -br link").stdout, 20, "no interface")
    nm.up("my mesh")
    a.reaches(b.addresses("home")[4])
    lab.ok("the service killed: what NetworkManager alone had up is down, the other network goes on; and once more")


def inside(a, pid):
    """Processes of the lab have the numbers that we see."""
    assert "nm-mesh-service" in a.run("cat", f"/proc/{pid}/cmdline").stdout
    return pid


def meshd_killed(lab, a, b, nm):
    a.stop("meshd", kill=True)
    wait_until(lambda: not nm.is_up("my mesh"), 20, "NetworkManager's connection ended")
    a.up()
    assert shown(a) == ("down", "meshd"), shown(a)
    nm.up("my mesh")
    a.reaches(b.addresses("home")[4])
    assert a.stop("meshd") == 0
    wait_until(lambda: not nm.is_up("my mesh"), 20, "NetworkManager's connection ended")
    refused = nm.up("my mesh", check=False)
    assert refused.returncode != 0
    a.up()
    nm.up("my mesh")
    a.reaches(b.addresses("home")[4])
    lab.ok("meshd killed, and stopped: NetworkManager's connection ends, and can begin again after meshd")


def removed(lab, a, nm):
    """The server's word ends it, and why is said."""
    lab.server.ctl("node", "remove", "--network", "home", "a")
    wait_until(lambda: not nm.is_up("my mesh"), 20, "NetworkManager's connection ended")
    a.wait_until(lambda n: shown(n)[0] == "removed", 20, "removed")
    refused = nm.up("my mesh", check=False)
    assert refused.returncode != 0, refused.stdout
    wait_until(lambda: "this node was removed from the network" in nm.log(), 10, "the reason in its log")
    lab.ok("removed by the server: NetworkManager's connection ends, another is refused with the reason")


def main():
    need_nm()
    with Lab() as lab:
        lab.server.setup("home")
        lab.server.up()
        lab.server.ctl("network", "create", "away")
        a, b, c = (lab.node(name) for name in "abc")
        nm = NetworkManager(a)
        for node, networks in ((b, ["home"]), (c, ["away"]), (a, ["home", "away"])):
            node.up()
            for network in networks:
                node.join(lab.server.key(network))
        a.wait_until(lambda n: n.peer("b", "home").online and n.peer("c", "away").online, 20, "peers")
        nm.add("my mesh", "home")
        hand_over(lab, a, b, nm, {deleted: True, manager_stopped: False, manager_lost: False, service_lost: False})
        switched_off(lab, a, b, nm)
        hand_over(lab, a, b, nm, {link_lost: True})
        wish_meanwhile(lab, a, b, nm)
        changes(lab, a, b, nm)
        two(lab, a, b, c, nm)
        service_killed(lab, a, b, nm)
        meshd_killed(lab, a, b, nm)
        removed(lab, a, nm)


main()
