"""Names where NetworkManager writes resolv.conf: a real one takes our servers for our interface, and gives
all back. meshd is its own user; the real polkitd and the shipped rule let it.

   [a] in home and away, with NetworkManager, its resolv.conf plain, then with dnsmasq
   [nas] in home   [far] in away   [dns] the name server of the internet"""
import os
import sys

from lab import Lab, need, wait_until
from names import ANSWER, POLKITD, Upstream, ask, getent, packed, start_polkit
from space import unpacked

NM = "org.freedesktop.NetworkManager"
# Ours, that it must leave alone.
KEPT = """for device in mesh0 mesh1; do ip -br address show dev $device scope global
ip route show dev $device; ip -6 route show dev $device proto 77; done"""
CONFIG = """
[main]
plugins=keyfile
dns={mode}
rc-manager={manager}
[keyfile]
unmanaged-devices={unmanaged}
[connectivity]
enabled=false
[logging]
level={level}
"""
WAN = """
[connection]
id=wan
uuid=5b1f4b7e-3d3c-4f55-9a43-0e8f3f7d1c11
type=ethernet
interface-name=wan0
[ipv4]
method=manual
address1={host.ip4}/32
route1=203.0.113.1/32
route2=0.0.0.0/0,203.0.113.1
dns={server};
[ipv6]
method=manual
address1={host.ip6}/128
route1=::/0,fe80::1
"""


def root_of(path):
    """Where the package of this file is unpacked, or "" where it is installed; None: neither."""
    found = unpacked(path)
    return found[:-len(path)] if found else None


def programs():
    """The roots of NetworkManager and of dnsmasq, as of root_of(): each may be installed without the other."""
    return root_of("/usr/sbin/NetworkManager"), root_of("/usr/sbin/dnsmasq")


def prepare(a, upstream, root, dnsmasq):
    """A computer that NetworkManager brings up by itself."""
    a.sh(f"""
        mkdir -p /etc/NetworkManager/system-connections /var/lib/NetworkManager
        mount -o remount,ro,bind /sys
        [ -z "{dnsmasq}" ] || mount -t overlay overlay /usr/sbin -o lowerdir={dnsmasq}/usr/sbin:/usr/sbin
        rm -f /etc/resolv.conf; echo '# of before' > /etc/resolv.conf
        ip addr flush dev wan0; ip link set wan0 down""")
    a.run("sh", "-ec", "umask 077; cat > /etc/NetworkManager/system-connections/wan.nmconnection",
          text=WAN.format(host=a, server=upstream.ip4))
    share = f"{root}/usr/share"
    a.bus_up(f"{share}/dbus-1/system.d/{NM}.conf", f"{dnsmasq}/usr/share/dbus-1/system.d/dnsmasq.conf",
             "/usr/share/dbus-1/system.d/org.freedesktop.PolicyKit1.conf")
    start_polkit(a, f"{share}/polkit-1/actions/{NM}.policy")


def start_nm(a, root, mode="default", manager="file", unmanaged=""):
    a.run("sh", "-ec", "cat > /etc/NetworkManager/NetworkManager.conf",
          text=CONFIG.format(mode=mode, manager=manager, unmanaged=unmanaged, level=os.environ.get("NM_LEVEL", "INFO")))
    a.start("nm", f"{root}/usr/sbin/NetworkManager", "--debug",
            LD_LIBRARY_PATH=":".join(f"{place}/usr/lib/x86_64-linux-gnu" for place in programs()))
    wait_until(lambda: a.run("busctl", "get-property", NM, "/org/freedesktop/NetworkManager", NM,
                             "State", check=False).stdout == "u 70\n", 30, "NetworkManager connected")


def restart_nm(a, root, **how):
    assert a.stop("nm") == 0
    start_nm(a, root, **how)


def resolv(a):
    return a.run("cat", "/etc/resolv.conf").stdout


def state(a, network):
    return a.network(network).dns_state


def is_named(a, how="NetworkManager"):
    for network in ("home", "away"):
        a.wait_until(lambda n, name=network: state(n, name) == how, 30, f"{network} by {how}")


def find_all(lab, a, nas, far):
    """What every program of the host should see."""
    home = nas.addresses("home")
    wait_until(lambda: getent(a, "ahostsv4", "nas.home.mesh") == [home[4]], 20, "nas by name")
    assert getent(a, "ahostsv6", "nas.home.mesh") == [home[6]]
    wait_until(lambda: getent(a, "ahostsv4", "far.away.mesh") == [far.addresses("away")[4]], 20, "far")
    for address in home.values():
        assert a.run("getent", "hosts", address).stdout.split()[1:] == ["nas.home.mesh"]
    assert getent(a, "ahostsv4", "nobody.home.mesh") == []
    assert getent(a, "ahostsv4", "www.example") == [ANSWER]
    for node, network in ((nas, "home"), (far, "away")):
        for address in node.addresses(network).values():
            a.reaches(address)
    lab.ok(f"{a.name}: names of both networks and the internet's are found, both networks are reached")


