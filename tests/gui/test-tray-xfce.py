"""mesh-tray in a panel that people use: xfce4-panel draws the icon, shows the menu under a click, and starts anew.

   [a] ann's desktop: xfce4-panel with its systray, mesh-tray · meshd, polkitd          [server] mesh.example"""
import pathlib

from desk import REPO, Desk, Lab, find_program, need_desktop, open_seats, staying, wait_until

PANEL = """<?xml version="1.0"?>
<channel name="xfce4-panel" version="1.0">
  <property name="configver" type="int" value="2"/>
  <property name="panels" type="array">
    <value type="int" value="1"/>
    <property name="panel-1" type="empty">
      <property name="position" type="string" value="p=6;x=0;y=0"/>
      <property name="position-locked" type="bool" value="true"/>
      <property name="length" type="uint" value="100"/>
      <property name="size" type="uint" value="48"/>
      <property name="plugin-ids" type="array"><value type="int" value="1"/></property>
    </property>
  </property>
  <property name="plugins" type="empty"><property name="plugin-1" type="string" value="systray"/></property>
</channel>
"""
ICONS = "/run/desk/share"
WATCHER = ("-d", "org.kde.StatusNotifierWatcher", "-o", "/StatusNotifierWatcher")


def start_panel(desk, number):
    """Starts the panel; returns its key in the logs."""
    key = f"panel{number}"
    desk.start(key, "xfce4-panel", "--disable-wm-check", XDG_DATA_DIRS=f"{ICONS}:{desk.env['XDG_DATA_DIRS']}")
    desk.run("gdbus", "wait", "--session", "--timeout", "30", "org.kde.StatusNotifierWatcher")
    return key


def has_item(desk):
    got = desk.run("gdbus", "call", "--session", *WATCHER, "-m", "org.freedesktop.DBus.Properties.Get",
                   "org.kde.StatusNotifierWatcher", "RegisteredStatusNotifierItems", check=False)
    return "NotificationItem" in got.stdout


def colours(desk):
    """How many colours the panel shows: one more than its background, once there is an icon."""
    desk.run("import", "-window", "root", "-crop", "900x48+0+0", f"{desk.dir}/panel.png")
    return int(desk.run("identify", "-format", "%k", f"{desk.dir}/panel.png").stdout)


def wait_bare(desk):
    """The colours of the panel that has no icon yet, once it is drawn."""
    search = ("xdotool", "search", "--onlyvisible", "--class", "xfce4-panel")
    wait_until(lambda: desk.run(*search, check=False).stdout, 30, "a panel")
    return wait_until(staying(lambda: colours(desk)), 30, "the panel is drawn")


def pick(desk, row):
    """Clicks the icon, which the panel puts into its corner, and picks a row of the menu by keys."""
    desk.run("import", "-window", "root", f"{desk.dir}/before.png")
    desk.run("xdotool", "mousemove", "12", "12", "click", "1")
    def is_drawn():
        desk.run("import", "-window", "root", f"{desk.dir}/after.png")
        told = desk.run("compare", "-metric", "AE", f"{desk.dir}/before.png", f"{desk.dir}/after.png", "null:", check=False)
        return float(told.stderr.split()[0]) > 5000 # more than an icon under the pointer
    wait_until(is_drawn, 20, "the panel draws the menu")
    desk.picture("tray-xfce-menu")
    desk.key(*["Down"] * row, "Return")


def main():
    need_desktop("xfce4-panel", "identify", "compare")
    with Lab() as lab:
        a = open_seats(lab.node("a"), ann="active")
        link = lab.server.setup("home")
        lab.server.up()
        a.up()
        a.join(link)
        desk = Desk(a, "ann")
        a.run("sh", "-ec", f"mkdir {ICONS}; cp -r {REPO}/data/icons {ICONS}; chmod -R a+rX {ICONS}") # as installed
        folder = f"{desk.home}/.config/xfce4/xfconf/xfce-perchannel-xml"
        desk.run("mkdir", "-p", folder)
        desk.run("sh", "-c", f"cat > {folder}/xfce4-panel.xml", text=PANEL)
        xfconfd = next(pathlib.Path("/usr/lib").glob("*/xfce4/xfconf/xfconfd"))
        desk.start("xfconfd", xfconfd)
        desk.run("gdbus", "wait", "--session", "--timeout", "30", "org.xfce.Xfconf")
        panel = start_panel(desk, 1)
        bare = wait_bare(desk)
        desk.start("mesh-tray", find_program("mesh-tray"))
        wait_until(lambda: has_item(desk), 30, "the panel has the item")
        wait_until(lambda: colours(desk) > bare, 30, "the panel draws the icon")
        desk.picture("tray-xfce")
        lab.ok("a real panel draws the icon")

        pick(desk, 2) # after Open Mesh; the line of the state cannot be picked
        a.wait_until(lambda node: node.network().state == "down", what="the network goes down")
        lab.ok("its menu opens under a click, and disconnects")

        desk.stop(panel, kill=True)
        start_panel(desk, 2)
        wait_until(lambda: has_item(desk), 30, "the new panel has the item")
        wait_until(lambda: colours(desk) > bare, 30, "the new panel draws the icon")
        lab.ok("a panel that was killed and starts anew shows it again")


main()
