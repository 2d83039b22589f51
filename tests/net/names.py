"""What tests of names share: a name server of the internet, a DNS client, resolv.conf as it is."""
import socket
import struct

from lab import REPO, wait_until

ANSWER = "192.0.2.80"  # what the internet's server says of every name that ends in .example
AGAIN, EACH_S = 8, 5  # questions, and how long each is waited for
POLKITD = "/usr/lib/polkit-1/polkitd"
TYPES = {"A": 1, "NS": 2, "SOA": 6, "PTR": 12, "AAAA": 28, "TXT": 16, "ANY": 255}

UPSTREAM = """
import socket, struct, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((sys.argv[1], 53))
print("ready", flush=True)
while True:
    query, seen = s.recvfrom(4096)
    at, labels = 12, []
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode(errors="replace").lower())
        at += 1 + query[at]
    kind = struct.unpack_from("!H", query, at + 1)[0]
    name = ".".join(labels)
    print("asked", name, kind, flush=True)
    ours = name.endswith(".example")
    rows = b"\\xc0\\x0c\\0\\1\\0\\1\\0\\0\\0\\1\\0\\4" + socket.inet_aton(sys.argv[2]) \\
        if ours and kind == 1 else b""
    head = query[:2] + struct.pack("!HHHHH", 0x8180 | (0 if ours else 3), 1, bool(rows), 0, 0)
    s.sendto(head + query[12:at + 5] + rows, seen)
"""

ASK = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
query = bytes.fromhex(sys.argv[3])
if sys.argv[2] == "tcp":
    s = socket.create_connection((sys.argv[1], 53), 30)
    s.sendall(len(query).to_bytes(2, "big") + query)
    f = s.makefile("rb")
    print(f.read(int.from_bytes(f.read(2), "big")).hex())
else:
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.settimeout(float(sys.argv[4]))
    s.sendto(query, (sys.argv[1], 53))
    try:
        print(s.recv(4096).hex())
    except (socket.timeout, ConnectionError):
        print("none")
"""


class Upstream:
    """The name server that a provider gives its customers; notes what it is asked."""

    def __init__(self, lab):
        self.host = lab.host("dns")
        self.ip4, self.forgiven = self.host.ip4, 0
        self.host.start("dns", "python3", "-c", UPSTREAM, self.ip4, ANSWER)
        wait_until(lambda: "ready" in self.host.log("dns"), 10, "name server")

    def asked(self):
        return [line.split()[1] for line in self.host.log("dns").splitlines()
                if line.startswith("asked")]

    def leaked(self):
        """Names of meshes that were asked of it; there should be none."""
        return [name for name in self.asked()[self.forgiven:] if name.endswith(".mesh")]

    def forgive(self, host):
        """A name is asked while meshd does not answer: it is not found, and goes where all go."""
        assert not self.leaked(), self.leaked()
        wait_until(lambda: getent(host, "ahostsv4", "nas.home.mesh") == [], 10, "the name is gone")
        self.forgiven = len(self.asked())


def make_query(name, kind):
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split(".") if part)
    return struct.pack("!HHHHHH", 0x4d31, 0x0100, 1, 0, 0, 0) + labels + b"\0" + \
        struct.pack("!HH", TYPES[kind], 1)


def ask(host, server, name, kind="A", over="udp", limit_s=None):
    """Asks a server from a host: (response code, answers) or None. Answers are raw data in hex. Without a limit it
    asks again, as everybody does whose question or answer may be lost."""
    reply = send(host, server, make_query(name, kind), over, limit_s)
    if reply is None:
        return None
    code, count = reply[3] & 15, struct.unpack_from("!H", reply, 6)[0]
    at = len(make_query(name, kind))
    rows = []
    for _ in range(count):
        while reply[at]:
            at += 2 if reply[at] >= 0xc0 else 1 + reply[at]
            if reply[at - 2] >= 0xc0:
                break
        length = struct.unpack_from("!H", reply, at + 8)[0]
        rows.append(reply[at + 10:at + 10 + length].hex())
        at += 10 + length
    return code, rows


def send(host, server, query, over="udp", limit_s=None):
    """Sends bytes as they are: the reply, or None. Without a limit again and again."""
    for _ in range(1 if limit_s else AGAIN):
        text = host.run("python3", "-c", ASK, server, over, query.hex(), limit_s or EACH_S).stdout.strip()
        if text != "none":
            return bytes.fromhex(text)
    return None


def packed(address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.inet_pton(family, address).hex()


def getent(host, *words):
    """Addresses or names that the C library finds, as every program of the host does."""
    done = host.run("getent", *words, check=False, limit_s=40)
    return sorted({line.split()[0 if words[0] != "hosts" or ":" not in words[1] else 1]
                   for line in done.stdout.splitlines()}) if done.returncode == 0 else []


def look(host):
    """All that there is to know of resolv.conf: kind, mode, owner, time, content or target."""
    return host.sh("if [ -L /etc/resolv.conf ]; then readlink /etc/resolv.conf; "
                   "else stat -c '%F %a %u %g %y' /etc/resolv.conf; cat /etc/resolv.conf; fi"
                   ).stdout


def left_over(host):
    """Files beside resolv.conf that should not be there after a stop."""
    return host.sh("ls -A /etc | grep meshd; ls -A /var/lib/mesh | grep resolv; true").stdout.split()


def start_polkit(b, policy):
    """The real polkitd, with the actions in a file and the rules that we ship."""
    b.run("sh", "-ec", f"""
        mkdir -p /run/actions /run/rules /run/no-rules
        for dir in seats sessions users machines; do mkdir -p /run/systemd/$dir; done
        cp {policy} {REPO}/data/polkit/*.policy /run/actions/
        cp {REPO}/data/polkit/*.rules /run/rules/
        chmod -R a+rX /run/actions /run/rules /run/no-rules
        mount --bind /run/actions /usr/share/polkit-1/actions
        mount --bind /run/rules /usr/share/polkit-1/rules.d
        mount --bind /run/no-rules /etc/polkit-1/rules.d""")
    b.start("polkitd", POLKITD)
    wait_until(lambda: "org.freedesktop.PolicyKit1" in b.run("busctl", "list").stdout, 10,
               "polkitd on the bus")
