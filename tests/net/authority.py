"""polkit in a lab: the real polkitd on a node's bus, with our actions, and a stand-in for password dialogs."""
import json
import os
import pathlib
import pwd
import subprocess
import sys
import xml.etree.ElementTree as tree

from space import REPO, SKIP, wait_until

POLKITD = "/usr/lib/polkit-1/polkitd"
BUS_POLICY = "/usr/share/dbus-1/system.d/org.freedesktop.PolicyKit1.conf"
PEOPLE = pathlib.Path(__file__).resolve().with_name("people.py")
PREFIX = "org.meshvpn.Mesh1"


def find_python():
    """An interpreter that has python3-gi; None: there is none."""
    for python in (sys.executable, "/usr/bin/python3"):
        if subprocess.run([python, "-c", "import gi"], capture_output=True,
                          check=False).returncode == 0:
            return python
    return None


PYTHON = find_python()


def need_polkit():
    """Ends the test as skipped (77), naming what this machine lacks."""
    missing = [] if os.access(POLKITD, os.X_OK) else ["polkitd"]
    try:
        pwd.getpwnam("polkitd")
    except KeyError:
        missing.append("user polkitd")
    if PYTHON is None:
        missing.append("python3-gi")
    if missing:
        print(f"skipped: missing {', '.join(missing)}")
        sys.exit(SKIP)


def shipped_rows(sessions):
    """What our policy says by action and user, for users in such a session: {"ann": "active"}."""
    policy = tree.parse(REPO / f"data/polkit/{PREFIX}.policy").getroot()
    return {action.get("id"): {user: action.find(f"defaults/allow_{session}").text
                               for user, session in sessions.items()}
            for action in policy.findall("action")}


def make_rules(rows):
    """Nobody logs in at a seat here, so rules give users what the shipped policy has for such sessions; a user without
    a row takes polkitd's own road to allow_any."""
    return f"""var rows = {json.dumps(rows)};
polkit.addRule(function(action, subject) {{
    var row = rows[action.id];
    return row && row[subject.user] ? row[subject.user] : polkit.Result.NOT_HANDLED;
}});
"""


def start_polkit(node, rows):
    """The host's own polkitd on the node's bus, which was started with BUS_POLICY, with our actions alone."""
    node.run("sh", "-ec", f"""
        mkdir -p /run/actions /run/rules /run/no-rules
        for dir in seats sessions users machines; do mkdir -p /run/systemd/$dir; done
        cp {REPO}/data/polkit/*.policy /run/actions/
        cp /usr/share/polkit-1/actions/org.freedesktop.policykit.policy /run/actions/
        cat > /run/rules/50-test.rules
        chmod -R a+rX /run/actions /run/rules /run/no-rules
        mount --bind /run/actions /usr/share/polkit-1/actions
        mount --bind /run/rules /usr/share/polkit-1/rules.d
        mount --bind /run/no-rules /etc/polkit-1/rules.d""", text=make_rules(rows))
    node.start("polkitd", POLKITD)
    owned = ("dbus-send", "--system", "--print-reply", "--dest=org.freedesktop.DBus", "/",
             "org.freedesktop.DBus.GetNameOwner", "string:org.freedesktop.PolicyKit1")
    wait_until(lambda: node.run(*owned, check=False).returncode == 0, 20, "polkitd on the bus")


class Agent:
    """The stand-in for password dialogs."""

    def __init__(self, node):
        self.log = node.lab.dir / f"{node.name}-agent.log"
        with open(self.log, "w", encoding="utf-8") as out:
            self.process = subprocess.Popen(node.argv(PYTHON, PEOPLE, "agent"), text=True,
                                            stdin=subprocess.PIPE, stdout=out, stderr=out)
        node.processes["agent"] = self.process

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def stand_by(self, caller, answer):
        """Answers what the process caller.pid will be asked: "approve", "deny", or "hold"."""
        before = self.count("ready")
        self.tell(f"{caller.pid} {answer}")
        wait_until(lambda: self.count("ready") > before, 10, "the agent")

    def count(self, word):
        return self.log.read_text().count(word)

    def prompts(self):
        """(verb, message) of each request so far."""
        lines = [line.split(" ", 2) for line in self.log.read_text().splitlines() if line.startswith("PROMPT ")]
        return [(action.removeprefix(PREFIX + "."), message) for _, action, message in lines]
