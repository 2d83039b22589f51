"""What looks at a desktop and acts in it, as a screen reader does: a process of the desktop's user, told by desk.py.

Reads a JSON object a line, {"op": …}, and answers each with one: {"ok": …}, or {"error": text}.

items   everything that the program with this "pid" shows, or the one called "app": its accessible objects as rows
act     does action "number" of an object, as a click does · text: its text · fill: gives it another one
place   where it is in its window: x, y, width, height
notes   notifications since the last time; this process is the desktop's org.freedesktop.Notifications
press   presses the button "action" of the notification "id"
open    calls org.freedesktop.Application.Open of "name" with "uris", as a click on a link does

AT-SPI is spoken as plain D-Bus: libatspi would remember what has changed since."""
import json
import sys

import gi
gi.require_version("Atspi", "2.0")
from gi.repository import Atspi, Gio, GLib

REGISTRY = ("org.a11y.atspi.Registry", "/org/a11y/atspi/accessible/root")
INTERFACE = "org.a11y.atspi."
LIMIT_MS = 50000
NOTES_XML = """<node><interface name="org.freedesktop.Notifications">
  <method name="GetCapabilities"><arg type="as" direction="out"/></method>
  <method name="GetServerInformation">
    <arg type="s" direction="out"/><arg type="s" direction="out"/><arg type="s" direction="out"/>
    <arg type="s" direction="out"/></method>
  <method name="Notify">
    <arg type="s" direction="in"/><arg type="u" direction="in"/><arg type="s" direction="in"/>
    <arg type="s" direction="in"/><arg type="s" direction="in"/><arg type="as" direction="in"/>
    <arg type="a{sv}" direction="in"/><arg type="i" direction="in"/><arg type="u" direction="out"/></method>
  <method name="CloseNotification"><arg type="u" direction="in"/></method>
  <signal name="ActionInvoked"><arg type="u"/><arg type="s"/></signal>
  <signal name="NotificationClosed"><arg type="u"/><arg type="u"/></signal>
</interface></node>"""


def role_name(number):
    return Atspi.role_get_name(Atspi.Role(number))


def state_names(words):
    bits = words[0] | (words[1] << 32 if len(words) > 1 else 0)
    return [Atspi.StateType(number).value_nick for number in range(64)
            if bits >> number & 1 and number < Atspi.StateType.LAST_DEFINED]


