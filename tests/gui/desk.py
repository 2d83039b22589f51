"""Desktops in a lab: on a node, for an ordinary user, a screen, a window manager, a session bus, the accessibility bus,
and programs that are read and clicked as a screen reader does it. Read test-desk.py to see how it is used.

   with Lab() as lab:
       a = open_seats(lab.node("a"), ann="active")   # a bus with polkit, before meshd; then a.up()
       desk = Desk(a, "ann")
       window = desk.launch("mesh-gui")
       window.find("switch", "home").click()
       window.find("label", re.compile("connected"))

Everything waits for what it asks for, and ends with the lab. Import this before lab.py's own modules."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "net"))
from authority import BUS_POLICY, need_polkit, shipped_rows, start_polkit
from lab import Lab, need
from space import PROGRAMS, REPO, find_program, wait_until

__all__ = ["App", "Desk", "Lab", "attempt", "need_desktop", "open_seats", "staying", "wait_until"]
HERE = pathlib.Path(__file__).resolve().parent
PYTHON = "/usr/bin/python3" # has python3-gi, others in PATH may not
A11Y = "/usr/libexec/at-spi-bus-launcher"
FIRST_UID = 64530
LIMIT_S = int(os.environ.get("MESH_DESK_LIMIT_S", 60))
PICTURES_S = 3 # until two are the same, as nothing moves any more; where something is live, the last one will do
SESSION_BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={run}/bus</listen>
  <servicedir>{run}/services</servicedir>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>
  </policy>
</busconfig>
"""
TABS = 40 # more than there are controls in a window
ATTEMPT_S = 10 # after which a click, or what else is done, has come to nothing
LOOKS = 5 # so often the same is rest
# What a person tells a program by, so each needs a name.
CONTROLS = {"push button", "toggle button", "switch", "check box", "radio button", "text", "entry", "password text",
            "combo box", "slider", "spin button", "page tab", "menu item", "check menu item", "radio menu item"}


def need_desktop(*tools):
    """Ends the test as skipped (77), naming what this machine lacks."""
    need("Xvfb", "openbox", "xdotool", "import", "setpriv", "dbus-send", *tools)
    need_polkit()
    wanted = 'import gi; gi.require_version("Atspi", "2.0"); gi.require_version("Gtk", "4.0")'
    checked = subprocess.run([PYTHON, "-c", wanted], check=False, stderr=subprocess.DEVNULL)
    if not os.access(A11Y, os.X_OK) or checked.returncode != 0:
        print("skipped: missing at-spi2-core, gir1.2-atspi-2.0 or gir1.2-gtk-4.0")
        sys.exit(77)


def open_seats(node, *policies, grant=(), **sessions):
    """Starts the node's system bus with polkitd; users are named with their kind of session (active, inactive).
    @grant names verbs ("join") that they may use as if an administrator had typed the password. More bus policies are
    files. Returns the node; meshd is started after it."""
    rows = shipped_rows(sessions)
    for verb in grant:
        rows[f"org.meshvpn.Mesh1.{verb}"] = {user: "yes" for user in sessions}
    for user in sessions:
        add_user(node.lab, user)
    node.bus_up(BUS_POLICY, *policies)
    start_polkit(node, rows)
    return node


def add_user(lab, name):
    """An ordinary user of all hosts of the lab; returns the user id."""
    lines = (lab.dir / "passwd").read_text().splitlines()
    known = {line.split(":")[0]: int(line.split(":")[2]) for line in lines}
    if name in known:
        return known[name]
    uid = max([FIRST_UID, *(number for number in known.values() if FIRST_UID < number < FIRST_UID + 99)]) + 1
    for file, line in (("passwd", f"{name}:x:{uid}:{uid}::/run/home/{name}:/bin/sh\n"),
                       ("group", f"{name}:x:{uid}:\n")):
        with open(lab.dir / file, "a", encoding="utf-8") as out:
            out.write(line)
    return uid


