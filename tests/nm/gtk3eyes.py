"""Reads and clicks a GTK 3 program as a screen reader does: gtk3eyes.py APP OPERATION ROLE NAME [TEXT].
Operations: text, fill, click, names (all of a role). What is not there is exit 1."""
import sys

import gi

gi.require_version("Atspi", "2.0")
from gi.repository import Atspi


def walk(node):
    if node is None:
        return
    yield node
    for index in range(node.get_child_count()):
        yield from walk(node.get_child_at_index(index))


def main():
    app, operation, role, name, *more = sys.argv[1:]
    desktop = Atspi.get_desktop(0)
    found = [node for index in range(desktop.get_child_count()) for node in walk(desktop.get_child_at_index(index))
             if desktop.get_child_at_index(index).get_name() == app and node.get_role_name() == role
             and name in ("", node.get_name())]
    if operation == "names":
        print("\n".join(node.get_name() for node in found))
        return 0
    if not found:
        return 1
    node = found[0]
    if operation == "text":
        print(Atspi.Text.get_text(node, 0, -1))
    elif operation == "fill":
        return 0 if Atspi.EditableText.set_text_contents(node, more[0]) else 1
    elif not node.get_state_set().contains(Atspi.StateType.SENSITIVE):
        return 1
    else:
        return 0 if node.get_action_iface().do_action(0) else 1
    return 0


sys.exit(main())
