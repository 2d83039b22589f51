"""mesh-wg as a program: returns to the shell when it is ready, refuses what cannot be, ends cleanly in
every way; wg(8) sets and reads all it knows; two of them carry traffic."""
import os
import shutil
import signal
import subprocess

from lab import find_program
from space import need, wait_until
from wgpair import PORT, Pair, copy_through, make_key, public

need("wg")
PROGRAM = find_program("mesh-wg")
SOCKET = "/var/run/wireguard/{}.sock"


def links(host):
    return host.run("ls", "/sys/class/net").stdout.split()


def pids(host):
    """Of the mesh-wg processes that run in this host's network."""
    ours = os.readlink(f"/proc/{host.holder.pid}/ns/net")
    found = []
    for entry in os.listdir("/proc"):
        try:
            if entry.isdigit() and os.readlink(f"/proc/{entry}/ns/net") == ours and \
                    open(f"/proc/{entry}/comm", encoding="utf-8").read() == "mesh-wg\n":
                found.append(int(entry))
        except OSError:
            pass
    return found


def is_gone(host, name):
    return name not in links(host) and not pids(host) and \
        host.run("test", "-e", SOCKET.format(name), check=False).returncode != 0


def start(host, name="wg1"):
    """In the background: the very next command may use it."""
    host.run(PROGRAM, name)
    host.run("wg", "show", name)
    assert name in links(host)
    mode = host.run("stat", "-c", "%a %F", SOCKET.format(name)).stdout.strip()
    assert mode == "600 socket", mode


def test_usage(host):
    done = host.run(PROGRAM, "--version")
    assert done.stdout.startswith("mesh-wg ") and done.stderr == ""
    assert "INTERFACE" in host.run(PROGRAM, "--help").stdout
    for words in ([], ["wg1", "wg2"], ["--nonsense"], ["a/b"], ["sixteen-letters-"], [""], [".."]):
        done = host.run(PROGRAM, *words, check=False)
        assert done.returncode == 2 and "mesh-wg" in done.stderr, (words, done)
    done = host.run("env", "LOG_LEVEL=loud", PROGRAM, "wg1", check=False)
    assert done.returncode == 2 and "LOG_LEVEL" in done.stderr
    assert not pids(host) and "wg1" not in links(host)


def test_endings(host):
    endings = {
        "SIGTERM": lambda: os.kill(pids(host)[0], signal.SIGTERM),
        "SIGINT": lambda: os.kill(pids(host)[0], signal.SIGINT),
        "the interface deleted": lambda: host.run("ip", "link", "delete", "wg1"),
        "the socket removed": lambda: host.run("rm", SOCKET.format("wg1")),
    }
    for name, end in endings.items():
        start(host)
        assert len(pids(host)) == 1
        end()
        wait_until(lambda: is_gone(host, "wg1"), 10, name)
        print(f"ok: ends by {name}", flush=True)


def test_made_anew(host):
    """Deleted and made again in one breath: the port is free for the successor."""
    script = f"""{PROGRAM} wg1 && wg set wg1 listen-port {PORT} && ip link set wg1 up
        for i in $(seq 20); do
            ip link delete wg1 && {PROGRAM} wg1 && wg set wg1 listen-port {PORT} &&
                ip link set wg1 up || exit 1
        done"""
    host.run("sh", "-c", script)
    wait_until(lambda: len(pids(host)) == 1, 10, "no predecessor is left")
    host.run("wg", "show", "wg1")
    host.run("ip", "link", "delete", "wg1")
    wait_until(lambda: is_gone(host, "wg1"), 10, "the end")
    print("ok: deleted and made anew, twenty times", flush=True)


