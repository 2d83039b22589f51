"""A program on the bus that misbehaves: other callers are answered, the tunnel goes on, and nothing of it stays.

   [a] meshd and programs of users on its bus ══ internet ══ [b]        [server] mesh.example"""
import pathlib
import subprocess
import threading

from lab import Lab, need, wait_until

NAME, ROOT = "org.meshvpn.Mesh1", "/org/meshvpn/Mesh1"
FLOOD = pathlib.Path(__file__).resolve().with_name("dbusflood.py")
LIMIT_S = 300 # ends a hang only
BAD = 64511 # the user that misbehaves
AS_BAD = ("setpriv", "--reuid", BAD, "--regid", BAD, "--clear-groups")
AS_NOBODY = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")
ANSWERS = 10 # that each of the others gets while it goes on
MORE_KIB = 40 << 10 # that the daemon may hold afterwards: heaps of the allocator


class Abuser:
    def __init__(self, node, path, role, least):
        self.process = subprocess.Popen(node.argv(*AS_BAD, "/usr/bin/python3", FLOOD, path, role, least), text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.says("begins")

    def says(self, word):
        """Waits for a line of it."""
        limit = threading.Timer(LIMIT_S, self.process.kill) # which ends the line, too
        limit.start()
        line = self.process.stdout.readline()
        limit.cancel()
        assert line == word + "\n", f"it says {line!r} within {LIMIT_S} s, not {word!r}: nothing was refused, or it died"

    def end(self):
        """(messages sent, answers LimitsExceeded), once there were enough of both"""
        self.says("enough")
        said, _ = self.process.communicate("\n", timeout=LIMIT_S)
        return tuple(map(int, said.split()))


class Pings:
    """Through the tunnel, until stopped."""

    def __init__(self, node, address):
        self.node, self.address, self.lost, self.sent, self.stopped = node, address, 0, 0, False
        self.gaps = 0 # fives of which none came back
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.stopped:
            done = self.node.ping(self.address, count=5, limit_s=30) # late is not lost
            self.sent, self.lost = self.sent + done.sent, self.lost + done.lost
            self.gaps += done.lost == done.sent

    def stop(self):
        self.stopped = True
        self.thread.join()


def resident_kib(node):
    status = node.run("cat", f"/proc/{node.processes['meshd'].pid}/status").stdout
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])


def ask(node, path, *as_user):
    done = node.run(*as_user, "busctl", "--timeout=60", "call", NAME, path, NAME + ".Network", "ListPeers", "su", "", "0",
                    check=False)
    assert done.returncode == 0 and '"b"' in done.stdout, done


def abuse(lab, a, path, role, least):
    abuser, pings = Abuser(a, path, role, least), Pings(a, lab.far)
    try:
        for _ in range(ANSWERS):
            ask(a, path, *AS_NOBODY)
            ask(a, path)
            a.mesh("status")
        wait_until(lambda: pings.sent >= 20, LIMIT_S, "pings")
        during = resident_kib(a)
        sent, refused = abuser.end()
    finally:
        pings.stop()
    print(f"# {role}: {sent} messages, {refused} refused, {during} KiB resident, {pings.lost} of {pings.sent} pings lost", flush=True)
    assert pings.gaps == 0, (role, pings.sent, pings.lost)
    assert sent >= least and refused > 0, (role, sent, refused)


def main():
    need("busctl", "setpriv", "dbus-daemon")
    with Lab(users={"bad": BAD}) as lab:
        a, b = lab.node("a", v6=False), lab.node("b", v6=False)
        text = lab.server.setup("home")
        lab.server.up()
        a.up()
        b.up()
        a.join(text)
        b.join(lab.server.key("home"))
        lab.far = b.addresses()[4]
        a.reaches(lab.far)
        a.wait_until(lambda n: n.peer("b").path == "direct", LIMIT_S)
        path = f"{ROOT}/network/{a.network().id}"
        before, pid = resident_kib(a), a.processes["meshd"].pid
        for role, least, told in (
                ("calls", 1000, "thousands of calls of every kind, some of which want no answer"),
                ("huge", 10, "arguments of megabytes"),
                ("vanish", 200, "calls of programs that are gone before the answer")):
            abuse(lab, a, path, role, least)
            lab.ok(f"{told}: root and another user are answered meanwhile, the tunnel goes on, and the caller is "
                   "told LimitsExceeded")
        wait_until(lambda: resident_kib(a) <= before + MORE_KIB, LIMIT_S, "the memory of before")
        ask(a, path, *AS_BAD)
        assert a.runs("meshd") and a.processes["meshd"].pid == pid
        lab.ok("afterwards its memory is bounded, and the user that misbehaved is answered as before")


main()
