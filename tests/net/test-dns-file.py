"""Names by resolv.conf as installed: meshd may not write it, mesh-resolvconf.service does, started by the shipped
path unit in a real systemd (a user manager of root's: no other runs in namespaces), held to the unit's rules.

   [a] in home and away, with nothing but resolv.conf   [nas] in home   [dns] the name server of the internet"""
import os
import pathlib
import sys

from lab import REPO, Lab, find_program, need, wait_until
from names import ANSWER, Upstream, getent, look

SYSTEMD = "/lib/systemd/systemd"
UNITS = "/run/systemd/user"
# A user manager has its state elsewhere, and may not mask those in a container; the rest is as shipped.
DROP_IN = "[Service]\nStateDirectory=\nProtectHome=no\nProtectKernelLogs=no\nProtectKernelTunables=no\n" \
    "ReadWritePaths=/var/lib/mesh-resolvconf\n" \
    "StandardError=append:/run/resolvconf.log\n"
START = """
mount -t cgroup2 cgroup2 /sys/fs/cgroup 2>/dev/null
mkdir -p /run/systemd/system /run/user/0 /var/lib/mesh-resolvconf; chmod 700 /run/user/0
export XDG_RUNTIME_DIR=/run/user/0
exec %s --user --log-target=console
""" % SYSTEMD


def systemctl(host, *words, check=True):
    return host.run("env", "XDG_RUNTIME_DIR=/run/user/0", "systemctl", "--user", *words, check=check)


def install(a):
    build = pathlib.Path(find_program("meshd")).parent.parent
    places = (build / "data/systemd", build / "lib/systemd/system")
    made = next(place for place in places if (place / "mesh-resolvconf.service").exists())
    text = (made / "mesh-resolvconf.service").read_text()
    old = next(line for line in text.splitlines() if line.startswith("ExecStart="))
    words = old.split("=", 1)[1].split()
    words[0] = a.argv(find_program("meshd"))[-1]
    a.run("sh", "-ec", f"mkdir -p {UNITS}/mesh-resolvconf.service.d; cat > {UNITS}/mesh-resolvconf.service",
          text=text.replace(old, "ExecStart=" + " ".join(words)))
    a.run("sh", "-ec", f"cat > {UNITS}/mesh-resolvconf.service.d/user.conf", text=DROP_IN)
    a.run("cp", REPO / "data/systemd/mesh-resolvconf.path", UNITS)


def start_systemd(a):
    a.start("systemd", "sh", "-c", START)
    wait_until(lambda: systemctl(a, "is-system-running", check=False).stdout.strip() in
               ("running", "degraded"), 20, "systemd")
    systemctl(a, "start", "mesh-resolvconf.path")


def up(a):
    """As RuntimeDirectory= makes it: others may look in."""
    a.sh("install -d -o meshd -g meshd -m 755 /run/mesh")
    a.up()
    a.sh("chmod 755 /run/mesh")


def is_named(a):
    for network in ("home", "away"):
        a.wait_until(lambda n, name=network: n.network(name).dns_state == "resolv.conf", 20,
                     f"{network} in resolv.conf")


def resolv(a):
    return a.run("cat", "/etc/resolv.conf").stdout


def runs(lab, a, nas, before):
    is_named(a)
    assert getent(a, "ahostsv4", "nas.home.mesh") == [nas.addresses("home")[4]]
    assert getent(a, "ahostsv4", "www.example") == [ANSWER]
    for network in ("home", "away"):
        assert f"nameserver {a.addresses(network)[4]}\n" in resolv(a), resolv(a)
    lab.ok("meshd wishes, the service writes: names of the mesh and of the internet")

    a.mesh("set", "--dns", "off", "home")
    wait_until(lambda: a.addresses("home")[4] not in resolv(a), 10, "home is out")
    a.mesh("set", "--dns", "off", "away")
    wait_until(lambda: look(a) == before, 10, "as before")
    a.mesh("set", "--dns", "on", "home")
    a.mesh("set", "--dns", "on", "away")
    is_named(a)
    assert a.stop("meshd") == 0
    wait_until(lambda: look(a) == before, 10, "as before")
    lab.ok("mesh set --dns off and a stop: exactly as before")


