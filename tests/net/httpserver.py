"""mesh-server itself on loopback, as a test runs it, and TAP lines."""
import os
import signal
import subprocess
import sys

from httpnode import Link
from space import HANG_S, SKIP, wait_until

PORT = 8443
CONFIG = """[server]
public_host = 127.0.0.1
public_port = {port}
listen = 127.0.0.1:{port};[::1]:{port}
state_dir = {dir}/state
admin_socket = {dir}/admin.sock
log = debug
[limits]
threads = 2
accept_rate = 1000
accept_burst = 1000
[timeouts]
header_ms = 60000
body_ms = 60000
idle_ms = 60000
""" # longer than a client here is ever held up


class Server:
    """The program under test; its output goes to a log."""

    def __init__(self, folder, more="", port=PORT):
        folder.mkdir(exist_ok=True)
        build = os.environ.get("MESH_BUILD")
        prefix = os.environ.get("MESH_PREFIX", "build/root/usr")
        places = [f"{build}/server/mesh-server"] if build else [f"{prefix}/bin/mesh-server"]
        if not os.access(places[0], os.X_OK):
            print(f"skipped: missing {places[0]}")
            sys.exit(SKIP)
        self.program, self.dir, self.port = places[0], folder, port
        self.config, self.log, self.process = folder / "server.conf", folder / "server.log", None
        self.config.write_text(CONFIG.format(port=port, dir=folder) + more)

    def call(self, *arguments):
        return subprocess.run([self.program, "-c", str(self.config), *arguments], check=False,
                              capture_output=True, text=True, timeout=HANG_S)

    def setup(self, *arguments):
        done = self.call("setup", *arguments)
        assert done.returncode == 0, done.stderr
        return Link(done.stdout.strip())

    def up(self):
        with open(self.log, "a", encoding="utf-8") as out:
            self.process = subprocess.Popen(
                [self.program, "-c", str(self.config), "run"], stdin=subprocess.DEVNULL,
                stdout=out, stderr=out)
        wait_until(self.answers, 10, "the server answers")

    def answers(self):
        """Its administrators: it listens to nodes before."""
        assert self.process.poll() is None, self.log.read_text()
        return self.call("status").returncode == 0

    def down(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        return self.process.wait(HANG_S)


class Points:
    """TAP lines."""

    def __init__(self):
        self.count = 0

    def ok(self, text):
        self.count += 1
        print(f"ok {self.count} - {text}", flush=True)
