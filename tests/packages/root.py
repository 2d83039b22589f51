"""A root to install into: this system as it is, with everything that is written kept in memory and thrown away at the end."""
import contextlib
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
REPO = HERE.parent.parent
NOT_WATCHED = ("proc", "sys", "dev", "tmp", "run", "root", "home", "var/log", "var/cache", "var/lib/apt", "var/lib/dpkg", "var/tmp",
               "build", "var/lib/systemd/deb-systemd-helper-enabled")
# The mounts live in a namespace that ends with its last process.
ENTER = """set -e
mount --make-rprivate /
mount -t tmpfs tmpfs "$1"
mkdir "$1/up" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/up,workdir=$1/work" "$1/root"
mount --rbind /proc "$1/root/proc"
mount --rbind /dev "$1/root/dev"
for dir in run tmp; do mount -t tmpfs tmpfs "$1/root/$dir"; done
mkdir -p "$1/root/run/lock"
printf '#!/bin/sh\\nexit 101\\n' >"$1/root/usr/sbin/policy-rc.d"; chmod 755 "$1/root/usr/sbin/policy-rc.d"
echo ready
exec sleep infinity
"""

# A script under which everything it starts ends with it, and which has a network of its own.
ALONE = ("unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-ec")
# With the folder of the programs: the bus, meshd as its unit starts it, and a question by mesh.
DAEMON = """mkdir -p /run/dbus; ip link set lo up
dbus-daemon --system --fork --nopidfile
install -d -o meshd -g meshd -m 700 /var/lib/mesh; install -d -o meshd -g meshd /run/mesh
caps=-all,+net_admin,+net_bind_service
setpriv --reuid meshd --regid meshd --clear-groups --no-new-privs --inh-caps $caps --ambient-caps $caps --bounding-set $caps "$1/meshd" &
timeout 20 gdbus wait --system org.meshvpn.Mesh1
"$1/mesh" networks --json
"""


class Root:
    """Commands in it run by run(); changes() is what differs from the system below."""

    def __init__(self, folder):
        self.folder = folder
        self.holder = subprocess.Popen(["unshare", "-m", "sh", "-c", ENTER, "sh", folder], stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, text=True)
        if self.holder.stdout.readline() != "ready\n":
            print("missing: overlayfs:", self.holder.stderr.read().strip(), flush=True)
            sys.exit(77)

    def run(self, *command, check=True, text=None):
        """Runs a command to its end, as root, without this computer's own /run."""
        done = subprocess.run(["nsenter", "-t", str(self.holder.pid), "-m", f"--root={self.path()}", "--wd=/", "--", "env", "LC_ALL=C.UTF-8",
                               "DEBIAN_FRONTEND=noninteractive", *map(str, command)], input=text, check=False,
                              capture_output=True, text=True, timeout=600)
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(map(str, command))}: exit {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done

    def path(self, inside=""):
        """A path of it as this process may open it."""
        return f"/proc/{self.holder.pid}/root{self.folder}/root{inside}"

    def exists(self, inside):
        return os.path.lexists(self.path(inside))

    def changes(self):
        """{path: what it is}: all that is there and not below, or other than below."""
        top = pathlib.Path(f"/proc/{self.holder.pid}/root{self.folder}/up")
        found = {}
        for folder, folders, files in os.walk(top):
            inside = os.path.relpath(folder, top)
            if any(inside == name or inside.startswith(name + "/") for name in NOT_WATCHED):
                folders.clear()
                continue
            for name in files + [name for name in folders if not os.path.isdir(os.path.join("/", inside, name))]:
                found[os.path.normpath(os.path.join("/", inside, name))] = "folder" if name in folders else "file"
        return found

    def copy_in(self, file, inside):
        pathlib.Path(self.path(inside)).parent.mkdir(parents=True, exist_ok=True)
        pathlib.Path(self.path(inside)).write_bytes(pathlib.Path(file).read_bytes())

    def close(self):
        self.holder.kill()
        self.holder.wait()


@contextlib.contextmanager
def open_root():
    if os.getuid() != 0:
        print("missing: root")
        sys.exit(77)
    with tempfile.TemporaryDirectory() as folder:
        root = Root(folder)
        try:
            yield root
        finally:
            root.close()


class Points:
    """Lines for the harness: one for each thing that held."""

    def __init__(self):
        self.count = 0

    def ok(self, text):
        self.count += 1
        print(f"ok {self.count} - {text}", flush=True)

    def end(self):
        print(f"1..{self.count}", flush=True)
