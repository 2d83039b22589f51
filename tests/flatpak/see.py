"""see.py PROGRAM TEXT…: waits until the window of a program shows each of the texts, as a screen reader reads it. Exit status 1 with all that it shows: not in a minute."""
import sys
import time

import gi
gi.require_version("Atspi", "2.0")
from gi.repository import Atspi, GLib


def names(node, depth=0):
    yield node.get_name() or ""
    for number in range(node.get_child_count() if depth < 60 else 0):
        child = node.get_child_at_index(number)
        if child is not None:
            yield from names(child, depth + 1)


def read(program):
    desktop = Atspi.get_desktop(0)
    for number in range(desktop.get_child_count()):
        app = desktop.get_child_at_index(number)
        if app is not None and program in (app.get_name() or ""):
            return [name for name in names(app) if name]
    return []


def main():
    program, *texts = sys.argv[1:]
    deadline, shown = time.monotonic() + 60, []
    while time.monotonic() < deadline:
        try:
            Atspi.get_desktop(0).clear_cache()
            shown = read(program)
        except GLib.Error:
            shown = []
        seen = [any(text in name for name in shown) for text in texts]
        if all(seen):
            return 0
        time.sleep(0.2)
    print(f"# {program} shows", *shown, sep="\n#   ")
    return 1


sys.exit(main())