def test_refusals(host):
    start(host)
    done = host.run(PROGRAM, "wg1", check=False)
    assert done.returncode == 1 and "exists already" in done.stderr, done
    host.run("wg", "show", "wg1") # the first one lives on
    os.kill(pids(host)[0], signal.SIGKILL)
    wait_until(lambda: not pids(host) and "wg1" not in links(host), 10, "killed")
    host.run("test", "-S", SOCKET.format("wg1")) # stale
    start(host) # and replaced
    host.run("mv", SOCKET.format("wg1"), SOCKET.format("wg2"))
    wait_until(lambda: not pids(host) and "wg1" not in links(host), 10, "ends when the socket is moved away")
    host.run("rm", SOCKET.format("wg2"))
    host.run("mkdir", "-p", SOCKET.format("wg1"))
    done = host.run(PROGRAM, "wg1", check=False)
    assert done.returncode == 1 and "wg1.sock" in done.stderr, done
    assert "wg1" not in links(host)
    host.run("rmdir", SOCKET.format("wg1"))
    done = host.run("setpriv", "--bounding-set", "-all", "--inh-caps", "-all", PROGRAM, "wg1", check=False)
    assert done.returncode == 1 and "CAP_NET_ADMIN" in done.stderr, done
    print("ok: refuses what cannot be, and says why", flush=True)


def test_settings(host):
    start(host)
    key, other, psk = make_key(), public(make_key()), make_key()
    config = f"""[Interface]
ListenPort = {PORT}
FwMark = 0x1234
PrivateKey = {key}

[Peer]
PublicKey = {other}
PresharedKey = {psk}
AllowedIPs = 10.0.0.0/8, fd00::/8
Endpoint = [2001:db8::7]:1234
PersistentKeepalive = 30
"""
    host.run("wg", "setconf", "wg1", "/dev/stdin", text=config)
    shown = host.run("wg", "showconf", "wg1").stdout
    assert sorted(shown.replace(", ", ",").split()) != [] and key in shown and psk in shown
    for line in ("ListenPort = 51820", "FwMark = 0x1234", "Endpoint = [2001:db8::7]:1234",
                 "PersistentKeepalive = 30"):
        assert line in shown, (line, shown)
    host.run("wg", "setconf", "wg1", "/dev/stdin", text=shown)
    assert host.run("wg", "showconf", "wg1").stdout == shown, "what it says, it takes"

    host.run("wg", "set", "wg1", "peer", other, "allowed-ips", "10.1.0.0/16")
    assert "10.1.0.0/16" in host.run("wg", "show", "wg1", "allowed-ips").stdout
    more = public(make_key())
    host.run("wg", "set", "wg1", "peer", more, "allowed-ips", "10.1.0.0/16,10.2.0.0/16")
    lines = dict(line.split("\t") for line in
                 host.run("wg", "show", "wg1", "allowed-ips").stdout.splitlines())
    assert lines[other] == "(none)", "an address has one owner"
    assert sorted(lines[more].split()) == ["10.1.0.0/16", "10.2.0.0/16"]
    host.run("wg", "set", "wg1", "peer", public(key), "allowed-ips", "10.3.0.0/16")
    assert public(key) not in host.run("wg", "show", "wg1", "peers").stdout, "nobody is his own peer"
    host.run("wg", "set", "wg1", "peer", more, "remove")
    assert more not in host.run("wg", "show", "wg1", "peers").stdout
    print("ok: wg set, setconf, showconf, show", flush=True)


def test_all_or_nothing(host):
    """A set that fails changes nothing; the port of another program is an error that says so."""
    taken = subprocess.Popen(host.argv("python3", "-c", "import socket, time\n"
                             "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
                             "s.bind(('0.0.0.0', 5555)); print('bound', flush=True)\n"
                             "time.sleep(600)"), stdout=subprocess.PIPE)
    taken.stdout.readline()
    before = host.run("wg", "showconf", "wg1").stdout
    done = host.run("wg", "set", "wg1", "fwmark", "77", "listen-port", 5555, "peer",
                    public(make_key()), check=False)
    assert done.returncode != 0 and "in use" in done.stderr, done
    assert host.run("wg", "showconf", "wg1").stdout == before
    taken.kill()
    taken.wait()
    print("ok: a set counts whole or not at all", flush=True)


def test_many(host):
    """Thousands of peers and allowed IPs, in one request and back."""
    keys = [public(make_key()) for _ in range(40)]
    config = "[Interface]\nListenPort = 51820\n" + "".join(
        f"[Peer]\nPublicKey = {key}\nAllowedIPs = " +
        ", ".join(f"10.{i}.{n}.0/24, fd00:{i:x}:{n:x}::/48" for n in range(250)) + "\n"
        for i, key in enumerate(keys))
    host.run("wg", "setconf", "wg1", "/dev/stdin", text=config)
    lines = host.run("wg", "show", "wg1", "allowed-ips").stdout.splitlines()
    assert len(lines) == 40 and all(len(line.split()) == 501 for line in lines)
    os.kill(pids(host)[0], signal.SIGTERM)
    wait_until(lambda: is_gone(host, "wg1"), 10, "the end")
    print("ok: 40 peers with 20000 allowed IPs", flush=True)