class Eyes:
    def __init__(self):
        self.session = Gio.bus_get_sync(Gio.BusType.SESSION)
        self.notes = Notes(self.session)
        self.bus = None

    def connect(self):
        """The accessibility bus is another bus, which the session's knows."""
        address = self.session.call_sync("org.a11y.Bus", "/org/a11y/bus", "org.a11y.Bus", "GetAddress",
                                         None, None, 0, LIMIT_MS, None).unpack()[0]
        flags = (Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT
                 | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION)
        self.bus = Gio.DBusConnection.new_for_address_sync(address, flags, None, None)

    def call(self, where, interface, method, *values, types=""):
        if self.bus is None:
            self.connect()
        arguments = GLib.Variant(f"({types})", values) if types else None
        return self.bus.call_sync(*where, interface, method, arguments, None, 0, LIMIT_MS,
                                  None).unpack()

    def pid(self, bus_name):
        return self.call(("org.freedesktop.DBus", "/"), "org.freedesktop.DBus",
                         "GetConnectionUnixProcessID", bus_name, types="s")[0]

    def program(self, wanted_pid=None, name=None):
        """The bus name of a program."""
        for bus_name, path in self.call(REGISTRY, INTERFACE + "Accessible", "GetChildren")[0]:
            if wanted_pid is not None and self.pid(bus_name) == wanted_pid:
                return bus_name
            if name is not None and name == self.call(
                    (bus_name, path), "org.freedesktop.DBus.Properties", "Get",
                    INTERFACE + "Accessible", "Name", types="ss")[0]:
                return bus_name
        raise LookupError(f"no program {wanted_pid or name} on the accessibility bus")

    def items(self, pid=None, app=None):
        """All objects. GTK's cache has those that somebody has asked for, and those that were hidden since: so every
        object is asked for the children that it has now."""
        program = self.program(pid, app)
        reached, todo = [], [("/org/a11y/atspi/accessible/root", "", 0)]
        while todo:
            path, parent, index = todo.pop()
            try:
                children = self.call((program, path), INTERFACE + "Accessible", "GetChildren")[0]
            except GLib.Error:
                continue # it went while we looked
            reached.append((path, parent, index))
            todo += [(child, path, number) for number, (_, child) in enumerate(children)]
        rows = {row[0][1]: row
                for row in self.call((program, "/org/a11y/atspi/cache"), INTERFACE + "Cache", "GetItems")[0]}
        return [{"at": rows[path][0], "parent": parent, "index": index, "name": rows[path][6],
                 "role": role_name(rows[path][7]), "description": rows[path][8],
                 "states": state_names(rows[path][9])} for path, parent, index in reached if path in rows]

    def act(self, at, number=0):
        if not self.call(tuple(at), INTERFACE + "Action", "DoAction", number, types="i")[0]:
            raise ValueError("the action was refused")

    def text(self, at):
        """Asked for -1 as the end, GTK 4.8 gives nothing."""
        count = self.call(tuple(at), "org.freedesktop.DBus.Properties", "Get", INTERFACE + "Text", "CharacterCount",
                          types="ss")[0]
        return self.call(tuple(at), INTERFACE + "Text", "GetText", 0, count, types="ii")[0]

    def fill(self, at, text):
        if not self.call(tuple(at), INTERFACE + "EditableText", "SetTextContents", text, types="s")[0]:
            raise ValueError("the text was refused")

    def place(self, at):
        return self.call(tuple(at), INTERFACE + "Component", "GetExtents", 1, types="u")[0]

    def open(self, name, uris):
        path = "/" + name.replace(".", "/")
        self.session.call_sync(name, path, "org.freedesktop.Application", "Open",
                               GLib.Variant("(asa{sv})", (uris, {})), None, 0, LIMIT_MS, None)


class Notes:
    """A notification daemon that shows nothing and remembers everything."""

    def __init__(self, bus):
        self.bus, self.seen, self.last = bus, [], 0
        interface = Gio.DBusNodeInfo.new_for_xml(NOTES_XML).interfaces[0]
        bus.register_object("/org/freedesktop/Notifications", interface, self.on_call, None, None)
        Gio.bus_own_name_on_connection(bus, "org.freedesktop.Notifications", 0, None, None)

    def on_call(self, _bus, _sender, _path, _interface, method, arguments, invocation):
        if method == "GetCapabilities":
            invocation.return_value(GLib.Variant("(as)", (["body", "actions"],)))
        elif method == "GetServerInformation":
            invocation.return_value(GLib.Variant("(ssss)", ("desk", "Mesh", "1", "1.2")))
        elif method == "Notify":
            program, replaces, icon, title, body, actions, _, _ = arguments.unpack()
            self.last += 1
            number = replaces or self.last
            self.seen.append({"id": number, "program": program, "icon": icon, "title": title, "body": body,
                              "actions": dict(zip(actions[::2], actions[1::2]))})
            invocation.return_value(GLib.Variant("(u)", (number,)))
        else:
            self.seen.append({"id": arguments.unpack()[0], "closed": True})
            invocation.return_value(None)

    def press(self, number, action):
        self.bus.emit_signal(None, "/org/freedesktop/Notifications", "org.freedesktop.Notifications",
                             "ActionInvoked", GLib.Variant("(us)", (number, action)))


def answer(eyes, request):
    op = request.pop("op")
    if op == "notes":
        seen, eyes.notes.seen = eyes.notes.seen, []
        return seen
    if op == "press":
        return eyes.notes.press(request["id"], request["action"])
    return getattr(eyes, op)(**request)


def on_line(_source, condition, eyes):
    line = sys.stdin.readline()
    if not line or condition == GLib.IO_HUP:
        sys.exit(0)
    try:
        reply = {"ok": answer(eyes, json.loads(line))}
    except (GLib.Error, LookupError, ValueError) as error:
        reply = {"error": str(error)}
    print(json.dumps(reply), flush=True)
    return True


GLib.io_add_watch(sys.stdin.fileno(), GLib.IO_IN | GLib.IO_HUP, on_line, Eyes())
GLib.MainLoop().run()
