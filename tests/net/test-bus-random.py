"""Every method of meshd's D-Bus interfaces with random arguments, of right and of wrong types: each call
is answered, each refusal is on one line and no longer than a person reads, and meshd goes on.

   [a] meshd, in a network, or not ── mesh-server       MESH_SEED=N repeats a run; MESH_CALLS=N, how many"""
import json
import os
import random
import sys
import xml.etree.ElementTree as tree

from lab import REPO, Lab, need

CALLS = 1500
NAME, ROOT = "org.meshvpn.Mesh1", "/org/meshvpn/Mesh1"
TEXTS = ["", "a", "b", "home", "mesh0", "\n", "%s%n", "../../etc/passwd", "x" * 300, "\u202e", "10.0.0.1:1",
         "[::]:0", "fd00::1", "-", "0" * 16, "mesh://", "\x01\x7f", "é" * 100]
WORDS = ["name", "interface", "ip4", "port", "endpoints", "dns", "temporary", "force", "family",
         "timeout-ms", "colour", "\n", ""]

# Runs on the host: calls by lines of JSON would lose types, so it makes them itself.
CALLER = r"""
import json, random, re, sys
import gi
gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib
seed, calls, link, methods, texts, words, networks = json.load(sys.stdin)
rng = random.Random(seed)
bus = Gio.bus_get_sync(Gio.BusType.SYSTEM, None)
TYPES = ["s", "b", "y", "n", "q", "i", "u", "x", "t", "d", "o", "g", "v", "as", "ay", "av", "a{sv}", "(su)", "aas",
         "a{us}"]

def text():
    if rng.random() < 0.3:
        at = rng.randrange(len(link)); return link[:at] + rng.choice(texts).replace("\0", "") + link[at + rng.randrange(5):]
    return rng.choice(texts)

def make(kind, depth=0):
    if kind == "s": return GLib.Variant("s", text())
    if kind == "b": return GLib.Variant("b", rng.random() < 0.5)
    if kind == "y": return GLib.Variant("y", rng.randrange(256))
    if kind == "n": return GLib.Variant("n", rng.randrange(-2**15, 2**15))
    if kind in "qiuxt" and len(kind) == 1:
        top = {"q": 16, "i": 31, "u": 32, "x": 63, "t": 64}[kind]
        return GLib.Variant(kind, rng.choice((0, 1, 7, 53, 2**top - 1, rng.randrange(2**top))))
    if kind == "d": return GLib.Variant("d", rng.choice((0.0, -1e308, float("inf"))))
    if kind == "o": return GLib.Variant("o", rng.choice(("/", "/org/meshvpn/Mesh1", "/a/b_1")))
    if kind == "g": return GLib.Variant("g", rng.choice(("", "s", "a{sv}")))
    if kind == "v": return GLib.Variant("v", make(rng.choice(TYPES[:12]) if depth > 4 else rng.choice(TYPES), depth + 1))
    if kind == "a{sv}":
        return GLib.Variant("a{sv}", {rng.choice(words) if rng.random() < 0.9 else text():
                                      make(rng.choice(TYPES[:15]), depth + 1) for _ in range(rng.choice((0, 1, 1, 2, 5)))})
    if kind == "as": return GLib.Variant("as", [text() for _ in range(rng.choice((0, 1, 3, 40)))])
    if kind == "ay": return GLib.Variant("ay", [rng.randrange(256) for _ in range(rng.randrange(20))])
    if kind == "av": return GLib.Variant("av", [make("v", depth + 2) for _ in range(rng.randrange(3))])
    if kind == "(su)": return GLib.Variant("(su)", (text(), rng.randrange(2**32)))
    if kind == "aas": return GLib.Variant("aas", [[text()]])
    return GLib.Variant("a{us}", {1: text()})

counts = {}
for number in range(calls):
    interface, method, kinds = rng.choice(methods)
    path = rng.choice(networks) if "Network" in interface else "/org/meshvpn/Mesh1"
    if rng.random() < 0.05: path += rng.choice(("/x", "/network/0000000000000000"))
    kinds = list(kinds) if rng.random() < 0.8 else [rng.choice(TYPES) for _ in range(rng.randrange(4))]
    arguments = GLib.Variant.new_tuple(*[make(kind) for kind in kinds])
    if method == "Leave": # never quite right, or there is no network any more to call
        arguments = GLib.Variant("(a{sv})", ({"force": make("s"), rng.choice(words): make("v")},))
    try:
        bus.call_sync("org.meshvpn.Mesh1", path, interface, method, arguments, None, 0, 90000, None)
        answer = "ok"
    except GLib.Error as error:
        answer = Gio.DBusError.get_remote_error(error) or f"none: {error.message}"
        Gio.DBusError.strip_remote_error(error)
        what = f"call {number}: {method}{arguments.print_(True)[:400]}: {answer}: {error.message[:1000]!r}"
        said = error.message
        taken = answer.endswith(".Failed") and re.search(r"port \d+: Address already in use$", error.message)
        if taken:
            answer = "org.meshvpn.Mesh1.Error.Failed: a port is taken" # by names of a network, on port 53
        elif answer.startswith("none") or answer.endswith((".NoReply", ".ServiceUnknown", ".Failed")):
            sys.exit("no answer: " + what)
        if answer.startswith("org.meshvpn") and (len(said) > 1500 or any(ord(c) < 32 or ord(c) == 127 for c in said)):
            sys.exit("not for people: " + what)
    counts[answer] = counts.get(answer, 0) + 1
print(json.dumps(counts))
"""


def methods():
    """(interface, method, types in) of what the shipped XML names."""
    for name in ("Daemon", "Network"):
        interface = tree.parse(REPO / f"data/dbus/{NAME}.{name}.xml").getroot().find("interface")
        for method in interface.findall("method"):
            yield (interface.get("name"), method.get("name"),
                   [arg.get("type") for arg in method.findall("arg") if arg.get("direction") == "in"])


def main():
    seed = int(os.environ.get("MESH_SEED") or random.randrange(1 << 32))
    calls = int(os.environ.get("MESH_CALLS") or CALLS)
    need()
    print(f"# MESH_SEED={seed} repeats this run", flush=True)
    with Lab() as lab:
        a = lab.node("a")
        link = lab.server.setup("home")
        lab.server.up()
        a.up()
        if a.run("/usr/bin/python3", "-c", "import gi", check=False).returncode != 0:
            print("skipped: missing python3-gi", flush=True)
            sys.exit(77)
        a.join(link)
        network = f"{ROOT}/network/{a.network('home').id}"
        ask = [seed, calls, lab.server.key("home"), list(methods()), TEXTS, WORDS, [network]]
        done = a.run("/usr/bin/python3", "-c", CALLER, text=json.dumps(ask), check=False, limit_s=1500)
        assert done.returncode == 0, done.stderr[-3000:]
        print(f"# {done.stdout.strip()}", flush=True)
        assert a.runs("meshd"), "meshd has ended"
        counts = json.loads(done.stdout)
        refused = sum(n for answer, n in counts.items() if answer.startswith("org.meshvpn"))
        assert refused > calls / 20 and sum(counts.values()) == calls, counts
        lab.ok(f"{calls} random calls are answered, {refused} of them refused by name")
        a.restart()
        for name in list(a.networks()):
            a.mesh("leave", "--force", name, check=False)
        a.mesh("proxy", "auto") # a random one leads nowhere
        a.join(lab.server.key("home"))
        a.wait_until(lambda n: n.network("home").state == "up", 20, "a can join afterwards")
        lab.ok("what they left behind is whole: a restart reads it, the network can be joined")


main()
