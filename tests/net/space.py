"""Namespaces for tests: this process moves into its own, and a Host is a computer in others.

Importing this module restarts the program once inside new mount, network and PID namespaces. It is the
first process there, so when it ends, however it ends, everything it started ends with it, and no
interface, mount or process is left on the host."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

REPO = pathlib.Path(__file__).resolve().parent.parent.parent
SKIP = 77
HANG_S = 60 # what nobody waits less for: a limit ends a hang, and says nothing of a machine that is slow for a while
PROGRAMS = "/run/programs" # where a host finds our programs: its users may not enter our directory
INSIDE = "MESH_LAB_INSIDE"
TOOLS = ("unshare", "nsenter", "ip", "nft", "ping", "dbus-daemon")


def need(*tools):
    """Ends the test as skipped (77), naming what this machine lacks."""
    missing = [tool for tool in (*TOOLS, *tools) if shutil.which(tool) is None]
    if os.geteuid() != 0:
        missing.append("root")
    if not os.path.exists("/dev/net/tun"):
        missing.append("/dev/net/tun")
    if missing:
        print(f"skipped: missing {', '.join(missing)}", flush=True)
        sys.exit(SKIP)


def isolate():
    """Restarts this program in its own namespaces; returns in the restarted one."""
    if os.environ.get(INSIDE):
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
        os.environ.pop(INSIDE)
        return
    need()
    os.environ[INSIDE] = "1"
    os.execvp("unshare", ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child",
                          "--mount-proc", "--propagation", "private", sys.executable, "-u",
                          *sys.argv])


def wait_until(condition, limit_s=20.0, what="the condition"):
    """Waits until condition() is true and returns what it gave. The limit only ends a hang."""
    limit_s = max(limit_s, HANG_S)
    end, last = time.monotonic() + limit_s, None
    while True:
        try:
            value = condition()
            if value:
                return value
            last = value
        except (OSError, LookupError, subprocess.CalledProcessError, ValueError) as error:
            last = error
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {limit_s:g} s; last: {last!r}")
        time.sleep(0.05)


def programs_dir():
    """Where our programs are: in $MESH_BUILD (a Meson build), else in the staged install."""
    return os.environ.get("MESH_BUILD") or os.environ.get("MESH_PREFIX", str(REPO / "build/root/usr"))


def find_program(name):
    """Where a program of ours is; ends the test as skipped when it was not built."""
    built = ("daemon", "server", "cli", "wg", "gui", "gui/tray", "nm-plugin", "tests/net", "tests/gui", "tests/bench")
    folders = built if os.environ.get("MESH_BUILD") else ("bin", "sbin", "libexec")
    for folder in folders:
        place = f"{programs_dir()}/{folder}/{name}"
        if os.access(place, os.X_OK):
            return place
    print(f"missing: {name}; run ./run build, or set MESH_BUILD", flush=True)
    sys.exit(77)


def unpacked(path):
    """A file of a package that is installed, or unpacked by ./run deps; None: neither."""
    places = (path, f"{os.environ.get('MESH_UNPACKED', REPO / 'build/unpacked')}{path}")
    return next((place for place in places if os.path.exists(place)), None)


class Host:
    """A computer: its own network, mounts (a fresh /run and /var/lib, an /etc to write in) and name."""

    def __init__(self, lab, name):
        self.lab, self.name, self.processes = lab, name, {}
        ours = os.readlink("/proc/self/ns/net")
        self.holder = subprocess.Popen(["unshare", "--mount", "--net", "--uts", "--propagation",
                                        "private", "sleep", "infinity"])
        where = f"/proc/{self.holder.pid}/ns/net"
        wait_until(lambda: os.readlink(where) != ours, 10, f"namespaces of {name}")
        wait_until(lambda: pathlib.Path(f"/proc/{self.holder.pid}/comm").read_text() == "sleep\n",
                   10, f"holder of {name}")
        self.sh("""
            for dir in /run /var/lib; do mount -t tmpfs -o mode=755 tmpfs $dir; done
            mkdir %s
            [ -d "%s" ] && mount --bind "%s" %s
            mkdir -p /run/.etc/new /run/.etc/work /run/.etc/all
            mount -t overlay overlay /etc \
                -o lowerdir=/etc,upperdir=/run/.etc/new,workdir=/run/.etc/work 2>/dev/null ||
                { cp -a /etc/. /run/.etc/all && mount --bind /run/.etc/all /etc; } || exit 1
            mount -t sysfs sysfs /sys 2>/dev/null
            hostname %s
            cd /proc/sys/net
            echo 0 > ipv6/conf/all/accept_dad; echo 0 > ipv6/conf/default/accept_dad
            echo 0 > ipv6/conf/all/accept_ra; echo 0 > ipv6/conf/default/accept_ra
            [ -e bridge/bridge-nf-call-iptables ] && echo 0 > bridge/bridge-nf-call-iptables
            [ -e bridge/bridge-nf-call-ip6tables ] && echo 0 > bridge/bridge-nf-call-ip6tables
            ip link set lo up""" % (PROGRAMS, programs_dir(), programs_dir(), PROGRAMS, name))

    @staticmethod
    def seen_inside(path):
        """Where a host finds what we find there."""
        ours = programs_dir() + "/"
        return PROGRAMS + "/" + path[len(ours):] if path.startswith(ours) else path

    def argv(self, *command):
        words = [self.seen_inside(str(word)) for word in command]
        return ["nsenter", "-t", str(self.holder.pid), "-m", "-n", "-u", "--", *words]

    def run(self, *command, check=True, text=None, limit_s=180):
        """Runs a command to its end. Its output is in .stdout and .stderr."""
        done = subprocess.run(self.argv(*command), input=text, capture_output=True, text=True,
                              timeout=limit_s, check=False)
        if check and done.returncode != 0:
            raise AssertionError(f"{self.name}: {' '.join(map(str, command))}: exit "
                                 f"{done.returncode}: {done.stdout}{done.stderr}")
        return done

    def sh(self, script):
        return self.run("sh", "-c", script)

    def start(self, key, *command, **env):
        """Starts a program that goes on; its output goes to a log of the lab."""
        log = self.lab.dir / f"{self.name}-{key}.log"
        with open(log, "a", encoding="utf-8") as out:
            process = subprocess.Popen(self.argv(*command), stdin=subprocess.DEVNULL, stdout=out,
                                       stderr=out, env={**os.environ, **env})
        self.processes[key] = process
        return process

    def log(self, key):
        """The whole lines that a program has written; one may be at its next this very moment."""
        path = self.lab.dir / f"{self.name}-{key}.log"
        text = path.read_text(errors="replace") if path.exists() else ""
        return text[:text.rfind("\n") + 1]

    def stop(self, key, kill=False):
        """Stops a program and returns its exit status; with kill it gets no chance to tidy up."""
        process = self.processes.pop(key)
        if kill:
            process.kill()
        else:
            process.terminate()
        return process.wait(timeout=HANG_S)

    def runs(self, key):
        return key in self.processes and self.processes[key].poll() is None

    def close(self):
        for process in (*self.processes.values(), self.holder):
            process.kill()
        for process in (*self.processes.values(), self.holder):
            process.wait()


def link(one, one_dev, other, other_dev):
    """A cable between two hosts, both ends up."""
    subprocess.run(["ip", "link", "add", one_dev, "netns", str(one.holder.pid), "type", "veth",
                    "peer", "name", other_dev, "netns", str(other.holder.pid)], check=True)
    one.run("ip", "link", "set", one_dev, "up")
    other.run("ip", "link", "set", other_dev, "up")


def make_dir():
    return pathlib.Path(tempfile.mkdtemp(prefix="mesh-lab-"))


isolate()