def own_tmp(node):
    """Gives the node a /tmp of its own, where X servers keep sockets and locks; what the lab has there stays."""
    unpacked = pathlib.Path(os.environ.get("MESH_UNPACKED", REPO / "build/unpacked"))
    keep = [path for path in {node.lab.dir, REPO, HERE, unpacked} if path.is_relative_to("/tmp") and path.exists()]
    keep = [path for path in keep if not any(other in path.parents for other in keep)]
    script = ["[ -e /run/own-tmp ] && exit 0; touch /run/own-tmp; mkdir /run/kept"]
    for number, path in enumerate(keep):
        script.append(f"mkdir /run/kept/{number}; mount --rbind '{path}' /run/kept/{number}")
    script.append("mount -t tmpfs -o mode=1777 tmpfs /tmp; mkdir -m 1777 /tmp/.X11-unix")
    for number, path in enumerate(keep):
        script.append(f"mkdir -p '{path}'; mount --move /run/kept/{number} '{path}'")
    node.run("sh", "-ec", "\n".join(script))


def attempt(act, done):
    """Acts unless done() is true, and gives it time to become so; returns whether it did. To be waited for: what came to
    nothing, as somebody paused just then, is done once more."""
    if not done():
        act()
    end = time.monotonic() + ATTEMPT_S
    while not done() and time.monotonic() < end:
        time.sleep(0.05)
    return done()


def staying(look):
    """A condition to wait for: what look() gives, once it gave the same for some time, and that is true."""
    seen = []

    def stays():
        seen.append(look())
        return len(seen) > LOOKS and all(value == seen[-1] for value in seen[-LOOKS:]) and seen[-1]
    return stays