TUN_OPENER = """
import fcntl, os, struct, sys
tun = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tun, 0x400454CA, struct.pack("16sH22x", b"given", 0x1001)) # TUNSETIFF: TUN, NO_PI
os.set_inheritable(tun, True)
os.environ["WG_TUN_FD"] = str(tun)
os.execv(sys.argv[1], sys.argv[1:])
"""


def test_given_tun(host):
    """$WG_TUN_FD: an interface that somebody else opened; the socket bears its real name."""
    host.run("python3", "-c", TUN_OPENER, PROGRAM, "whatever")
    host.run("wg", "set", "given", "listen-port", PORT)
    os.kill(pids(host)[0], signal.SIGTERM)
    wait_until(lambda: is_gone(host, "given"), 10, "the end")
    done = host.run("env", "WG_TUN_FD=0", PROGRAM, "wg1", check=False)
    assert done.returncode == 1 and "WG_TUN_FD=0" in done.stderr, done
    print("ok: a given TUN descriptor", flush=True)


def test_traffic():
    with Pair("mesh-wg", "mesh-wg") as (a, b):
        a.up()
        b.up()
        psk = make_key()
        a.peer(b, "endpoint", b.endpoint(6), psk=psk)
        b.peer(a, psk=psk)
        a.reaches(b)
        for size in range(0, 1393, 87):
            assert b.pings(a, 4, size=size) and a.pings(b, 6, size=size)
        assert a.missed(b, 4, count=2000) == []
        copy_through(a, b, 6, 40_000_000)
        copy_through(b, a, 4, 40_000_000)
        handshake = a.shown(b).handshake
        wait_until(lambda: a.run("date", "+%s").stdout.strip() != str(handshake), 5)
        new_key = make_key() # a new private key: new sessions at once
        b.run("wg", "set", "wg0", "peer", public(new_key), "allowed-ips",
              f"{a.inner(4)}/32,{a.inner(6)}/128", "preshared-key", "/dev/stdin", text=psk)
        a.run("wg", "set", "wg0", "private-key", "/dev/stdin", text=new_key)
        a.reaches(b)
        assert a.shown(b).handshake > handshake
        print("ok: two of them, every size, 80 MB, a new private key", flush=True)


def test_wg_quick():
    """wg-quick takes us where the kernel has no WireGuard of its own."""
    if shutil.which("wg-quick") is None:
        print("skipped: wg-quick is not there", flush=True)
        return
    with Pair("mesh-wg", "mesh-wg") as (a, b):
        b.up()
        b.peer(a)
        config = f"""[Interface]
PrivateKey = {a.key}
Address = {a.inner(4)}/24, {a.inner(6)}/64
[Peer]
PublicKey = {b.public}
AllowedIPs = {b.inner(4)}/32, {b.inner(6)}/128
Endpoint = {b.endpoint(4)}
"""
        a.run("sh", "-c", "umask 077; cat >/run/wg0.conf", text=config)
        quick = ("env", f"WG_QUICK_USERSPACE_IMPLEMENTATION={PROGRAM}", "wg-quick")
        done = a.run(*quick, "up", "/run/wg0.conf")
        if f"[#] {PROGRAM} wg0" not in done.stderr:
            print("skipped: the kernel has WireGuard, wg-quick takes that", flush=True)
            return
        a.reaches(b)
        a.run(*quick, "down", "/run/wg0.conf")
        wait_until(lambda: is_gone(a, "wg0"), 10, "the end")
        print("ok: wg-quick up, down", flush=True)


with Pair("mesh-wg", "mesh-wg") as (one, _):
    test_usage(one)
    test_endings(one)
    test_made_anew(one)
    test_refusals(one)
    test_settings(one)
    test_all_or_nothing(one)
    test_many(one)
    test_given_tun(one)
test_wg_quick()
test_traffic()
