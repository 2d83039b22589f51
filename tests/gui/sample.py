"""A window for test-desk.py: with a name for everything, or not."""
import sys

import gi
gi.require_version("Gtk", "4.0")
from gi.repository import Gio, Gtk


def on_activate(app):
    box = Gtk.Box(orientation=Gtk.Orientation.VERTICAL)
    label = Gtk.Label(label="waiting")
    button = Gtk.Button(label="Press")
    button.connect("clicked", lambda *_: label.set_label("pressed"))
    entry = Gtk.Entry()
    entry.update_property([Gtk.AccessibleProperty.LABEL], ["Word"])
    entry.connect("activate", lambda *_: label.set_label(f"got {entry.get_text()}"))
    copy = Gtk.Button(icon_name="edit-copy-symbolic")
    copy.connect("clicked", lambda *_: copy.get_clipboard().set("from the window"))
    if "--nameless" not in sys.argv:
        copy.update_property([Gtk.AccessibleProperty.LABEL], ["Copy"])
    tell = Gtk.Button(label="Tell")
    tell.connect("clicked", lambda *_: notify(app))
    rows = Gtk.ListBox()
    rows.append(Gtk.Label(label="a row"))
    rows.connect("row-activated", lambda *_: label.set_label("row"))
    for widget in (label, button, entry, copy, tell, rows):
        box.append(widget)
    window = Gtk.ApplicationWindow(application=app, title="Sample", child=box)
    window.present()


def notify(app):
    note = Gio.Notification.new("A title")
    note.set_body("and more")
    app.send_notification("it", note)


application = Gtk.Application(application_id="org.meshvpn.Sample")
application.connect("activate", on_activate)
application.run()