class Desk:
    """A desktop of one user on a node. With wm=False no window manager runs, and keys go nowhere."""

    def __init__(self, node, user="ann", size="900x700", wm=True):
        self.node, self.user, self.name = node, user, f"{node.name}-{user}"
        self.uid = add_user(node.lab, user)
        self.dir, self.home = f"/run/user/{self.uid}", f"/run/home/{user}"
        self.pictures, self.offers = node.lab.dir, 0
        own_tmp(node)
        node.run("sh", "-ec", f"""mkdir -p /run/user /run/home /run/desk
            install -d -o {self.uid} -g {self.uid} -m 700 {self.dir} {self.home} {self.dir}/services
            cp {HERE}/eyes.py {HERE}/clip.py /run/desk; chmod -R a+rX /run/desk
            cat > /run/desk/{user}.bus""", text=SESSION_BUS.format(run=self.dir))
        self.env = {
            "HOME": self.home, "USER": user, "LOGNAME": user, "XDG_RUNTIME_DIR": self.dir, "LANG": "C.UTF-8",
            "LC_ALL": "C.UTF-8", "LANGUAGE": "", "PATH": "/usr/bin:/bin",
            "DBUS_SESSION_BUS_ADDRESS": f"unix:path={self.dir}/bus",
            "DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/run/dbus/system_bus_socket",
            "XDG_DATA_DIRS": f"{PROGRAMS}/share:/usr/local/share:/usr/share", "XDG_SESSION_TYPE": "x11",
            "GDK_BACKEND": "x11", "GSK_RENDERER": "cairo", "GTK_A11Y": "atspi", "ADW_DISABLE_PORTAL": "1",
            "GSETTINGS_BACKEND": "keyfile", "LIBGL_ALWAYS_SOFTWARE": "1", "GTK_USE_PORTAL": "0",
            "NO_AT_BRIDGE": "0", "GTK_MODULES": "", "DEBUGINFOD_URLS": "",
        }
        self._start_screen(size, wm)
        self._start_buses()
        self.eyes = self._popen("eyes", PYTHON, "/run/desk/eyes.py")

    def _start_screen(self, size, wm):
        self.start("x", "Xvfb", "-displayfd", "1", "-screen", "0", f"{size}x24", "-nolisten", "tcp", "-noreset")
        number = wait_until(lambda: re.search(r"^(\d+)$", self.log("x"), re.MULTILINE), LIMIT_S, "a screen")[1]
        self.env["DISPLAY"] = f":{number}"
        if wm:
            self.start("wm", "openbox", "--sm-disable")
            wait_until(lambda: self.run("xdotool", "get_num_desktops", check=False).returncode == 0, LIMIT_S, "a window manager")

    def _start_buses(self):
        self.start("session", "dbus-daemon", f"--config-file=/run/desk/{self.user}.bus", "--nofork", "--nopidfile")
        wait_until(lambda: self.run("test", "-S", f"{self.dir}/bus", check=False).returncode == 0, LIMIT_S,
                   f"session bus of {self.user}")
        self.start("a11y", A11Y, "--launch-immediately")
        enable = ("gdbus", "call", "--session", "-d", "org.a11y.Bus", "-o", "/org/a11y/bus", "-m",
                  "org.freedesktop.DBus.Properties.Set", "org.a11y.Status", "IsEnabled", "<true>")
        wait_until(lambda: self.run(*enable, check=False).returncode == 0, LIMIT_S, "the accessibility bus")

    def argv(self, *command, **env):
        """A command line that is the user's, with the desktop's environment and nothing of ours."""
        words = [f"{key}={value}" for key, value in {**self.env, **env}.items()]
        return ["setpriv", "--reuid", self.uid, "--regid", self.uid, "--clear-groups", "--no-new-privs",
                "env", "-i", "-C", self.home, *words, *command]

    def run(self, *command, check=True, text=None, limit_s=60, **env):
        """Runs a command of the user's to its end. Its output is in .stdout and .stderr."""
        return self.node.run(*self.argv(*command, **env), check=check, text=text, limit_s=limit_s)

    def start(self, key, *command, **env):
        """Starts a program of the user's that goes on; its output goes to a log of the lab."""
        return self.node.start(f"{self.user}-{key}", *self.argv(*command, **env))

    def log(self, key):
        return self.node.log(f"{self.user}-{key}")

    def stop(self, key, kill=False):
        return self.node.stop(f"{self.user}-{key}", kill)

    def runs(self, key):
        return self.node.runs(f"{self.user}-{key}")

    def _popen(self, key, *command):
        """Starts a program that we talk with over its standard input and output."""
        with open(self.node.lab.dir / f"{self.name}-{key}.log", "a", encoding="utf-8") as log:
            process = subprocess.Popen(self.node.argv(*self.argv(*command)), text=True, stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, stderr=log)
        self.node.processes[f"{self.user}-{key}"] = process
        return process

    def look(self, **request):
        """One question to eyes.py, which describes them. What it cannot do is a LookupError."""
        self.eyes.stdin.write(json.dumps(request) + "\n")
        self.eyes.stdin.flush()
        line = self.eyes.stdout.readline()
        assert line, "the eyes are gone: see their log"
        reply = json.loads(line)
        if "error" in reply:
            raise LookupError(reply["error"])
        return reply["ok"]

    def launch(self, program, *arguments, key=None, **env):
        """Starts a program of ours and waits until it shows something; returns it as an App."""
        key = key or program
        process = self.start(key, find_program(program) if "/" not in program else program, *arguments, **env)
        app = App(self, key, process.pid)
        app.wait()
        return app

    def app(self, name, key=None):
        """A program that somebody else started, such as the session bus, by its accessible name."""
        app = App(self, key or name, None)
        app.app = name
        app.wait()
        return app

    def key(self, *keys):
        """Presses keys as X names them: "Tab", "ctrl+q"."""
        self.run("xdotool", "key", "--clearmodifiers", *keys)

    def type(self, text):
        self.run("xdotool", "type", "--clearmodifiers", "--delay", "1", text)

    def activate(self, title):
        """Gives the keys to the window with this title; waits until it is there."""
        number = wait_until(lambda: self.windows(title), LIMIT_S, f"a window {title!r}")[-1]
        self.run("xdotool", "windowactivate", "--sync", number, limit_s=LIMIT_S)
        return number

    def wait_keys_leave(self, number):
        """Waits until keys go to another window than this one."""
        wait_until(lambda: self.run("xdotool", "getactivewindow", check=False).stdout.split()[0] != number, LIMIT_S,
                   "keys go to another window")

    def resize(self, title, width, height):
        """Gives the window with this title a size, in the corner of the screen."""
        number = self.activate(title)
        self.run("xdotool", "windowsize", number, width, height, "windowmove", number, "0", "0")

    def windows(self, title):
        """X's numbers of the visible windows with exactly this title."""
        found = self.run("xdotool", "search", "--onlyvisible", "--name", f"^{re.escape(title)}$", check=False)
        return found.stdout.split()

    def picture(self, name):
        """Takes a picture of the screen; it is kept where $MESH_SCREENSHOTS says, else goes with the lab."""
        place = pathlib.Path(os.environ.get("MESH_SCREENSHOTS", self.pictures))
        place.mkdir(parents=True, exist_ok=True)
        path, data = place / f"{name}.png", [b""]
        end = time.monotonic() + PICTURES_S
        while time.monotonic() < end or len(data) < 2:
            self.run("import", "-window", "root", "-define", "png:exclude-chunks=date,time", f"{self.dir}/picture.png")
            done = subprocess.run(self.node.argv("cat", f"{self.dir}/picture.png"), check=True, capture_output=True)
            data.append(done.stdout)
            if data[-1] == data[-2]:
                break
        path.write_bytes(data[-1])
        return path

    def clipboard(self):
        """The text in the clipboard; None: there is none."""
        got = self.run(PYTHON, "/run/desk/clip.py", "get", check=False)
        return got.stdout if got.returncode == 0 else None

    def put_clipboard(self, text=None, image=None):
        """Offers a text, or the picture in a file that the user may read, in place of what is there."""
        self.offers += 1
        key = f"clip{self.offers}"
        process = self._popen(key, PYTHON, "/run/desk/clip.py", *(["image", image] if image else ["text"]))
        if text is not None:
            process.stdin.write(text)
        process.stdin.close()
        assert process.stdout.readline() == "ready\n", "nothing was offered: see the log of the clipboard"

    def put_file(self, name, data):
        """A file in the user's home; returns its path there."""
        path = f"{self.home}/{name}"
        subprocess.run(self.node.argv(*map(str, self.argv("sh", "-c", f"cat > '{path}'"))), input=data,
                       check=True)
        return path

    def offer_service(self, name, *command):
        """Lets the session bus start a program of ours when somebody calls this name."""
        line = " ".join([str(self.node.seen_inside(find_program(command[0]))), *command[1:]])
        self.run("sh", "-c", f"cat > {self.dir}/services/{name}.service",
                 text=f"[D-BUS Service]\nName={name}\nExec={line}\n")
        self.run("gdbus", "call", "--session", "-d", "org.freedesktop.DBus", "-o", "/", "-m",
                 "org.freedesktop.DBus.ReloadConfig")

    def notes(self):
        """Notifications shown since the last time: id, program, title, body, actions; or id, closed."""
        return self.look(op="notes")

    def press(self, note, action="default"):
        """Clicks a notification, or one of its buttons."""
        self.look(op="press", id=note["id"], action=action)


