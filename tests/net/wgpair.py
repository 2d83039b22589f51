"""Two hosts on a cable, a WireGuard implementation on each, configured with wg(8).

   [a] 192.0.2.1, 2001:db8::1 ──── cable ──── 192.0.2.2, 2001:db8::2 [b]
    └ wg0: 10.9.0.1, fd09::1     the tunnel    wg0: 10.9.0.2, fd09::2 ┘ """
import math
import pathlib
import shutil
import subprocess
import types

from lab import find_program
from peers import find_boringtun
from space import Host, link, make_dir, wait_until

PORT = 51820
OUTER = {4: "192.0.2.{}", 6: "2001:db8::{}"}
INNER = {4: "10.9.0.{}", 6: "fd09::{}"}


def make_key():
    return subprocess.run(["wg", "genkey"], capture_output=True, text=True, check=True).stdout.strip()


def public(key):
    return subprocess.run(["wg", "pubkey"], input=key, capture_output=True, text=True,
                          check=True).stdout.strip()


def command(program, arguments=()):
    """How `program` makes wg0 and stays in the foreground."""
    if program == "mesh-wg":
        return (find_program(program), "-f", *arguments, "wg0")
    if program == "boringtun-cli":
        return (find_boringtun(), "-f", "--disable-drop-privileges", "wg0")
    return (program, "-f", "wg0")


class End(Host):
    """One end: a host whose wg0 is made by `program`: mesh-wg, wireguard-go or boringtun-cli."""

    def __init__(self, lab, name, number, program):
        super().__init__(lab, name)
        self.number, self.program = number, program
        self.key = make_key()
        self.public = public(self.key)
        self.ready_s, self.copies = 20, 0
        self.arguments = ()  # more options of mesh-wg
        self.opener = ()  # what starts the program instead of us

    def outer(self, version):
        return OUTER[version].format(self.number)

    def endpoint(self, version):
        return f"[{self.outer(6)}]:{PORT}" if version == 6 else f"{self.outer(4)}:{PORT}"

    def inner(self, version):
        return INNER[version].format(self.number)

    def up(self, port=PORT):
        """Starts the program in the foreground; wg0 has its key, addresses and is up."""
        self.start("wg", *self.opener, *command(self.program, self.arguments), LOG_LEVEL="verbose")
        wait_until(lambda: self.run("wg", "show", "wg0", check=False).returncode == 0, self.ready_s,
                   f"{self.name}: wg0 of {self.program}")
        self.run("wg", "set", "wg0", "private-key", "/dev/stdin", "listen-port", port, text=self.key)
        self.run("ip", "address", "add", f"{self.inner(4)}/24", "dev", "wg0")
        self.run("ip", "address", "add", f"{self.inner(6)}/64", "dev", "wg0", "nodad")
        self.run("ip", "link", "set", "wg0", "mtu", 1420, "up")

    def down(self):
        self.stop("wg")

    def peer(self, other, *settings, psk=None):
        """Sets the other end as a peer with both of its inner addresses."""
        words = ["wg", "set", "wg0", "peer", other.public, "allowed-ips",
                 f"{other.inner(4)}/32,{other.inner(6)}/128", *settings]
        if psk is None:
            self.run(*words)
        else:
            self.run(*words, "preshared-key", "/dev/stdin", text=psk)

    def forget(self, other):
        self.run("wg", "set", "wg0", "peer", other.public, "remove")

    def shown(self, other):
        """The peer as `wg show wg0 dump` has it."""
        for line in self.run("wg", "show", "wg0", "dump").stdout.splitlines()[1:]:
            words = line.split("\t")
            if words[0] == other.public:
                return types.SimpleNamespace(
                    psk=words[1], endpoint=words[2], allowed_ips=sorted(words[3].split(",")),
                    handshake=int(words[4]), rx=int(words[5]), tx=int(words[6]),
                    keepalive=words[7])
        raise LookupError(f"{self.name}: no such peer")

    def pings(self, other, version, size=56, limit_s=10):
        """Pings once through the tunnel, waits so long for the answer. Returns whether it came.
        (Of several pings, the last one would be waited for only a few round trips.)"""
        return self.run("ping", f"-{version}", "-n", "-q", "-c", 1, "-s", size, "-W", limit_s,
                        other.inner(version), check=False).returncode == 0

    def missed(self, other, version, count, interval_s=None):
        """Which of many pings through the tunnel had no answer. Late is not lost: it goes on until as many answers
        are there. Without an interval each waits for the answer of the one before, or 10 ms: so many at once would
        overflow queues while a program in between gets no processor."""
        pace = ("-A",) if interval_s is None else ("-i", interval_s)
        most_s = math.ceil(2 * count * (interval_s or 0.01)) + 60
        done = self.run("ping", f"-{version}", "-n", "-c", count, *pace, "-w", most_s,
                        other.inner(version), check=False, limit_s=2 * most_s)
        came = {int(word.split("=")[1]) for word in done.stdout.split() if word.startswith("icmp_seq=")}
        return [number for number in range(1, count + 1) if number not in came]

    def reaches(self, other, limit_s=20.0):
        """Waits until one ping of each family comes back."""
        for version in (4, 6):
            wait_until(lambda v=version: self.pings(other, v, limit_s=2), limit_s,
                       f"{self.name} ({self.program}) pings {other.name} ({other.program}) over "
                       f"inner IPv{version}")


