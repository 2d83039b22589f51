"""A panel without a screen, told by panel.py: the session's StatusNotifierWatcher and a host of it, in the desktop user's
name. Reads a JSON object a line, {"op": …}, and answers each with one: {"ok": …}, or {"error": text}.

items   the tray items that have registered and still live
show    the properties of the only item
menu    its rows, as the panel would draw them: id, parent, label, kind, enabled, checked; hidden ones are left out
click   sends "clicked" to the row "id" · tell: another event ("opened", "closed") to it
middle  clicks the icon with the middle button
told    how often the menu's layout and the properties of rows changed since the last time"""
import json
import sys

from gi.repository import Gio, GLib

NAME, PATH = "org.kde.StatusNotifierWatcher", "/StatusNotifierWatcher"
ITEM, MENU = "org.kde.StatusNotifierItem", "com.canonical.dbusmenu"
LIMIT_MS = 50000
XML = """<node><interface name="org.kde.StatusNotifierWatcher">
  <method name="RegisterStatusNotifierItem"><arg type="s" direction="in"/></method>
  <method name="RegisterStatusNotifierHost"><arg type="s" direction="in"/></method>
  <property name="RegisteredStatusNotifierItems" type="as" access="read"/>
  <property name="IsStatusNotifierHostRegistered" type="b" access="read"/>
  <property name="ProtocolVersion" type="i" access="read"/>
  <signal name="StatusNotifierItemRegistered"><arg type="s"/></signal>
  <signal name="StatusNotifierHostRegistered"/>
</interface></node>"""


class Watcher:
    def __init__(self, has_host):
        self.has_host, self.known, self.changes = has_host, [], {"layout": 0, "rows": 0}
        self.session = Gio.bus_get_sync(Gio.BusType.SESSION)
        interface = Gio.DBusNodeInfo.new_for_xml(XML).interfaces[0]
        self.session.register_object(PATH, interface, self.on_call, self.on_get, None)
        for signal, what in (("LayoutUpdated", "layout"), ("ItemsPropertiesUpdated", "rows")):
            self.session.signal_subscribe(None, MENU, signal, None, None, 0, self.on_menu, what)
        self.session.signal_subscribe("org.freedesktop.DBus", "org.freedesktop.DBus", "NameOwnerChanged", None,
                                      None, 0, self.on_owner)
        Gio.bus_own_name_on_connection(self.session, NAME, Gio.BusNameOwnerFlags.NONE, None, None)

    def on_call(self, bus, sender, path, interface, method, arguments, invocation):
        if method == "RegisterStatusNotifierItem":
            given = arguments.unpack()[0] # an object path, or a bus name
            where = (sender, given) if given.startswith("/") else (given, "/StatusNotifierItem")
            if where not in self.known:
                self.known.append(where)
            bus.emit_signal(None, path, interface, "StatusNotifierItemRegistered", GLib.Variant("(s)", ("".join(where),)))
        invocation.return_value(None)

    def on_get(self, _bus, _sender, _path, _interface, name):
        return {"RegisteredStatusNotifierItems": GLib.Variant("as", ["".join(where) for where in self.known]),
                "IsStatusNotifierHostRegistered": GLib.Variant("b", self.has_host),
                "ProtocolVersion": GLib.Variant("i", 0)}[name]

    def on_menu(self, _bus, _sender, _path, _interface, _signal, _arguments, what):
        self.changes[what] += 1

    def on_owner(self, _bus, _sender, _path, _interface, _signal, arguments):
        name, _, new = arguments.unpack()
        if not new:
            self.known = [where for where in self.known if where[0] != name]

    def host(self):
        """A host comes to a watcher that had none."""
        self.has_host = True
        self.session.emit_signal(None, PATH, NAME, "StatusNotifierHostRegistered", None)

    def call(self, path, interface, method, types, *values):
        name = self.only()[0]
        return self.session.call_sync(name, path, interface, method, GLib.Variant(types, values), None, 0, LIMIT_MS,
                                      None).unpack()

    def only(self):
        if len(self.known) != 1:
            raise LookupError(f"{len(self.known)} items: {self.known}")
        return self.known[0]

    def items(self):
        return self.known

    def show(self):
        return self.call(self.only()[1], "org.freedesktop.DBus.Properties", "GetAll", "(s)", ITEM)[0]

    def menu(self):
        rows = []
        self.flatten(self.call(self.show()["Menu"], MENU, "GetLayout", "(iias)", 0, -1, [])[1], None, rows)
        return rows

    def flatten(self, node, parent, rows):
        number, found, children = node
        if not found.get("visible", True):
            return
        if parent is not None:
            rows.append({"id": number, "parent": parent, "label": found.get("label", ""),
                         "kind": found.get("toggle-type") or found.get("type") or "item",
                         "enabled": found.get("enabled", True), "checked": found.get("toggle-state") == 1})
        for child in children:
            self.flatten(child, number, rows)

    def tell(self, event, **row):
        self.call(self.show()["Menu"], MENU, "Event", "(isvu)", row.get("id", 0), event, GLib.Variant("i", 0), 0)

    def click(self, **row):
        self.tell("clicked", **row)

    def middle(self):
        self.call(self.only()[1], ITEM, "SecondaryActivate", "(ii)", 0, 0)

    def told(self):
        if self.known:
            self.show() # what the tray told before it answers has come
        while GLib.MainContext.default().iteration(False):
            pass
        changes, self.changes = self.changes, {"layout": 0, "rows": 0}
        return changes


def on_line(_source, condition, watcher):
    line = sys.stdin.readline()
    if not line or condition == GLib.IO_HUP:
        sys.exit(0)
    request = json.loads(line)
    try:
        reply = {"ok": getattr(watcher, request.pop("op"))(**request)}
    except (GLib.Error, LookupError) as error:
        reply = {"error": str(error)}
    print(json.dumps(reply), flush=True)
    return True


GLib.io_add_watch(sys.stdin.fileno(), GLib.IO_IN | GLib.IO_HUP, on_line, Watcher("--no-host" not in sys.argv))
GLib.MainLoop().run()
