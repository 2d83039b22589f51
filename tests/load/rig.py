"""mesh-server and mesh-load in this process's own network namespace: what load tests and benchmarks share.

Import `space` first: it moves the process into the namespace, where loopback is all there is."""
import http.client
import json
import os
import pathlib
import re
import resource
import socket
import subprocess
import sys
import time

TICK = os.sysconf("SC_CLK_TCK")
PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024
PORT = 8443
DESCRIPTORS = 65536
CONFIG = """[server]
public_host = 127.0.0.1
public_port = {port}
listen = 127.0.0.1:{port}
state_dir = {dir}/state
admin_socket = {dir}/admin.sock
{more}"""


def prepare():
    """Loopback up; as many descriptors as simulated nodes and attackers need."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else max(hard, DESCRIPTORS)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
    except (ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


class Admin(http.client.HTTPConnection):
    """The admin socket of docs/PROTOCOL.md §9."""

    def __init__(self, path):
        super().__init__("localhost", timeout=60)
        self.path = str(path)

    def connect(self):
        end = time.monotonic() + self.timeout
        while True: # it comes a moment after the port that nodes use
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(self.timeout)
            try:
                self.sock.connect(self.path)
                return
            except (FileNotFoundError, ConnectionRefusedError):
                assert time.monotonic() < end, "no admin socket"
                time.sleep(0.01)

    def ask(self, method, path, body=None):
        self.request(method, "/admin/v1/" + path, None if body is None else json.dumps(body))
        answer = self.getresponse()
        data = json.loads(answer.read())
        assert answer.status < 400, data
        return data


class Server:
    """The real program; its state is on the disk, its output in a log."""

    def __init__(self, folder, build, more="", soft_files=1024):
        self.program = pathlib.Path(build).resolve() / "server/mesh-server"
        self.dir, self.config = folder, folder / "server.conf"
        self.process, self.soft_files = None, soft_files
        self.config.write_text(CONFIG.format(port=PORT, dir=folder, more=more))
        done = subprocess.run([self.program, "-c", self.config, "setup", "--network", "load"],
                              capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr

    def limit_files(self):
        """As a service manager starts it: a low soft limit, which the server has to raise itself."""
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(self.soft_files, hard), hard))

    def up(self):
        with open(self.dir / "server.log", "a", encoding="utf-8") as out:
            self.process = subprocess.Popen([self.program, "-c", self.config, "run"], stdout=out,
                                            stderr=out, stdin=subprocess.DEVNULL,
                                            preexec_fn=self.limit_files)
        end = time.monotonic() + 30
        while True:
            assert self.process.poll() is None, self.log()
            try:
                with socket.create_connection(("127.0.0.1", PORT), 5):
                    return
            except ConnectionRefusedError:
                assert time.monotonic() < end, "the server does not listen"
                time.sleep(0.005)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def down(self):
        self.process.terminate()
        return self.process.wait(30)

    def log(self):
        return (self.dir / "server.log").read_text(errors="replace")

    def admin(self):
        return Admin(self.dir / "admin.sock")

    def link(self):
        """A join link with a key for everybody."""
        made = self.admin().ask("POST", "networks/load/keys", {"reusable": True})
        return re.search(r"mesh://\S+", made["link"])[0]

    def cpu_s(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def rss_kib(self):
        return int(pathlib.Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * PAGE_KIB

    def peak_kib(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+)", status)[1])


class Crowd:
    """mesh-load: one command, one answer."""

    def __init__(self, build, link, count, spread_ms=0, host=None):
        program = pathlib.Path(build).resolve() / "tests/load/mesh-load"
        command = [program, link, str(count), str(spread_ms)]
        self.count = count
        self.process = subprocess.Popen(host.argv(*command) if host else command, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.read()

    def read(self):
        text = self.process.stdout.readline()
        assert text, "mesh-load has ended"
        answer = json.loads(text)
        assert "error" not in answer, answer
        return answer

    def start(self, *command):
        self.process.stdin.write(" ".join(map(str, command)) + "\n")
        self.process.stdin.flush()

    def ask(self, *command):
        self.start(*command)
        return self.read()

    def change_name(self, admin, node, name):
        """A durable change of one node, told to all. Answers as `report` does."""
        self.ask("watch")
        asked = time.monotonic()
        admin.ask("PATCH", f"networks/load/nodes/{node}", {"name": name})
        return self.ask("changed", asked, time.monotonic())

    def close(self):
        self.process.stdin.close()
        self.process.wait(60)


def missing(build):
    """What a run needs and does not have."""
    programs = [pathlib.Path(build) / "server/mesh-server", pathlib.Path(build) / "tests/load/mesh-load"]
    return [str(program) for program in programs if not os.access(program, os.X_OK)]


def skip_without(build):
    lacks = missing(build)
    if lacks:
        print(f"skipped: missing {', '.join(lacks)}")
        sys.exit(77)
