#!/usr/bin/python3
"""What a daemon with many peers says on the system bus, for the window alone: manypeers.py PEERS [BUSY]. It reads the
interfaces that are shipped and answers what the window asks: objects, properties, ListPeers, Up and Down, Watch. With
BUSY, that many peers go on and off four times a second. It prints "ready", and ends with its input."""
import bisect
import pathlib
import sys

from gi.repository import Gio, GLib

V = GLib.Variant
HERE = pathlib.Path(__file__).resolve().parent
NAME, ROOT = "org.meshvpn.Mesh1", "/org/meshvpn/Mesh1"
NETWORK = ROOT + "/network/0011223344556677"
PAGE = 1000
OBJECTS = """<node><interface name="org.freedesktop.DBus.ObjectManager"><method name="GetManagedObjects">
  <arg type="a{oa{sa{sv}}}" direction="out"/></method></interface></node>"""


def read_interface(name):
    path = HERE.parent.parent / f"data/dbus/{NAME}.{name}.xml"
    return Gio.DBusNodeInfo.new_for_xml(path.read_text()).interfaces[0]


def make_peer(number):
    online = number % 3 != 0
    way = ("direct", "relay", "idle", "direct")[number % 4] if online else "none"
    return {
        "name": V("s", f"node-{number:05}"), "node": V("s", f"{number:043}"),
        "addresses": V("as", [f"10.71.{number // 250}.{number % 250 + 1}", f"fd7a:1:2:{number:x}::1"]),
        "online": V("b", online), "path": V("s", way), "relay": V("s", "fra1" if way == "relay" else ""),
        "reason": V("s", "both routers use another port for each destination" if way == "relay" else ""),
        "last-handshake": V("x", 1700000000 if online else 0), "rtt-us": V("t", 1000 + number * 37 % 90000),
        "rx-bytes": V("t", number * 12345), "tx-bytes": V("t", number * 2345), "tags": V("as", []),
        "owner": V("s", ""), "last-seen": V("x", 0)}


class Stage:
    def __init__(self, bus, count, busy):
        self.bus, self.serial, self.state, self.turn = bus, 1, "up", 0
        self.peers = [make_peer(number) for number in range(count)]
        self.names = [peer["name"].unpack() for peer in self.peers]
        self.pages = {}
        network, daemon = read_interface("Network"), read_interface("Daemon")
        objects = Gio.DBusNodeInfo.new_for_xml(OBJECTS).interfaces[0]
        bus.register_object(NETWORK, network, self.on_call, self.on_get, None)
        bus.register_object(ROOT, daemon, self.on_call, self.on_get, None)
        bus.register_object(ROOT, objects, self.on_objects, None, None)
        Gio.bus_own_name_on_connection(bus, NAME, 0, lambda *_: print("ready", flush=True), None)
        if busy:
            GLib.timeout_add(250, self.on_busy, busy)

    def properties(self):
        online = sum(peer["online"].unpack() for peer in self.peers)
        return {"Id": V("s", NETWORK[-16:]), "Name": V("s", "home"), "NodeName": V("s", "this"),
                "State": V("s", self.state), "Server": V("s", "mesh.example:443"),
                "ServerState": V("s", "connected"), "Addresses": V("as", ["10.71.255.1"]),
                "PeersOnline": V("u", online), "PeersTotal": V("u", len(self.peers)),
                "PeersSerial": V("t", self.serial)}

    def on_get(self, _bus, _sender, path, _interface, name):
        if path == ROOT:
            return {"Version": V("s", "0.1.0"), "Proxy": V("s", "auto"), "ApiVersion": V("u", 3),
                    "Features": V("as", ["networks", "statistics"])}.get(name)
        return self.properties().get(name)

    def on_objects(self, *arguments):
        objects = {NETWORK: {NAME + ".Network": self.properties()}}
        arguments[-1].return_value(V("(a{oa{sa{sv}}})", (objects,)))

    def on_call(self, _bus, _sender, _path, _interface, method, arguments, invocation):
        if method == "ListPeers":
            after, limit = arguments.unpack()
            invocation.return_value(self.page(bisect.bisect_right(self.names, after), min(limit or PAGE, PAGE)))
        elif method in ("Up", "Down"):
            self.state = {"Up": "up", "Down": "down"}[method]
            self.bus.emit_signal(None, NETWORK, "org.freedesktop.DBus.Properties", "PropertiesChanged",
                                 V("(sa{sv}as)", (NAME + ".Network", {"State": V("s", self.state)}, [])))
            invocation.return_value(None)
        elif method in ("Watch", "Unwatch"):
            invocation.return_value(None)
        else:
            invocation.return_dbus_error(NAME + ".Error.Failed", f"{method} is not known here")

    def page(self, first, limit):
        """Made once: a real daemon is faster than this one."""
        if (self.serial, first, limit) not in self.pages:
            self.pages[self.serial, first, limit] = V("(tuaa{sv})", (self.serial, len(self.peers),
                                                                     self.peers[first:first + limit]))
        return self.pages[self.serial, first, limit]

    def on_busy(self, count):
        """Some peers, spread over all of them, change sides."""
        step = max(1, len(self.peers) // count)
        changed = self.peers[self.turn % step::step][:256]
        self.turn, self.serial = self.turn + 7, self.serial + 1
        for peer in changed:
            peer["online"] = V("b", not peer["online"].unpack())
        self.bus.emit_signal(None, NETWORK, NAME + ".Network", "PeersChanged",
                             V("(taa{sv}as)", (self.serial, changed, [])))
        return True


def main():
    loop = GLib.MainLoop()
    count, busy = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0
    stage = Stage(Gio.bus_get_sync(Gio.BusType.SYSTEM), count, busy)
    GLib.io_add_watch(0, GLib.IO_HUP, lambda *_: loop.quit())
    loop.run()
    return stage


main()
