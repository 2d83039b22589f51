"""A laptop wakes up: meshd doubts its conversation with the server at once, on logind's word alone.

   [a] ══ internet ══ [server] mesh.example"""
import subprocess
import sys

from lab import Lab, wait_until
from space import SKIP

POLICY = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><policy user="root"><allow own="org.freedesktop.login1"/></policy></busconfig>
"""
# Argument: a name to own, or "-"; says PrepareForSleep true, then false.
EMIT = """
import sys
from gi.repository import Gio, GLib
bus = Gio.bus_get_sync(Gio.BusType.SYSTEM)
if sys.argv[1] != "-":
    bus.call_sync("org.freedesktop.DBus", "/", "org.freedesktop.DBus", "RequestName",
                  GLib.Variant("(su)", (sys.argv[1], 4)), None, 0, -1, None)
for begins in (True, False):
    bus.emit_signal(None, "/org/freedesktop/login1", "org.freedesktop.login1.Manager",
                    "PrepareForSleep", GLib.Variant("(b)", (begins,)))
bus.flush_sync()
"""


def find_python():
    for python in (sys.executable, "/usr/bin/python3"):
        if subprocess.run([python, "-c", "import gi"], capture_output=True,
                          check=False).returncode == 0:
            return python
    print("skipped: missing python3-gi")
    sys.exit(SKIP)


def ports(node):
    """Our ends of the connections to the server."""
    rows = node.run("ss", "-Htn", "state", "established", "dport", "=", ":443").stdout.splitlines()
    return {row.split()[2].rsplit(":", 1)[1] for row in rows}


def is_anew(node, before):
    """Whether it talks to the server, and the connections of before are closed: one more proves nothing."""
    now = ports(node)
    return now and not now & before


def main():
    python = find_python()
    with Lab() as lab:
        a, server = lab.node("a"), lab.server
        link = server.setup("home")
        server.up()
        policy = lab.dir / "login1.conf"
        policy.write_text(POLICY)
        a.bus_up(policy)
        a.up()
        a.join(link)
        a.wait_until(lambda n: n.network().server_state == "connected")
        wait_until(lambda: len(ports(a)) == 1, 60, "the stream alone: the others end when nothing is asked")
        before = ports(a)

        a.run(python, "-c", EMIT, "-")
        a.mesh("status") # an answer of the main loop: the signal before it has been dealt with
        assert "woke up" not in a.log("meshd") and before <= ports(a)
        lab.ok("somebody else's word that we slept is not believed")

        old = ",".join(before) # a NAT or firewall has forgotten this flow: nothing of it is answered
        lab.wan.run("nft", "-f", "-", text=f"""table inet sleep {{ chain forgotten {{
            type filter hook forward priority 0
            tcp sport {{ {old} }} drop
            tcp dport {{ {old} }} drop
        }}
        }}""")
        a.run(python, "-c", EMIT, "org.freedesktop.login1")
        wait_until(lambda: "woke up after" in a.log("meshd"), 5, "the news")
        a.wait_until(lambda n: n.network().server_state == "connected" and is_anew(n, before), 10, "a new conversation")
        lab.ok("on logind's word the conversation is made anew")


main()
