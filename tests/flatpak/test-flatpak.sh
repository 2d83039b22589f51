#!/bin/bash
# test-flatpak.sh [FOLDER]: builds the manifest as it stands, installs and runs it, without a network: its runtime is this
# Debian system's own /usr (make-runtime.sh), which has the libraries of the manifest's other modules. Then from inside: our
# service is reached, another is not; no TUN device, no network, no home; the window is drawn and tells what is missing, the tray
# registers and is clicked. FOLDER keeps the runtime for the next time. Exit status 77: something needed is not here.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
for tool in flatpak flatpak-builder ostree bwrap Xvfb import dbus-run-session gdbus gcc; do
  command -v "$tool" >/dev/null || { echo "skipped: missing $tool"; exit 77; }
done
[ "$(id -u)" = 0 ] || { echo "skipped: needs root"; exit 77; }
if [ -z "${MESH_FLATPAK_BUS:-}" ]; then
  MESH_FLATPAK_BUS=1 exec dbus-run-session -- bash "$0" "$@"
fi

stage=$(mktemp -d)
folder=${1:-}
pids=()
close() {
  local i
  for ((i = ${#pids[@]} - 1; i >= 0; i--)); do kill "${pids[i]}" 2>/dev/null || true; done
  wait 2>/dev/null || true
  [ -n "${1:-}" ] || rm -rf "$folder"
  rm -rf "$stage"
}
if [ -z "$folder" ]; then
  folder=$(mktemp -d -p /var/tmp mesh-flatpak.XXXXXX) # on the file system of /usr
  trap 'close ""' EXIT
else
  mkdir -p "$folder"
  trap 'close keep' EXIT
fi
n=0
ok() { n=$((n + 1)); echo "ok $n - $* # $SECONDS s"; }
start() { # start NAME COMMAND…: in the background, its output in $stage/NAME.log
  local name=$1
  shift
  "$@" >"$stage/$name.log" 2>&1 &
  pids+=($!)
}
wait_for() { # wait_for SECONDS COMMAND…
  local tries=$(($1 * 10)) i
  shift
  for ((i = 0; i < tries; i++)); do
    "$@" >/dev/null 2>&1 && return 0
    sleep 0.1
  done
  echo "# not in $((tries / 10)) s: $*"
  tail -n 20 "$stage"/*.log | sed 's/^/# /'
  return 1
}
must_fail() {
  if "$@" >"$stage/out" 2>&1; then
    echo "# went through, but must not: $*"
    return 1
  fi
}

[ -d "$folder/user/runtime/org.meshvpn.TestSdk" ] || "$here/make-runtime.sh" "$folder" >"$stage/runtime.log" 2>&1 ||
  { code=$?; tail -20 "$stage/runtime.log"; exit $code; }
export HOME=$folder/home FLATPAK_USER_DIR=$folder/user XDG_RUNTIME_DIR=$folder/run
ok "a runtime and an SDK out of this system's /usr"

app=org.meshvpn.Mesh
(cd "$stage" && flatpak-builder --show-manifest "$root/flatpak/$app.yml") >"$stage/manifest.json" # writes where it stands
/usr/bin/python3 - "$stage/manifest.json" <<'P'
import json, sys
path = sys.argv[1]
manifest = json.load(open(path))
manifest.update({"runtime": "org.meshvpn.TestPlatform", "sdk": "org.meshvpn.TestSdk", "runtime-version": "1"})
others = [module["name"] for module in manifest["modules"][:-1]]
for module in manifest["modules"][:-1]:
    for source in module["sources"]:
        assert source.get("sha256") or source.get("commit"), f"{module['name']}: a source without a hash"
mesh = manifest["modules"][-1]
assert mesh["name"] == "mesh" and mesh["sources"][0]["type"] == "dir", mesh
mesh["sources"][0] = {"type": "dir", "path": path.rsplit("/", 1)[0] + "/src"}
manifest["modules"] = [mesh]
json.dump(manifest, open(path, "w"))
print("# of the host instead of built:", *others)
P
mkdir "$stage/src"
(cd "$root" && tar -c --exclude=./build --exclude=./.git .) | tar -x -C "$stage/src"
flatpak-builder --user --disable-rofiles-fuse --force-clean --state-dir="$stage/state" --repo="$folder/app-repo" \
  "$stage/build" "$stage/manifest.json" >"$stage/build.log" 2>&1 || { tail -40 "$stage/build.log"; exit 1; }
flatpak --user remote-add --if-not-exists --no-gpg-verify mesh-test "file://$folder/app-repo"
flatpak --user install -y --noninteractive --or-update mesh-test $app >"$stage/install.log" 2>&1 ||
  { tail -20 "$stage/install.log"; exit 1; }
files=$folder/user/exports/share
for file in applications/$app.desktop "metainfo/$app.*.xml" dbus-1/services/$app.service dbus-1/services/$app.Tray.service \
  icons/hicolor/scalable/apps/$app.svg icons/hicolor/symbolic/apps/$app-{on,off,connecting,problem}-symbolic.svg; do
  compgen -G "$files/$file" >/dev/null || { echo "# not exported: $file"; exit 1; }
done
desktop-file-validate "$files/applications/$app.desktop"
ok "built, installed; entry, page, services and icons are exported"

flatpak info --user --show-permissions $app | sed 's/^/# /'
permissions=$(flatpak info --user --show-permissions $app)
for word in network filesystems devices=all org.freedesktop.Flatpak; do
  ! grep -q "$word" <<<"$permissions" || { echo "# permission: $word"; exit 1; }
done

sed -e 's|<type>session</type>|<type>system</type>|' -e "s|<listen>.*</listen>|<listen>unix:path=$stage/sysbus</listen>|" \
  -e '/<standard_session_servicedirs/d' /usr/share/dbus-1/session.conf >"$stage/system.conf"
start system-bus dbus-daemon --config-file="$stage/system.conf" --nofork --nopidfile
wait_for 10 test -S "$stage/sysbus"
export DBUS_SYSTEM_BUS_ADDRESS=unix:path=$stage/sysbus
cat >"$stage/service.py" <<'P'
"""service.py [--older] NAME: a name on the system bus. With --older it says of itself what a meshd of long ago would."""
import sys
from gi.repository import Gio, GLib
XML = """<node><interface name="org.freedesktop.DBus.ObjectManager"><method name="GetManagedObjects">
<arg type="a{oa{sa{sv}}}" direction="out"/></method></interface><interface name="org.meshvpn.Mesh1.Daemon">
<property name="Version" type="s" access="read"/><property name="Proxy" type="s" access="read"/></interface></node>"""
PROPERTIES = {"Version": GLib.Variant("s", "0.0.1"), "Proxy": GLib.Variant("s", "none")}
OBJECTS = {"/org/meshvpn/Mesh1": {"org.meshvpn.Mesh1.Daemon": PROPERTIES}}
def on_call(_bus, _sender, _path, _interface, _method, _arguments, invocation):
    invocation.return_value(GLib.Variant("(a{oa{sa{sv}}})", (OBJECTS,)))
bus = Gio.bus_get_sync(Gio.BusType.SYSTEM)
if "--older" in sys.argv:
    for interface in Gio.DBusNodeInfo.new_for_xml(XML).interfaces:
        bus.register_object("/org/meshvpn/Mesh1", interface, on_call, lambda *at: PROPERTIES[at[4]], None)
Gio.bus_own_name_on_connection(bus, sys.argv[-1], 0, None, None)
GLib.MainLoop().run()
P
start ours /usr/bin/python3 "$stage/service.py" org.meshvpn.Mesh1
ours=${pids[-1]}
start other /usr/bin/python3 "$stage/service.py" org.freedesktop.login1
gdbus wait --system --timeout 10 org.meshvpn.Mesh1
gdbus wait --system --timeout 10 org.freedesktop.login1

inside() { timeout 60 flatpak run --user --command="$1" $app "${@:2}"; }
ping_inside() { inside gdbus call --"$1" -d "$2" -o "$3" -m org.freedesktop.DBus.Peer.Ping; }
ping_inside system org.meshvpn.Mesh1 /org/meshvpn/Mesh1 >"$stage/out" 2>&1 || { cat "$stage/out"; exit 1; }
must_fail ping_inside system org.freedesktop.login1 /org/freedesktop/login1
ok "from inside the service is reached, another is not"
start friend env DBUS_SYSTEM_BUS_ADDRESS="$DBUS_SESSION_BUS_ADDRESS" /usr/bin/python3 "$stage/service.py" org.other.Program
gdbus wait --session --timeout 10 org.other.Program
must_fail ping_inside session org.other.Program /
must_fail inside ls /dev/net/tun
must_fail inside ls /run/dbus/system_bus_socket.d /root
touch "$HOME/private"
must_fail inside cat "$HOME/private"
links=$(inside sh -c 'tail -n +3 /proc/net/dev | cut -d: -f1')
[ "$(tr -d ' \n' <<<"$links")" = lo ] || { echo "# links: $links"; exit 1; }
ok "no other program, no TUN device, no file of the user's, no network"

kill "$ours"
start xvfb Xvfb -displayfd 9 -screen 0 900x700x24 -nolisten tcp 9>"$stage/display"
wait_for 20 test -s "$stage/display"
DISPLAY=:$(tr -d '\n' <"$stage/display")
export DISPLAY
start a11y /usr/libexec/at-spi-bus-launcher --launch-immediately
gdbus wait --session --timeout 10 org.a11y.Bus
gdbus call --session -d org.a11y.Bus -o /org/a11y/bus -m org.freedesktop.DBus.Properties.Set org.a11y.Status IsEnabled '<true>' \
  >/dev/null
start window timeout 120 flatpak run --user --env=GSK_RENDERER=cairo --env=GDK_BACKEND=x11 --env=GTK_A11Y=atspi $app
/usr/bin/python3 "$here/see.py" mesh-gui "It is not installed. On Debian" "sudo apt install meshd"
[ -z "${MESH_SCREENSHOTS:-}" ] || import -window root "$MESH_SCREENSHOTS/flatpak.png"
ok "the window is drawn, and shows the command that installs the service"
start older /usr/bin/python3 "$stage/service.py" --older org.meshvpn.Mesh1
/usr/bin/python3 "$here/see.py" mesh-gui "Version 0.0.1. Update the Mesh service"
ok "it looks again by itself, finds the service, and says that it is older than the app"

cp "$root/tests/gui/traywatch.py" "$stage/traywatch.py"
coproc panel { exec /usr/bin/python3 "$stage/traywatch.py"; }
pids+=($panel_PID)
ask() { # ask JSON PATTERN: whether the panel's answer is so
  local line
  echo "$1" >&"${panel[1]}"
  read -r -t 20 line <&"${panel[0]}"
  grep -q "$2" <<<"$line"
}
start tray timeout 120 flatpak run --user --command=mesh-tray $app
wait_for 30 ask '{"op": "show"}' 'org.meshvpn.Mesh-[a-z]*-symbolic'
wait_for 10 ask '{"op": "menu"}' 'Open Mesh'
ok "the tray shows its icon from inside"
inside mesh-tray --autostart=status | grep -qx off
flatpak kill $app
echo "1..$n"
