"""What the daemons can still do, as the system sees the running processes, and how systemd scores their units.

   [a] meshd as its unit starts it          [server] mesh-server the same"""
import contextlib
import pathlib
import shutil
import subprocess

from lab import REPO, SERVICE_USERS, Lab, find_program, need

NET_BIND_SERVICE, NET_ADMIN = 1 << 10, 1 << 12
UNITS = {"meshd.service": 20, "mesh-resolvconf.service": 12, "mesh-server.service": 12}  # exposure at most, × 10


def status(process):
    """Every thread's fields of /proc/PID/task/TID/status."""
    for path in sorted(pathlib.Path(f"/proc/{process.pid}/task").glob("*/status")):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError): # it ended while we looked
            yield dict(line.split(":\t", 1) for line in path.read_text().splitlines() if ":\t" in line)


def held(lab, host, key, capabilities):
    """Each thread of a program has its user, these capabilities at most, and a filter."""
    threads = list(status(host.processes[key]))
    assert threads
    for fields in threads:
        where = (key, fields["Name"])
        assert set(fields["Uid"].split()) == {str(SERVICE_USERS[key])}, (where, fields["Uid"])
        for kind in ("CapPrm", "CapEff", "CapBnd"):
            assert int(fields[kind], 16) == capabilities, (where, kind, fields[kind])
        assert int(fields["CapAmb"], 16) == 0, (where, fields["CapAmb"])
        assert fields["NoNewPrivs"] == "1", where
        assert fields["Seccomp"] == "2", (where, "no filter of system calls")
    lab.ok(f"{key}: its own user, {capabilities:#x} of capabilities, a filter, in {len(threads)} threads")


def exposure(lab):
    """The units as systemd scores them."""
    if shutil.which("systemd-analyze") is None:
        print("# no systemd-analyze here: the units are not scored")
        return
    build = pathlib.Path(find_program("meshd")).parent.parent
    for name, limit in UNITS.items():
        places = [build / "data/systemd" / name, build / "lib/systemd/system" / name]
        unit = next(path for path in places if path.exists())
        done = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--no-pager",
                               f"--threshold={limit}", unit], capture_output=True, text=True,
                              check=False)
        assert done.returncode == 0, done.stdout[-300:] + done.stderr
        lab.ok(f"{name}: {done.stdout.strip().splitlines()[-1].lstrip('→ ')}")


def units_let_us(lab):
    """What our own sandbox calls must not be forbidden by the unit: systemd 252's sets lack it."""
    for name in UNITS:
        text = (REPO / f"data/systemd/{name}.in").read_text()
        for call in ("seccomp", "landlock_create_ruleset", "landlock_add_rule",
                     "landlock_restrict_self"):
            assert any(call in line.split("=", 1)[1].split() for line in text.splitlines()
                       if line.startswith("SystemCallFilter=")), (name, call)
    lab.ok("the units allow what the sandbox itself calls")


def main():
    need("setpriv")
    with Lab() as lab:
        a, b, server = lab.node("a"), lab.node("b"), lab.server
        link = server.setup("home")
        server.up()
        a.options = ("--shards=4",)  # each opens queues and sockets after the rights are gone
        for node, text in ((a, link), (b, None)):
            node.up()
            node.join(text or server.key("home"))
        a.reaches(b.addresses()[4])
        held(lab, a, "meshd", NET_ADMIN | NET_BIND_SERVICE)
        held(lab, server, "mesh-server", 0)

        modes = a.run("stat", "-c", "%U %a", "/var/lib/mesh", "/var/lib/mesh/networks").stdout
        assert modes.split() == ["meshd", "700"] * 2, modes
        modes = a.run("find", "/var/lib/mesh", "-ignore_readdir_race", "-type", "f", "-printf", "%u %m\n").stdout.splitlines()
        assert set(modes) == {"meshd 600"}, modes
        lab.ok("state is readable by its user alone")

        exposure(lab)
        units_let_us(lab)


main()