class Pair:
    """with Pair("mesh-wg", "wireguard-go") as (a, b): the ends, cabled; nothing runs yet."""

    def __init__(self, program_a, program_b):
        self.lab = types.SimpleNamespace(dir=make_dir())
        self.a = End(self.lab, "a", 1, program_a)
        self.b = End(self.lab, "b", 2, program_b)
        link(self.a, "eth0", self.b, "eth0")
        for end in (self.a, self.b):
            end.run("ip", "address", "add", f"{end.outer(4)}/24", "dev", "eth0")
            end.run("ip", "address", "add", f"{end.outer(6)}/64", "dev", "eth0", "nodad")

    def __enter__(self):
        return self.a, self.b

    def __exit__(self, kind, *rest):
        if kind is not None:
            for end in (self.a, self.b):
                print(f"---- {end.name}: {end.program}\n{end.log('wg')}", flush=True)
        for end in (self.a, self.b):
            end.close()
        shutil.rmtree(self.lab.dir, ignore_errors=True)


def copy_through(sender, receiver, version, n_bytes=4_000_000):
    """Sends n_bytes by TCP through the tunnel; asserts that they arrive unchanged."""
    script = pathlib.Path(sender.lab.dir / "copy.py")
    script.write_text("""
import hashlib, socket, sys
role, addr, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
family = socket.AF_INET6 if ":" in addr else socket.AF_INET
if role == "receive":
    s = socket.create_server((addr, 7000), family=family)
    print("listening", flush=True)
    c, _ = s.accept()
    h, got = hashlib.sha256(), 0
    while part := c.recv(65536):
        h.update(part); got += len(part)
    print(got, h.hexdigest(), flush=True)
else:
    data = bytes(i * 7 % 251 for i in range(65521))
    data = (data * (n // len(data) + 1))[:n]
    c = socket.create_connection((addr, 7000), 60)
    c.sendall(data); c.close()
    print(n, hashlib.sha256(data).hexdigest(), flush=True)
""")
    args = ("python3", script)
    address = receiver.inner(version)
    receiver.start("copy", *args, "receive", address, n_bytes)
    wait_until(lambda: receiver.log("copy").count("listening") > receiver.copies, 10,
               "receiver of the copy")
    receiver.copies += 1
    want = sender.run(*args, "send", address, n_bytes).stdout.strip()
    receiver.processes.pop("copy").wait(timeout=90)
    got = receiver.log("copy").split("listening\n")[-1].strip()
    assert got == want, f"copied {got!r}, sent {want!r}"