class App:
    """A program that shows something."""

    def __init__(self, desk, key, pid):
        self.desk, self.key, self.pid, self.app = desk, key, pid, None

    def nodes(self):
        """Everything it shows, in the order of reading."""
        rows = self.desk.look(op="items", pid=self.pid, app=self.app)
        below = {}
        for row in rows:
            below.setdefault(row["parent"], []).append(row)
        ordered, todo = [], [(0, None, row) for row in rows if row["role"] == "application"]
        while todo:
            depth, parent, row = todo.pop()
            node = Node(self, row, depth, parent)
            ordered.append(node)
            children = sorted(below.get(row["at"][1], []), key=lambda child: child["index"], reverse=True)
            todo += [(depth + 1, node, child) for child in children]
        return ordered

    def wait(self, limit_s=LIMIT_S):
        wait_until(self.alive_nodes, limit_s, f"{self.key} shows a window")

    def alive_nodes(self):
        assert self.pid is None or self.desk.runs(self.key), f"{self.key} has ended: see its log"
        return len(self.nodes()) > 1

    def wait_for(self, condition, what, limit_s=LIMIT_S):
        """Waits; when it does not come, what is on the screen goes to the logs."""
        try:
            return wait_until(condition, limit_s, f"{self.key}: {what}")
        except TimeoutError:
            print("\n".join(f"# {line}" for line in self.tree().splitlines()))
            self.desk.picture(f"{self.desk.name}-{self.key}-failed")
            raise

    def all(self, role=None, name=None, inside=None):
        """Those of a role whose name is this text, or matches this pattern."""
        return [node for node in self.nodes() if node.matches(role, name) and node.is_inside(inside)]

    def find(self, role=None, name=None, inside=None, limit_s=LIMIT_S):
        """Waits for the first such."""
        return self.wait_for(lambda: self.all(role, name, inside), f"a {role} called {name!r}", limit_s)[0]

    def gone(self, role=None, name=None, inside=None, limit_s=LIMIT_S):
        """Waits until there is none."""
        self.wait_for(lambda: not self.all(role, name, inside), f"no {role} called {name!r}", limit_s)

    def click(self, role, name, inside=None):
        """Waits for such a control that can be used, and clicks it; for the next one, if it goes in between."""
        def click():
            usable = [node for node in self.all(role, name, inside) if "sensitive" in node.states]
            if usable:
                usable[0].click()
            return usable
        self.wait_for(click, f"a usable {role} called {name!r}")

    def mouse(self, title, role, name, done, inside=None):
        """Clicks the middle of such a thing with the mouse, in the window with this title, until done() is true: for what has
        no action of its own. Where X, the window manager or the program pause just then, a click may come to nothing."""
        self.find(role, name, inside)
        click = lambda: self.all(role, name, inside)[0].mouse(title)
        self.wait_for(lambda: attempt(click, done), f"what a click on {name!r} does", 2 * LIMIT_S)

    def paste(self, shows, button="Paste", **offer):
        """Offers that (see put_clipboard), and clicks Paste until a label shows what comes of it: a program hears a moment
        later what the clipboard has now."""
        self.desk.put_clipboard(**offer)
        click, done = lambda: self.click("push button", button), lambda: self.all("label", shows)
        self.wait_for(lambda: attempt(click, done), f"{shows!r} was pasted", 2 * LIMIT_S)

    def wait_stays(self, look, what):
        """Waits until look() gives the same for some time, and that is true: where it may be so before it begins to change."""
        self.wait_for(staying(look), what)

    def look_away(self, title):
        """What happens under the user's eyes is not told: returns when the program knows that nobody looks at its window with
        this title, which it first knew to be looked at."""
        is_active = lambda: "active" in self.all("frame", title)[0].states
        number = self.desk.activate(title)
        self.wait_for(is_active, f"{title!r} is active")
        self.desk.run("xdotool", "windowminimize", number)
        self.wait_for(lambda: not is_active(), f"{title!r} is not active")

    def focused(self):
        return [node for node in self.nodes() if "focused" in node.states]

    def _focus_now(self):
        """The places that have the focus, in one more list as there may be none; False: no window has the keys."""
        nodes = self.nodes()
        return any("active" in node.states for node in nodes) and [[node.at for node in nodes if "focused" in node.states]]

    def go_to(self, role, name, key="Tab"):
        """Tab after Tab until this has the focus; each is waited for, as GTK moves when the key comes. What still moves it
        from before, such as a window that opens, is over first: it would be taken for the first Tab."""
        self.find(role, name)
        self.wait_stays(self._focus_now, "the focus stays")
        for _ in range(TABS):
            before = self.focused()
            if any(node.matches(role, name) for node in before):
                return
            places = [node.at for node in before]
            self.desk.key(key)
            self.wait_for(lambda was=places: [node.at for node in self.focused()] != was, "the focus moves")
        raise AssertionError(f"no way by {key} to the {role} {name!r}:\n{self.tree()}")

    def unnamed(self, inside=None):
        """Controls that a blind person could not tell: without a name, or with that of their class."""
        return [node for node in self.nodes() if node.role in CONTROLS and not node.is_part()
                and (not node.name or node.name.startswith(("Gtk", "Adw"))) and node.is_inside(inside)]

    def tree(self):
        """What a screen reader has to say of it, for people who write a test."""
        usual = {"sensitive", "visible", "showing", "focusable", "horizontal", "vertical"}
        lines = []
        for node in self.nodes():
            if (node.role in ("panel", "filler", "scroll bar", "scroll pane") and not node.description
                    and node.name.startswith(("Gtk", "Adw")) or not node.name + node.description):
                continue
            states = sorted(set(node.states) - usual) + ["INSENSITIVE"] * ("sensitive" not in node.states)
            description = f" ({node.description})" if node.description != node.name else ""
            lines.append(f"{' ' * node.depth}{node.role} {node.name!r}{description} {' '.join(states)}")
        return "\n".join(lines)

    def close(self, limit_s=LIMIT_S):
        """Waits until the program has ended of itself; returns its exit status."""
        return self.desk.node.processes[f"{self.desk.user}-{self.key}"].wait(timeout=limit_s)