def killed(lab, a, nas, before):
    up(a)
    is_named(a)
    a.stop("meshd", kill=True)
    a.sh("rm -r /run/mesh")  # as systemd does with a RuntimeDirectory=
    wait_until(lambda: look(a) == before, 10, "as before after SIGKILL")
    up(a)
    is_named(a)
    lab.ok("SIGKILL: exactly as before, and a new start")
    # the power goes: nothing of /run is left, the file and the record are
    a.stop("meshd", kill=True)
    systemctl(a, "stop", "mesh-resolvconf.path")
    wait_until(lambda: systemctl(a, "is-active", "mesh-resolvconf.service", check=False).stdout.strip() in
               ("inactive", "failed"), 60, "nobody writes any more")
    a.sh("rm -r /run/mesh")
    assert "meshd" in resolv(a)
    systemctl(a, "start", "mesh-resolvconf.service")
    assert look(a) == before, look(a)
    systemctl(a, "start", "mesh-resolvconf.path")
    up(a)
    is_named(a)
    assert getent(a, "ahostsv4", "nas.home.mesh") == [nas.addresses("home")[4]]
    lab.ok("a crash of the system: the start before meshd puts it back")


def foreign(lab, a, upstream):
    fresh = f"search corp.example\nnameserver {upstream.ip4}\n"
    a.run("sh", "-c", "cat > /etc/new && mv /etc/new /etc/resolv.conf", text=fresh)
    wait_until(lambda: "meshd" in resolv(a), 20, "ours again")
    assert resolv(a).endswith(fresh)
    is_named(a)
    a.stop("meshd")
    wait_until(lambda: resolv(a) == fresh, 10, "theirs alone")
    lab.ok("what others write meanwhile stays")


def lies(lab, a):
    """A meshd that was taken over."""
    fresh = look(a)
    a.sh("install -d -m 755 /run/mesh")
    for text, why in (("nameserver 203.0.113.9\n", "not this host's"), ("options x\n", "no wish"),
                      ("nameserver 127.0.0.1\n" * 3, "no wish"), ("nameserver 127.0.0.1\n" * 30, "no small"),
                      ("nameserver 127.0.0.1\0", "no text")):
        a.run("sh", "-c", "cat > /run/wish", text=text)
        done = a.run("sh", "-c", "mv /run/wish /run/mesh/resolv.conf; "
                     f"{a.argv(find_program('meshd'))[-1]} --resolvconf --state-dir "
                     "/var/lib/mesh-resolvconf --runtime-dir /run/mesh", check=False)
        assert done.returncode == 1 and why in done.stderr, (text, done.stderr)
        assert look(a) == fresh
    a.sh("rm /run/mesh/resolv.conf; ln -s /etc/passwd /run/mesh/resolv.conf")
    done = a.run(find_program("meshd"), "--resolvconf", "--state-dir", "/var/lib/mesh-resolvconf",
                 "--runtime-dir", "/run/mesh", check=False)
    assert done.returncode == 1 and look(a) == fresh, done.stderr
    a.sh("rm /run/mesh/resolv.conf")
    lab.ok("wishes for other hosts' addresses, too many, too long, links: refused, the file untouched")


def without(lab, a):
    """No systemd, no service: it is told."""
    systemctl(a, "stop", "mesh-resolvconf.path")
    up(a)
    a.wait_until(lambda n: n.network("home").dns_state == "error", 40, "told")
    assert "mesh-resolvconf.service" in " ".join(a.network("home").warnings)
    lab.ok("without the service mesh status says why there are no names")


def main():
    need("getent", "systemctl")
    if not os.path.exists(SYSTEMD):
        print(f"missing: {SYSTEMD}", flush=True)
        sys.exit(77)
    with Lab() as lab:
        upstream = Upstream(lab)
        lab.server.setup("home")
        lab.server.up()
        lab.server.ctl("network", "create", "away")
        a, nas = lab.node("a"), lab.node("nas")
        a.sh(f"rm -f /etc/resolv.conf; printf 'nameserver {upstream.ip4}\\noptions rotate\\n' > /etc/resolv.conf; "
             "chmod 644 /etc/resolv.conf; touch -d '2020-02-02 02:02:02.123456789' /etc/resolv.conf")
        install(a)
        start_systemd(a)
        before = look(a)
        up(a)
        for network in ("home", "away"):
            a.join(lab.server.key(network))
        nas.up()
        nas.join(lab.server.key("home"))
        a.wait_until(lambda n: len(n.peers("home")) == 1, 20, "peers")
        runs(lab, a, nas, before)
        killed(lab, a, nas, before)
        foreign(lab, a, upstream)
        lies(lab, a)
        without(lab, a)
        a.stop("systemd")


main()
