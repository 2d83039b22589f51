"""A desktop's panel without a screen: shows the tray's icon and menu to a test, and clicks there. traywatch.py does it."""
import json

from desk import HERE, PYTHON, wait_until

LIMIT_S = 60


class Panel:
    """Comes when it is made, goes with close(); any number of them, one after the other."""

    number = 0

    def __init__(self, desk, host=True):
        desk.node.run("sh", "-ec", f"cp {HERE}/traywatch.py /run/desk; chmod a+r /run/desk/traywatch.py")
        Panel.number += 1
        self.desk, self.key = desk, f"panel{Panel.number}"
        self.process = desk._popen(self.key, PYTHON, "/run/desk/traywatch.py", *([] if host else ["--no-host"]))

    def ask(self, op, **request):
        self.process.stdin.write(json.dumps({"op": op, **request}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, "the panel is gone: see its log"
        reply = json.loads(line)
        if "error" in reply:
            raise LookupError(reply["error"])
        return reply["ok"]

    def close(self, kill=False):
        self.desk.stop(self.key, kill)

    def icon(self):
        """The state in the name of the icon ("on"); None: there is no icon. Title and description are the same text."""
        if not self.ask("items"):
            return None
        shown = self.ask("show")
        assert shown["Title"] == shown["IconAccessibleDesc"] and shown["Status"] == "Active", shown
        assert shown["IconName"].startswith("org.meshvpn.Mesh-"), shown
        return shown["IconName"].removeprefix("org.meshvpn.Mesh-").removesuffix("-symbolic")

    def wait_icon(self, state):
        return wait_until(lambda: self.icon() == state, LIMIT_S, f"the icon shows {state!r}")

    def title(self):
        return self.ask("show")["Title"]

    def rows(self, inside=None):
        """Labels in order; separators are "-". With @inside those of that row's own menu."""
        rows = self.ask("menu")
        parent = self.one_of(rows, inside)["id"] if inside else 0
        return ["-" if row["kind"] == "separator" else row["label"] for row in rows if row["parent"] == parent]

    def find(self, label):
        """The row whose label begins so."""
        return self.one_of(self.ask("menu"), label)

    @staticmethod
    def one_of(rows, label):
        found = [row for row in rows if row["label"].startswith(label)]
        if len(found) != 1:
            raise LookupError(f"{len(found)} rows begin with {label!r}")
        return found[0]

    def wait_row(self, label, condition=lambda row: True):
        def look():
            try:
                row = self.find(label)
            except LookupError:
                return None
            return row if condition(row) else None
        return wait_until(look, LIMIT_S, f"a row {label!r}")

    def click(self, label):
        self.ask("click", id=self.find(label)["id"])
