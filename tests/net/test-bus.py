"""The D-Bus interfaces as shipped: introspection is the XML, nobody but root may change things where there
is no polkit, bad calls get errors by name, and the name can be owned by meshd alone.

   [a] meshd on a system bus of its own, no network"""
import pathlib
import xml.etree.ElementTree as tree

from lab import AS_MESHD, REPO, Lab, find_program, need

NAME, ROOT = "org.meshvpn.Mesh1", "/org/meshvpn/Mesh1"
DAEMON = NAME + ".Daemon"
NOBODY = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")


def call(node, *arguments, as_user=()):
    return node.run(*as_user, "busctl", "--timeout=90", "call", NAME, *arguments, check=False)


def members(interface):
    """(kind, name, signature) of everything an interface element shows."""
    found = set()
    for item in interface:
        if item.tag == "property":
            found.add(("property", item.get("name"), item.get("type"), item.get("access")))
        elif item.tag in ("method", "signal"):
            shape = "".join(f"{arg.get('direction', 'out')}:{arg.get('type')} "
                            for arg in item.findall("arg"))
            found.add((item.tag, item.get("name"), shape))
    return found


def introspection(lab, node):
    shipped = tree.parse(REPO / f"data/dbus/{DAEMON}.xml").getroot().find("interface")
    said = node.run("gdbus", "introspect", "--system", "--dest", NAME, "--object-path", ROOT,
                    "--xml").stdout
    shown = tree.fromstring(said[said.index("<node"):]).find(f"interface[@name='{DAEMON}']")
    assert members(shown) == members(shipped), members(shown) ^ members(shipped)
    lab.ok("introspection of the daemon is the shipped XML")


def main():
    need("busctl", "gdbus", "setpriv")
    with Lab(server=False) as lab:
        a = lab.node("a")
        a.up()
        status = a.run("cat", f"/proc/{a.processes['meshd'].pid}/status").stdout
        assert "Uid:\t64001\t64001\t64001\t64001" in status, status
        assert "CapEff:\t0000000000001400\n" in status and "NoNewPrivs:\t1" in status, status
        lab.ok("meshd runs as its own user with the two capabilities of its unit and nothing more")
        introspection(lab, a)

        join = (ROOT, DAEMON, "Join", "sa{sv}")
        for text in ("", "nonsense", "mesh://host", "x" * 100000):
            done = call(a, *join, text, "0")
            assert done.returncode != 0, done
            assert "timed out" not in done.stderr and "x" * 600 not in done.stderr, done.stderr
        lab.ok("links that are none are refused")
        done = call(a, *join, "nonsense", "1", "colour", "s", "red")
        assert done.returncode != 0 and "colour" in done.stderr, done.stderr
        lab.ok("an unknown option is refused by name")
        done = call(a, *join, "nonsense", "1", "port", "s", "red")
        assert done.returncode != 0 and "port" in done.stderr, done.stderr
        lab.ok("an option of another type is refused by name")

        done = call(a, *join, "nonsense", "0", as_user=NOBODY)
        assert done.returncode != 0, done
        refused = done.stderr.lower()
        assert any(word in refused for word in ("author", "allow", "denied", "root")), done.stderr
        lab.ok("without polkit an ordinary user may not join")
        done = call(a, ROOT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects",
                    as_user=NOBODY)
        assert done.returncode == 0, done.stderr
        lab.ok("but may look")

        taken = a.run(*NOBODY, "busctl", "call", "org.freedesktop.DBus", "/", "org.freedesktop.DBus",
                      "RequestName", "su", NAME + ".Fake", "0", check=False)
        assert taken.returncode != 0, taken
        mine = a.run(*NOBODY, "busctl", "call", "org.freedesktop.DBus", "/", "org.freedesktop.DBus",
                     "RequestName", "su", NAME, "0", check=False)
        assert mine.returncode != 0, mine
        lab.ok("an ordinary user can own neither the name nor one like it")

        second = a.run(*AS_MESHD, find_program("meshd"), "--state-dir", "/var/lib/mesh", "--runtime-dir",
                       "/run/mesh", check=False)
        assert second.returncode != 0, second
        assert a.runs("meshd")
        lab.ok("a second meshd ends and leaves the first alone")
        assert a.stop("meshd") == 0
        kept = [path for path in a.run("find", "/var/lib/mesh", "-type", "f").stdout.split()
                if "network" in pathlib.Path(path).name]
        assert not kept, kept
        lab.ok("a polite stop ends well")


main()
