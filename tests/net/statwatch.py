"""A program that watches a network's counters; run as: statwatch.py PATH. Reads lines, each a call: "watch PEER MS" (PEER "-": all),
"unwatch"; says "ok" or "error NAME" for it, and a line of JSON for each signal that it gets: time, rx, tx, peers {node: [rx, tx, rtt, handshake]}."""
import json
import sys

from gi.repository import Gio, GLib

NAME, NETWORK = "org.meshvpn.Mesh1", "org.meshvpn.Mesh1.Network"


class Watcher:
    def __init__(self, path):
        self.bus, self.path = Gio.bus_get_sync(Gio.BusType.SYSTEM), path
        self.bus.signal_subscribe(None, NETWORK, "Statistics", None, None, Gio.DBusSignalFlags.NONE, self.on_signal)
        GLib.io_add_watch(sys.stdin.fileno(), GLib.IO_IN | GLib.IO_HUP, self.on_line)

    def on_signal(self, _bus, _sender, path, _interface, _signal, arguments):
        time_us, rx, tx, peers = arguments.unpack()
        print(json.dumps({"path": path, "time": time_us, "rx": rx, "tx": tx,
                          "peers": {node: rest for node, *rest in peers}}), flush=True)

    def on_line(self, *_):
        words = sys.stdin.readline().split()
        if not words:
            sys.exit(0)
        if words[0] == "watch":
            options = {"interval-ms": GLib.Variant("u", int(words[2]))}
            arguments = GLib.Variant("(sa{sv})", ("" if words[1] == "-" else words[1], options))
        else:
            arguments = None
        self.bus.call(NAME, self.path, NETWORK, words[0].capitalize(), arguments, None, 0, 20000, None, self.on_done)
        return True

    def on_done(self, bus, result):
        try:
            bus.call_finish(result)
            print("ok", flush=True)
        except GLib.Error as error:
            print("error", Gio.DBusError.get_remote_error(error), flush=True)


Watcher(sys.argv[1])
GLib.MainLoop().run()
