"""The clipboard of a desktop: clip.py get | image FILE | text
get    prints its text; exit status 1: it has none
image  offers the picture, a PNG, until it is ended; text: offers what stands on standard input. Both say "ready"."""
import sys

import gi
gi.require_version("Gdk", "4.0")
gi.require_version("Gtk", "4.0")
from gi.repository import Gdk, GLib, Gtk


def offer(clipboard, verb):
    if verb == "image":
        with open(sys.argv[2], "rb") as picture:
            data = GLib.Bytes.new(picture.read())
        clipboard.set_content(Gdk.ContentProvider.new_for_bytes("image/png", data))
    else:
        clipboard.set(sys.stdin.read())
    Gdk.Display.get_default().sync() # X knows of it
    print("ready", flush=True)
    GLib.MainLoop().run()


def get(clipboard):
    loop = GLib.MainLoop()
    done = []

    def on_text(_clipboard, result):
        try:
            done.append(clipboard.read_text_finish(result))
        except GLib.Error as error:
            print(error.message, file=sys.stderr)
        loop.quit()

    clipboard.read_text_async(None, on_text)
    loop.run()
    if not done:
        sys.exit(1)
    sys.stdout.write(done[0])


Gtk.init()
if sys.argv[1] == "get":
    get(Gdk.Display.get_default().get_clipboard())
else:
    offer(Gdk.Display.get_default().get_clipboard(), sys.argv[1])
