"""The Debian packages: installing, upgrading, removing and purging leave nothing broken and nothing behind.

   test-debs.py FOLDER-OF-PACKAGES"""
import glob
import pathlib
import sys

from root import ALONE, DAEMON, Points, open_root

PACKAGES = ["mesh-cli", "mesh-common", "mesh-gui", "mesh-server", "mesh-wg", "meshd", "network-manager-mesh",
            "network-manager-mesh-gnome"]
# What dpkg and the system's own tools write when anything is installed.
NOT_OURS = ("/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow", "/etc/subuid", "/etc/subgid", "/etc/.pwd.lock",
            "/etc/ld.so.cache", "/usr/share/icons/hicolor/icon-theme.cache", "/usr/share/applications/mimeinfo.cache",
            "/usr/share/glib-2.0/schemas/gschemas.compiled", "/etc/systemd", "/var/lib/systemd")


def newer(root, deb):
    """The same package with a higher version."""
    name = pathlib.Path(deb).name.replace("_0.1.0_", "_9.0.0_")
    root.run("sh", "-ec", f"""rm -rf /tmp/re; dpkg-deb -R {deb} /tmp/re
        sed -i 's/^Version: .*/Version: 9.0.0/; s/(= [^)]*)/(= 9.0.0)/g' /tmp/re/DEBIAN/control
        mkdir -p /tmp/new; dpkg-deb --root-owner-group -b /tmp/re /tmp/new/{name}""")


def main(folder):
    points = Points()
    debs = {pathlib.Path(path).name.split("_")[0]: path for path in glob.glob(f"{folder}/*.deb") if "-dbgsym_" not in path}
    assert sorted(debs) == PACKAGES, sorted(debs)
    with open_root() as root:
        for path in debs.values():
            root.copy_in(path, f"/tmp/debs/{pathlib.Path(path).name}")
        depends = root.run("sh", "-c", "apt-get install -y -q --no-install-recommends network-manager default-dbus-system-bus", check=False)
        if depends.returncode != 0:
            print("missing: network-manager, or where to have it from:", depends.stderr.strip().splitlines()[-1:])
            sys.exit(77)
        before = set(root.changes())

        root.run("sh", "-c", "dpkg -i /tmp/debs/*.deb")
        assert not root.run("dpkg", "--audit").stdout
        for user in ("meshd", "mesh-server"):
            root.run("id", user)
        for page in ("meshd", "mesh", "mesh-server", "mesh-wg", "mesh-gui", "mesh-tray"):
            root.run("man", "-w", page)
        # The daemon begins at boot; the server waits for its setup.
        wants = root.run("sh", "-c", "find /etc/systemd/system -name '*mesh*'").stdout
        assert "multi-user.target.wants/meshd.service" in wants and "mesh-server" not in wants, wants
        root.run(*ALONE, DAEMON, "sh", "/usr/bin")
        points.ok("installed: users, pages, units, and a daemon that answers on the bus")

        root.run("sh", "-c", """touch /var/lib/mesh/kept; mkdir -p /etc/mesh-server /var/lib/mesh-server
            echo '# mine' >/etc/mesh-server/mesh-server.conf; touch /var/lib/mesh-server/kept""")
        for path in debs.values():
            newer(root, f"/tmp/debs/{pathlib.Path(path).name}")
        root.run("sh", "-c", "dpkg -i /tmp/new/*.deb")
        assert root.exists("/var/lib/mesh/kept") and root.run("cat", "/etc/mesh-server/mesh-server.conf").stdout == "# mine\n"
        assert "9.0.0" in root.run("dpkg-query", "-W", "meshd").stdout
        points.ok("upgraded: state and configuration are as they were")

        root.run("dpkg", "-r", *PACKAGES)
        assert root.exists("/var/lib/mesh/kept") and root.exists("/etc/mesh-server/mesh-server.conf")
        assert not root.exists("/usr/bin/meshd")
        root.run("dpkg", "-i", *[f"/tmp/debs/{pathlib.Path(path).name}" for path in debs.values()])
        points.ok("removed, state stays; installed again")

        root.run("dpkg", "-P", *PACKAGES)
        left = {path for path in set(root.changes()) - before if not path.startswith(NOT_OURS)}
        units = root.run("sh", "-c", "find /etc/systemd /var/lib/systemd -name '*mesh*'").stdout
        assert not left and not units, (left, units)
        points.ok("purged: nothing is left")
    points.end()


main(sys.argv[1])
