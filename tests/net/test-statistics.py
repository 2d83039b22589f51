"""Counters for who watches, and nobody else; how a peer was reached; what the daemon says it can.

   [a] meshd and the programs that watch ══ internet ══ [b]        [server] mesh.example"""
import json
import pathlib
import queue
import subprocess
import threading

from lab import Lab, need, wait_until

NAME, ROOT = "org.meshvpn.Mesh1", "/org/meshvpn/Mesh1"
ERROR = NAME + ".Error."
SCRIPT = pathlib.Path(__file__).resolve().with_name("statwatch.py")
LIMIT_S = 120 # ends a hang only
USERS, LATE = (64511, 64512, 64513), 64514


class Watcher:
    """A program on the bus of @node, of user @uid."""

    def __init__(self, node, path, uid=0):
        as_user = ("setpriv", "--reuid", uid, "--regid", uid, "--clear-groups") if uid else ()
        self.process = subprocess.Popen(node.argv(*as_user, "/usr/bin/python3", SCRIPT, path), text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.answers, self.signals = queue.Queue(), []
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            if line.startswith("{"):
                self.signals.append(json.loads(line))
            else:
                self.answers.put(line.strip())

    def call(self, *words):
        """"ok", or the name of an error. Signals of before are forgotten."""
        self.signals.clear()
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        return self.answers.get(timeout=LIMIT_S).removeprefix("error ")

    def wait(self, condition, what):
        """The first signal with that."""
        return wait_until(lambda: next((s for s in list(self.signals) if condition(s)), None), LIMIT_S, what)

    def leave(self):
        self.process.kill()
        self.process.wait()


def node_key(node, peer):
    return next(row["node"] for row in node.json("peers")["peers"] if row["name"] == peer)


def totals(lab, a, b, path, key):
    one, other = Watcher(a, path), Watcher(a, path)
    assert one.call("watch", "-", 250) == "ok"
    first = one.wait(lambda s: key in s["peers"], "the counters of b")
    assert first["path"] == path
    b.ping(a.addresses()[4], count=5)
    wait_until(lambda: a.ping(b.addresses()[4], count=5).lost == 0, LIMIT_S, "five answers")
    grown = one.wait(lambda s: key in s["peers"] and s["peers"][key][0] >= first["peers"][key][0] + 500
                     and s["tx"] >= first["tx"] + 400 and s["rx"] >= first["rx"] + 400, "grown counters")
    assert grown["time"] > first["time"] and grown["peers"][key][3] > 1_000_000_000, grown
    assert not other.signals
    lab.ok("who watches gets totals and the peers that changed; another program of the same user gets nothing")
    return one, other


def quiet(lab, a, one):
    """Without traffic there is one signal that says so; keepalives end it, so it is looked for, not waited out."""
    one.signals.clear()
    still = one.wait(lambda s: not s["peers"], "a signal without news")
    later = one.signals[one.signals.index(still) + 1:]
    assert all(s["peers"] or s["rx"] > still["rx"] or s["tx"] > still["tx"] for s in later[:1]), (still, later)
    lab.ok("a signal without any change comes once")
    assert one.call("unwatch") == "ok" and one.call("unwatch") == "ok"
    wait_until(lambda: a.ping(lab.far, count=3).lost == 0, LIMIT_S, "three answers")
    assert not one.signals, one.signals
    lab.ok("after Unwatch none comes")


def one_peer(lab, a, one, key):
    assert one.call("watch", "b", 250) == "ok"
    one.wait(lambda s: key in s["peers"], "the counters of b")
    assert one.call("watch", lab.far, 250) == "ok"
    one.wait(lambda s: list(s["peers"]) == [key], "the same by its address")
    assert one.call("watch", "nobody", 250) == ERROR + "NotFound"
    for wrong in (249, 60001):
        assert one.call("watch", "-", wrong) == ERROR + "InvalidArgument"
    lab.ok("one peer by name or address; what is wrong is refused")
    a.mesh("down")
    one.wait(lambda s: s["rx"] == 0 and s["tx"] == 0, "totals of a network that is down")
    assert one.call("watch", "b", 250) == ERROR + "Unreachable"
    a.mesh("up")
    assert one.call("watch", "-", 250) == "ok"
    one.wait(lambda s: key in s["peers"], "the counters of b, after it came up")
    lab.ok("over down and up of the network")


def bounds(lab, a, path, one):
    """@one is a ninth program, of root."""
    crowd = [Watcher(a, path, uid) for uid in USERS for _ in range(9)]
    answers = [watcher.call("watch", "-", 1000) for watcher in crowd]
    assert answers == (["ok"] * 8 + [ERROR + "LimitsExceeded"]) * 3, answers
    assert one.call("watch", "-", 500) == "ok" # again is not one more
    own = [Watcher(a, path) for _ in range(8)]
    assert [watcher.call("watch", "-", 1000) for watcher in own] == ["ok"] * 7 + [ERROR + "LimitsExceeded"]
    lab.ok("a user's programs are eight at most, and leave the others their places")
    late = Watcher(a, path, LATE)
    assert late.call("watch", "-", 1000) == ERROR + "LimitsExceeded"
    assert crowd[0].call("unwatch") == "ok"
    assert late.call("watch", "-", 1000) == "ok"
    for watcher in crowd[9:11]:
        watcher.leave()
    wait_until(lambda: crowd[17].call("watch", "-", 1000) == "ok", LIMIT_S, "room after two programs left the bus")
    lab.ok("32 programs watch a network at most; who stops or leaves the bus makes room")
    for watcher in crowd + own + [late]:
        watcher.leave()


def history(lab, a, b, path):
    said = a.run("busctl", "--json=short", "call", NAME, path, NAME + ".Network", "PathHistory", "s", "b").stdout
    steps = json.loads(said)["data"][0]
    assert steps[0][1] not in ("none", "idle"), steps # connecting, unless the relay was there as soon as the peer
    assert all(not step[3] for step in steps if step[1] in ("none", "idle", "connecting")), steps
    assert any(step[1] == "direct" and step[3].startswith(b.ip4 + ":") for step in steps), steps
    assert any(step[1] == "none" for step in steps), steps # the network was down once
    assert [step[0] for step in steps] == sorted(step[0] for step in steps) and len(steps) <= 64
    wrong = a.run("busctl", "call", NAME, path, NAME + ".Network", "PathHistory", "s", "nobody", check=False)
    assert wrong.returncode != 0 and "no peer has this name" in wrong.stderr, wrong.stderr
    def same(): # nothing changes between the two
        said = a.run("busctl", "--json=short", "call", NAME, path, NAME + ".Network", "PathHistory", "s", "b").stdout
        shown = a.json("history", "b")["steps"]
        return [[step["path"], step["relay"], step["endpoint"]] for step in shown] == [
            step[1:] for step in json.loads(said)["data"][0]]
    wait_until(same, LIMIT_S, "mesh history shows what the bus says")
    text = a.mesh("history", "b").stdout
    assert "direct" in text and b.ip4 in text, text
    assert a.mesh("history", "nobody", check=False).returncode == 3
    lab.ok("PathHistory, and mesh history: how the peer was reached, oldest first")


def features(lab, a):
    said = a.run("busctl", "--json=short", "get-property", NAME, ROOT, NAME + ".Daemon", "ApiVersion", "Features").stdout
    version, names = (json.loads(line)["data"] for line in said.splitlines())
    assert version >= 1 and names == sorted(names), (version, names)
    assert {"networks", "statistics", "path-history", "ping", "why", "netcheck"} <= set(names), names
    lab.ok("the daemon says what it can")


def main():
    need("busctl", "dbus-daemon", "setpriv")
    with Lab(users={f"user{uid}": uid for uid in (*USERS, LATE)}) as lab:
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
        key = node_key(a, "b")
        features(lab, a)
        one, other = totals(lab, a, b, path, key)
        quiet(lab, a, one)
        one_peer(lab, a, one, key)
        bounds(lab, a, path, one)
        assert not other.signals
        a.reaches(lab.far)
        a.wait_until(lambda n: n.peer("b").path == "direct", LIMIT_S)
        history(lab, a, b, path)
        one.leave()
        other.leave()


main()