def plain(lab, a, root, others, before):
    """dns=default: an order of servers is all that resolv.conf knows."""
    is_named(a)
    ours = [a.addresses(network)[4] for network in ("home", "away")]
    def servers():
        return [line.split()[1] for line in resolv(a).splitlines() if line.startswith("nameserver")]
    wait_until(lambda: sorted(servers()[:2]) == sorted(ours) and len(servers()) == 3, 60, "both, then the internet's")
    assert "mesh" not in resolv(a), resolv(a)
    for server in ours: # refused at once, so that the C library goes on
        assert ask(a, server, "www.example") == (5, [])
    find_all(lab, a, *others)
    kept = a.sh(KEPT).stdout

    a.mesh("set", "--dns", "off", "home")
    wait_until(lambda: ours[0] not in resolv(a), 10, "home is out")
    assert ours[1] in resolv(a)
    a.mesh("set", "--dns", "off", "away")
    wait_until(lambda: resolv(a) == before, 10, "as before")
    a.mesh("set", "--dns", "on", "home")
    a.mesh("set", "--dns", "on", "away")
    is_named(a)
    find_all(lab, a, *others)
    assert a.sh(KEPT).stdout == kept, (a.sh(KEPT).stdout, kept)
    lab.ok("mesh set --dns off and on: as before, and back; no route or address changes")

    a.mesh("down", "home")
    wait_until(lambda: ours[0] not in resolv(a), 10, "home is out")
    a.mesh("down", "away")
    wait_until(lambda: resolv(a) == before, 10, "as before")
    a.mesh("up", "home")
    a.mesh("up", "away")
    is_named(a)
    lab.ok("mesh down: as before")

    a.stop("meshd", kill=True)
    wait_until(lambda: resolv(a) == before, 10, "as before after SIGKILL")
    a.up()
    is_named(a)
    find_all(lab, a, *others)
    assert a.stop("meshd") == 0
    wait_until(lambda: resolv(a) == before, 10, "as before after a stop")
    lab.ok("SIGKILL and a stop: as before")

    a.up()
    is_named(a)
    restart_nm(a, root)
    wait_until(lambda: all(server in resolv(a) for server in ours), 20, "told again")
    is_named(a)
    find_all(lab, a, *others)
    a.stop("nm", kill=True)
    start_nm(a, root)
    wait_until(lambda: all(server in resolv(a) for server in ours), 20, "told again")
    find_all(lab, a, *others)
    lab.ok("a new NetworkManager, also after SIGKILL, is told again")


def with_dnsmasq(lab, a, root, others, upstream):
    """dns=dnsmasq: it asks us for our zones alone."""
    restart_nm(a, root, mode="dnsmasq")
    is_named(a)
    wait_until(lambda: "nameserver 127.0.0.1" in resolv(a), 20, "dnsmasq serves")
    find_all(lab, a, *others)
    a.mesh("set", "--dns", "off", "home")
    upstream.forgive(a)
    a.mesh("set", "--dns", "on", "home")
    is_named(a)
    find_all(lab, a, *others)
    a.stop("meshd", kill=True)
    upstream.forgive(a)
    a.up()
    is_named(a)
    find_all(lab, a, *others)
    lab.ok("dnsmasq: our zones alone, undone by mesh set --dns off and after SIGKILL")


def refusals(lab, a, root, nas):
    """What it does not do for us is told; its resolv.conf is not ours to write."""
    restart_nm(a, root, unmanaged="interface-name:mesh*")
    a.wait_until(lambda n: state(n, "home") == "error", 40, "the refusal is told")
    warnings = " ".join(a.network("home").warnings)
    assert "NetworkManager" in warnings or "resolv.conf" in warnings, warnings
    assert ask(a, a.addresses("home")[4], "nas.home.mesh") == (0, [packed(nas.addresses("home")[4])])
    restart_nm(a, root)
    is_named(a)
    lab.ok("an interface that NetworkManager must not manage: told, and mended by its next start")


def main():
    need("getent", "busctl")
    root, dnsmasq = programs()
    if None in (root, dnsmasq) or not os.path.exists(POLKITD):
        print("missing: network-manager, dnsmasq-base or polkitd (see ./run deps)", flush=True)
        sys.exit(77)
    with Lab() as lab:
        upstream = Upstream(lab)
        lab.server.setup("home")
        lab.server.up()
        lab.server.ctl("network", "create", "away")
        a, nas, far = (lab.node(name) for name in ("a", "nas", "far"))
        prepare(a, upstream, root, dnsmasq)
        start_nm(a, root)
        before = resolv(a)
        for node, networks in ((nas, ("home",)), (far, ("away",)), (a, ("home", "away"))):
            node.up()
            for network in networks:
                node.join(lab.server.key(network))
        a.wait_until(lambda n: len(n.peers("home")) == 1 and len(n.peers("away")) == 1, 20, "peers")
        plain(lab, a, root, (nas, far), before)
        with_dnsmasq(lab, a, root, (nas, far), upstream)
        restart_nm(a, root)
        refusals(lab, a, root, nas)
        assert upstream.asked() and not upstream.leaked(), upstream.leaked()
        lab.ok("no name of a mesh was asked of the internet")


main()
