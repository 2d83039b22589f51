"""Two roles for tests of authorisation, each its own process; run as: people.py agent | call PATH INTERFACE METHOD ARGUMENTS

agent   stands in, as root, for the password dialogs of other processes. Reads lines "PID approve|deny|hold" and says
        "ready"; then "PROMPT ACTION MESSAGE" for each request. "release" approves what is held.
call    a caller: says "ready", waits for a line, calls, and says "ok" or "error NAME TEXT". ARGUMENTS is GVariant text."""
import sys

from gi.repository import Gio, GLib

AUTHORITY = ("org.freedesktop.PolicyKit1", "/org/freedesktop/PolicyKit1/Authority",
             "org.freedesktop.PolicyKit1.Authority")
AGENT_XML = """<node><interface name="org.freedesktop.PolicyKit1.AuthenticationAgent">
  <method name="BeginAuthentication">
    <arg type="s" direction="in"/><arg type="s" direction="in"/><arg type="s" direction="in"/>
    <arg type="a{ss}" direction="in"/><arg type="s" direction="in"/><arg type="a(sa{sv})" direction="in"/>
  </method>
  <method name="CancelAuthentication"><arg type="s" direction="in"/></method>
</interface></node>"""


def say(*words):
    print(*words, flush=True)


class Agent:
    def __init__(self):
        self.bus, self.held, self.answers = Gio.bus_get_sync(Gio.BusType.SYSTEM), [], {}
        self.interface = Gio.DBusNodeInfo.new_for_xml(AGENT_XML).interfaces[0]
        GLib.io_add_watch(sys.stdin.fileno(), GLib.IO_IN | GLib.IO_HUP, self.on_line)
        GLib.MainLoop().run()

    def on_line(self, *_):
        line = sys.stdin.readline()
        if not line:
            sys.exit(0)
        words = line.split()
        if words == ["release"]:
            for held in self.held:
                self.approve(*held)
            self.held = []
        else:
            self.register(int(words[0]), words[1])
        return True

    def register(self, pid, answer):
        with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
            start_time = int(stat.read().rsplit(")", 1)[1].split()[19])
        path = f"/agent/{pid}"
        known, self.answers[path] = path in self.answers, answer
        if known: # it answers otherwise from now on
            say("ready")
            return
        self.bus.register_object(path, self.interface, self.on_call, None, None)
        subject = ("unix-process", {"pid": GLib.Variant("u", pid),
                                    "start-time": GLib.Variant("t", start_time)})
        self.bus.call_sync(*AUTHORITY, "RegisterAuthenticationAgent",
                           GLib.Variant("((sa{sv})ss)", (subject, "C", path)), None, 0, -1, None)
        say("ready")

    def on_call(self, _bus, _sender, path, _interface, method, arguments, invocation):
        if method != "BeginAuthentication":
            invocation.return_value(None)
            return
        action, message, _, _, cookie, identities = arguments.unpack()
        answer = self.answers[path]
        say("PROMPT", action, message)
        if answer == "deny":
            invocation.return_dbus_error("org.freedesktop.PolicyKit1.Error.Cancelled", "dismissed")
        elif answer == "hold":
            self.held.append((cookie, identities[0], invocation))
        else:
            self.approve(cookie, identities[0], invocation)

    def approve(self, cookie, identity, invocation):
        kind, details = identity
        who = (kind, {key: GLib.Variant("u", value) for key, value in details.items()})

        def on_answered(bus, result):
            try:
                bus.call_finish(result)
            except GLib.Error as error: # the request may have gone with its caller
                say("late:", error.message.splitlines()[0])
            say("ANSWERED")
            invocation.return_value(None)

        self.bus.call(*AUTHORITY, "AuthenticationAgentResponse2",
                      GLib.Variant("(us(sa{sv}))", (0, cookie, who)), None, 0, -1, None,
                      on_answered)


def call(path, interface, method, arguments):
    bus = Gio.bus_get_sync(Gio.BusType.SYSTEM)
    say("ready")
    sys.stdin.readline()
    value = GLib.Variant.parse(None, arguments, None, None) if arguments != "()" else None
    try:
        bus.call_sync("org.meshvpn.Mesh1", path, interface, method, value, None,
                      Gio.DBusCallFlags.ALLOW_INTERACTIVE_AUTHORIZATION, 30000, None)
        say("ok")
    except GLib.Error as error:
        say("error", Gio.DBusError.get_remote_error(error) or "-",
            " ".join(error.message.split())[:200])


if sys.argv[1] == "agent":
    Agent()
else:
    call(*sys.argv[2:])
