"""The tarball for systems that are not Debian: install.sh puts it in, runs, is repeated, and takes away exactly what it put there.

   test-tarball.py FILE.tar.gz"""
import sys

from root import ALONE, DAEMON, Points, open_root


def main(tarball):
    points = Points()
    with open_root() as root:
        root.copy_in(tarball, "/tmp/mesh.tar.gz")
        root.run("sh", "-c", "cd /tmp && tar -xzf mesh.tar.gz && mv mesh-*/ mesh")
        before = root.changes()

        refused = root.run("setpriv", "--reuid", "65534", "--clear-groups", "/tmp/mesh/install.sh", check=False)
        assert refused.returncode == 1 and "needs root" in refused.stderr, refused
        for wrong in (["--prefix"], ["--prefix", "usr"], ["--prefix", "/opt/a b"], ["--all"], ["--uninstall"]):
            assert root.run("/tmp/mesh/install.sh", *wrong, check=False).returncode == 1, wrong
        assert root.changes() == before
        points.ok("a wrong option or user: said, and nothing is written")

        root.run("/tmp/mesh/install.sh", "--prefix", "/opt/mesh")
        written = set(root.changes()) - set(before)
        assert {"/opt/mesh/bin/meshd", "/etc/systemd/system/meshd.service", "/etc/dbus-1/system.d/org.meshvpn.Mesh1.conf"} <= written
        assert "/opt/mesh/bin/meshd --state-dir" in root.run("cat", "/etc/systemd/system/meshd.service").stdout
        root.run("id", "meshd")
        # None of the system's own copies of the libraries is used.
        used = root.run("ldd", "/opt/mesh/bin/meshd").stdout
        assert "/opt/mesh/bin/../lib/mesh/libsodium" in used and "not found" not in used, used
        assert root.run("/opt/mesh/bin/mesh", "version").stdout == root.run("/tmp/mesh/bin/mesh", "version").stdout
        assert "BEFEHL" in root.run("env", "LC_ALL=C.UTF-8", "LANGUAGE=de", "/opt/mesh/bin/mesh", "help").stdout
        points.ok("programs, libraries, languages, unit, bus, polkit and users are in place")

        root.run(*ALONE, DAEMON, "sh", "/opt/mesh/bin")
        points.ok("the daemon runs from there and answers on the bus")

        root.run("sh", "-c", "rm /tmp/mesh/man/mesh.1; touch /var/lib/mesh/kept; /tmp/mesh/install.sh --prefix /opt/mesh")
        assert not root.exists("/opt/mesh/share/man/man1/mesh.1") and root.exists("/var/lib/mesh/kept")
        points.ok("installed again, what the new one has no more is gone, state is kept")

        root.run("/opt/mesh/lib/mesh/install.sh", "--prefix", "/opt/mesh", "--uninstall")
        left = set(root.changes()) - set(before)
        assert root.exists("/var/lib/mesh/kept"), left
        root.run("/tmp/mesh/install.sh", "--prefix", "/opt/mesh")
        root.run("/opt/mesh/lib/mesh/install.sh", "--prefix", "/opt/mesh", "--purge")
        left = {path for path in set(root.changes()) - set(before) if not path.startswith(("/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow", "/etc/subuid", "/etc/subgid", "/etc/.pwd.lock"))}
        assert not left, left
        points.ok("taken away: state stays until it is purged, then nothing is left")
    points.end()


main(sys.argv[1])