class Node:
    """One accessible object, as it was when it was looked at."""

    def __init__(self, app, row, depth, parent):
        self.app, self.at, self.depth, self.parent = app, row["at"], depth, parent
        self.role, self.name, self.description = row["role"], row["name"], row["description"]
        self.states = row["states"]

    def __repr__(self):
        return f"<{self.path()}>"

    def path(self):
        """Roles and names from the window down."""
        above = f"{self.parent.path()}/" if self.parent and self.parent.parent else ""
        return f"{above}{self.role} {self.name!r}"

    def matches(self, role, name):
        if role is not None and role != self.role:
            return False
        if isinstance(name, re.Pattern):
            return name.search(self.name) is not None
        return name is None or name == self.name

    def is_inside(self, other):
        return other is None or any(node.at == other.at for node in self.above())

    def above(self):
        node = self.parent
        while node is not None:
            yield node
            node = node.parent

    def is_part(self):
        """Whether it is but a piece of a control that has the name: the text in an entry, the inside of a menu button."""
        return any(self.role in ("text", node.role) and node.role in CONTROLS and node.name
                   and not node.name.startswith(("Gtk", "Adw")) for node in self.above())

    def click(self):
        self.app.desk.look(op="act", at=self.at)

    def text(self):
        return self.app.desk.look(op="text", at=self.at)

    def fill(self, text):
        self.app.desk.look(op="fill", at=self.at, text=text)

    def enter(self, title, text):
        """Writes into an entry in the window with this title as a person does: by mouse and keys, and Return."""
        desk = self.app.desk

        def is_there(): # else once more: the mouse may have hit what was not drawn yet
            self.mouse(title)
            desk.key("ctrl+a")
            desk.type(text)
            return any(self.text() == text for _ in range(LOOKS * LOOKS))

        self.app.wait_for(is_there, f"{text!r} in {self}", 2 * LIMIT_S)
        desk.key("Return")

    def mouse(self, title):
        """Clicks its middle with the mouse, once: see App.mouse."""
        desk = self.app.desk
        number = desk.activate(title)
        # Nothing moves it: it is where it was for some time, in which it would be drawn elsewhere.
        x, y, width, height = wait_until(staying(lambda: desk.look(op="place", at=self.at)), LIMIT_S, f"{self} stands still")
        desk.run("xdotool", "mousemove", "--window", number, int(x + width / 2), int(y + height / 2),
                 "click", 1)
