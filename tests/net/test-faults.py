"""Every part is killed, or loses all memory, at random moments, in the middle of joins, leaves, keys and
registrations; after each round, what must hold is checked by one function.

   [a], [b] members   [c] joins and leaves   ══ internet, with a tap ══   [server] mesh.example
   [crowd] registers by HTTP, throws bad input at all of them, repeats what the tap heard

MESH_SEED=N repeats the choices of a run; MESH_MINUTES=N goes on that long (`./run soak N`)."""
import base64
import json
import os
import pathlib
import random
import re
import sys
import threading
import time

from lab import Lab, wait_until
from router import outer_dev

HERE = pathlib.Path(__file__).resolve().parent
KILLS = 50          # at least, without MESH_MINUTES
RACERS, RACES = 1000, 8
BACK_S = 180        # a limit for a loaded machine; what it took is printed
WORK_S = 600        # the same of what goes on meanwhile
LOOK = """
ip -br link; ip -br addr; ip -4 route show table all; ip -6 route show table all; ip -4 rule; ip -6 rule
nft list ruleset"""
WORD_PORT = 9009  # of datagrams through the mesh that are to come once
WORDS, WORD_BYTES = 5, 700 # so many of them are heard on the way, and known there by their length
LOST_S = 10       # one that has not come by then has fallen
STRANGERS = 20000   # junk datagrams of a stranger, and
CALLS = 300         # connections that say nothing of sense
RETAINED_KIB = 512  # that such a flood may leave once tables are full: less than its datagrams hold
FLOODS = 8          # in which they are full
PROBES = 60         # questions to a program that is to run out of memory
STARVE = "/run/programs/tests/faults/libstarve.so" # as a host sees the build directory
EAR = """
import socket, sys
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
s.bind((sys.argv[1], int(sys.argv[2])))
print("ready", flush=True)
while True:
    print(s.recv(2000).decode().rstrip("."), flush=True)
"""
MOUTH = """
import socket, sys
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
s.sendto(sys.argv[3].ljust(int(sys.argv[4]), ".").encode(), (sys.argv[1], int(sys.argv[2])))
"""
FLOOD = """
import base64, hashlib, os, socket, sys
datagrams, calls, host = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
for target in sys.argv[4:]:
    address, port, public = target.split(",")
    key = hashlib.blake2s(b"mac1----" + base64.b64decode(public)).digest()
    s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    for n in range(datagrams):
        body = bytes([n % 5, 0, 0, 0]) + os.urandom(112 if n % 5 == 1 else n % 1200)
        if n % 5 == 1: # an initiation whose mac1 is right
            body += hashlib.blake2s(body, key=key, digest_size=16).digest() + bytes(16)
        s.sendto(body, (address, int(port)))
for n in range(calls):
    with socket.create_connection((host, 443), 60) as s:
        s.sendall(os.urandom(200))
"""
CHECK_DB = """
import sqlite3, sys
db = sqlite3.connect("file:/var/lib/mesh-server/mesh.db?mode=ro", uri=True)
print(db.execute("PRAGMA integrity_check").fetchall(), db.execute("PRAGMA foreign_key_check").fetchall())
"""


def look(node):
    """What of the host a VPN may change, one fact a line."""
    return [line for line in node.run("sh", "-c", LOOK).stdout.splitlines()
            if " metric 1024 expires" not in line]


def spellings(secret):
    """The texts by which a secret could show itself."""
    raw = base64.urlsafe_b64decode(secret + "=" * (-len(secret) % 4))
    return {secret, base64.b64encode(raw).decode().rstrip("="), raw.hex()}


class Mesh:
    """The lab, what was acknowledged in it, and what it looked like when all was well."""

    def __init__(self, lab, seed):
        self.lab, self.random = lab, random.Random(seed)
        self.server = lab.server
        self.a, self.b, self.c = (lab.node(name) for name in "abc")
        self.crowd = lab.host("crowd")
        self.parts = [(self.server, "mesh-server"), (self.a, "meshd"), (self.b, "meshd"),
                      (self.c, "meshd")]
        self.kills, self.round, self.slowest_s = 0, 0, 0.0
        self.keys, self.nodes, self.races = set(), set(), []  # acknowledged; links raced for
        self.secrets = set()
        self.c_member = None  # True, False: the last join or leave was acknowledged
        self.starved, self.bad = 0, None
        self.heard_to, self.fresh, self.ways = 0, [], {}  # of the tap's log: bytes, lines nobody took, who is where

    def begin(self):
        link = self.server.setup("home")
        self.secret_of(link)
        self.server.sh("printf '[limits]\\naccept_rate = 10000\\naccept_burst = 10000\\n' "
                       f">> {self.server.config}")
        self.server.up()
        self.bare = {node: look(node) for node in (self.a, self.b, self.c)}
        for node, text in ((self.a, link), (self.b, None), (self.c, None)):
            node.up()
            if node is not self.c:
                node.join(text or self.key())
        self.lab.wan.sh("echo 0 > /proc/sys/net/ipv4/conf/all/rp_filter") # forged sources pass
        self.lab.wan.start("tap", sys.executable, HERE / "wiretap.py", "tap", outer_dev(self.crowd))
        wait_until(lambda: "ready" in self.lab.wan.log("tap"), BACK_S, "the tap listens")
        self.meet()
        self.meet_directly(self.b.addresses()[4])
        self.targets = self.lab.dir / "targets"
        self.aim()
        self.crowd.start("vandal", sys.executable, HERE / "vandal.py", self.key(), self.targets)
        self.full = {node: look(node) for node in (self.a, self.b)}
        self.identity = self.who()

    def secret_of(self, link):
        self.secrets |= spellings(re.search(r"k=([\w-]{22})", link)[1])
        return link

    def key(self):
        made = self.server.json("key", "create", "--network", "home")
        self.keys.add(made.id)
        return self.secret_of(made.link)

    def who(self):
        return [(node.addresses("home"), node.network("home").node_key,
                 node.network("home").public_key) for node in (self.a, self.b)]

    # ---- what goes on while parts are killed; each may be cut off anywhere ----

    def do_nothing(self):
        pass

    def do_join(self):
        if self.c.run("sh", "-c", "ls -A /var/lib/mesh/networks").stdout:
            self.do_leave()
        link = self.links.pop()
        self.c_member = None
        if self.c.join(link, check=False).returncode == 0:
            self.c_member = True

    def do_leave(self):
        self.c_member = None
        if self.c.mesh("leave", "home", check=False).returncode == 0:
            self.c_member = False

    def do_keys(self):
        for _ in range(4):
            made = self.server.ctl("key", "create", "--network", "home", "--json", check=False)
            if made.returncode == 0:
                self.keys.add(json.loads(made.stdout)["id"])
                self.secret_of(made.stdout)

    def do_race(self):
        self.race(self.links, 5)

    def do_down_up(self):
        self.a.mesh("down", "home", check=False)
        self.a.mesh("up", "home", check=False)

    def race(self, links, each):
        """Nodes that race for single-use keys. Returns the answers."""
        prefix = f"r{self.round}x{len(self.races)}" # of this race alone: it may be run again
        done = self.crowd.run(sys.executable, HERE / "crowd.py", prefix, each,
                              text="\n".join(links).replace("mesh.example/", "mesh.example:443/"),
                              limit_s=WORK_S)
        answers = [json.loads(line) for line in done.stdout.splitlines()][1:]
        self.nodes |= {answer["node"] for answer in answers if answer["status"] == 200}
        self.races += [f"{prefix}-{number}-" for number in range(len(links))]
        return answers

    # ---- a round ----

    def kill(self, host, key):
        host.stop(key, kill=True)
        self.kills += 1

    def fault(self):
        """One round of killing. Says what it did."""
        self.round += 1
        doing = self.random.choice([self.do_nothing, self.do_join, self.do_leave, self.do_keys,
                                    self.do_race, self.do_down_up])
        self.links = [self.key() for _ in range(2)]
        victims = self.random.sample(self.parts, self.random.randint(2, 4))
        moments = [self.random.choice([0.002, 0.02, 0.1, 0.4]) * self.random.random()
                   for _ in victims]
        again = self.random.choice((0, 0, 1, 3))
        worker = threading.Thread(target=doing)
        worker.start()
        for (host, key), moment in zip(victims, moments):
            time.sleep(moment) # the moment is the test's input, nothing is waited for
            self.kill(host, key)
        for _ in range(again): # and while it starts
            host, key = victims[0]
            host.launch()
            time.sleep(moments[0])
            self.kill(host, key)
        for host, _ in self.random.sample(victims, len(victims)):
            host.up()
        worker.join(WORK_S)
        assert not worker.is_alive(), f"{doing.__name__} hangs"
        return f"{doing.__name__[3:]}: {', '.join(host.name for host, _ in victims)}" + \
            (f", {victims[0][0].name} again × {again}" if again else "")

    def starve(self):
        """A round without memory: GLib's programs end there, by design. Says what it did."""
        self.round += 1
        doing = self.random.choice([self.do_join, self.do_leave, self.do_keys, self.do_race])
        self.links = [self.key() for _ in range(2)]
        host, key = self.random.choice(self.parts)
        at, times = int(2 ** (7 + 5 * self.random.random())), 1 << 20
        if self.starved > 0: # later, or for a moment, it may survive
            at, times = at * self.random.choice((1, 8)), self.random.choice((1, 1 << 20))
        self.kill(host, key)
        host.launch(LD_PRELOAD=STARVE, MESH_STARVE=key, MESH_STARVE_AT=str(at),
                    MESH_STARVE_FOR=str(times))
        worker = threading.Thread(target=doing)
        worker.start()
        ask = (lambda: host.ctl("status", check=False)) if host is self.server else \
            (lambda: host.mesh("status", "--json", check=False))
        for _ in range(PROBES): # each takes the program further, until that moment
            if not host.runs(key) or (ask().returncode == 0 and not worker.is_alive() and times == 1):
                break
        died = not host.runs(key)
        self.starved += died
        self.kill(host, key)
        host.up()
        worker.join(WORK_S)
        assert not worker.is_alive(), f"{doing.__name__} hangs"
        return f"{doing.__name__[3:]}: {host.name} without memory at {at}, × {times}: " + \
            ("ended" if died else "went on")

    # ---- what must hold ----

    def check(self):
        began = time.monotonic()
        self.settle_c()
        self.meet()
        self.slowest_s = max(self.slowest_s, time.monotonic() - began)
        assert self.who() == self.identity, (self.who(), self.identity)
        self.check_server()
        self.check_hosts()
        self.check_secrets()
        self.check_table()
        self.check_strangers()
        self.check_vandal()

    def meet(self):
        """Every member is connected to the server and reaches the others; nothing comes twice."""
        members = [self.a, self.b] + ([self.c] if self.c.networks() else [])
        self.a.mesh("up", "home")
        for node in members:
            node.wait_until(lambda n: n.network().state == "up" and
                            n.network().server_state == "connected", BACK_S,
                            f"{node.name} is connected again")
        for node in members:
            for other in members:
                if other is not node:
                    node.reaches(other.addresses()[self.random.choice((4, 6))], BACK_S)
        for family in (4, 6):
            seen = self.a.ping(self.b.addresses()[family], count=5).text
            assert "DUP!" not in seen and "duplicates" not in seen, seen

    def settle_c(self):
        """[c] is a member or it is not; what was acknowledged is so."""
        def settled(node):
            found = list(node.networks().values())
            return not found or found[0].state == "removed" or \
                (found[0].state == "up" and found[0].server_state == "connected")
        self.c.wait_until(settled, BACK_S, "c has joined or not")
        found = list(self.c.networks().values())
        if self.c_member is not None:
            assert bool(found) == self.c_member, (self.c_member, found)
        if found and found[0].state != "up":
            assert self.c_member is not True, found
            self.c.mesh("leave", found[0].id)
            assert not self.c.networks()

    def check_server(self):
        """Acknowledged writes are there, nothing is there twice, the database is sound."""
        nodes = self.server.json("node", "list", "--network", "home").nodes
        keys = {key.id: key for key in self.server.json("key", "list", "--network", "home").keys}
        for field in ("node", "name", "wg", "ip4", "ip6", "index"):
            values = [getattr(node, field) for node in nodes if getattr(node, field)]
            assert len(values) == len(set(values)), (field, sorted(values))
        assert self.keys <= set(keys), self.keys - set(keys)
        assert self.nodes <= {node.node for node in nodes}, "an acknowledged node is lost"
        assert all(key.uses <= 1 for key in keys.values()), keys
        for prefix in self.races:
            winners = [node.name for node in nodes if node.name.startswith(prefix)]
            assert len(winners) <= 1, f"a single-use key admitted {winners}"
        sound = self.server.run(sys.executable, "-c", CHECK_DB).stdout
        assert sound == "[('ok',)] []\n", sound

    def check_hosts(self):
        """Nothing of ours that is not in use, nothing of others touched."""
        for node in (self.a, self.b):
            wait_until(lambda n=node: look(n) == self.full[n], BACK_S,
                       f"{node.name} as it was: {set(look(node)) ^ set(self.full[node])}")
        def clean(node):
            lines = look(node)
            others = [line for line in lines if "mesh0" not in line]
            return (others, len(lines) > len(others)) == (self.bare[node], bool(node.networks()))
        wait_until(lambda: clean(self.c), BACK_S,
                   f"c as it was: {set(look(self.c)) ^ set(self.bare[self.c])}, {self.c.networks()}")

    def check_secrets(self):
        """No join secret, no private key in a log or an answer."""
        for node in (self.a, self.b, self.c):
            stored = node.run("sh", "-c", "cat /var/lib/mesh/networks/*/profile*", check=False)
            for secret in re.findall(r'"(?:node-seed|wg-private|join-secret)":"([\w-]+)"',
                                     stored.stdout):
                self.secrets |= spellings(secret)
        shown = [path.read_text(errors="replace") for path in self.lab.dir.glob("*.log")]
        for node in (self.a, self.b, self.c):
            shown += [node.mesh(*command.split()).stdout for command in
                      ("status --json", "peers --json", "log")
                      if node is not self.c or node.networks()]
        shown += [self.server.ctl(*command.split(), "--network", "home", "--json").stdout
                  for command in ("node list", "key list")]
        for secret in self.secrets:
            assert not any(secret in text for text in shown), "a secret is shown"


    # ---- strangers ----

    def hear(self):
        """Takes in what the tap has written since the last time, and where [a] and [b] are by it."""
        with open(self.lab.dir / "wan-tap.log", "rb") as log:
            log.seek(self.heard_to)
            text = log.read()
        text = text[:text.rfind(b"\n") + 1]
        self.heard_to += len(text)
        for one in map(json.loads, text.splitlines()):
            self.fresh.append(one)
            for node, far in ((self.a, self.b), (self.b, self.a)): # what they say to others is not from there alone
                if "to" in one and one["source"][0] in (node.ip4, node.ip6) and one["to"][0] in (far.ip4, far.ip6):
                    self.ways[node.name] = one["source"]

    def tapped(self):
        """What was heard on the way since the last call, as objects."""
        self.hear()
        news, self.fresh = self.fresh, []
        return news

    def aim(self):
        """Where the data planes of [a] and [b] are, as a stranger sees it: learns it from the tap."""
        def both():
            self.hear()
            return set(self.ways) == {"a", "b"}
        wait_until(both, BACK_S, "the tap hears both")
        self.targets.write_text("".join(f"{address} {port}\n" for address, port in self.ways.values()))

    def check_table(self):
        """The data plane knows the members that the server has, and nobody else."""
        def plain(key): # base64 of either kind
            return key.rstrip("=").replace("+", "-").replace("/", "_")
        members = [self.a, self.b] + ([self.c] if self.c.networks() else [])
        for node in members:
            def same(n):
                known = {plain(node.wg) for node in
                         self.server.json("node", "list", "--network", "home").nodes
                         if node.state == "active"}
                return {plain(peer.wg) for peer in n.peers().values()} == \
                    known - {plain(n.network().public_key)}
            node.wait_until(same, BACK_S, f"{node.name} has the peers that are members")

    def say(self, to, word):
        """A datagram through the mesh, from [a] to the listener of [b]. Whether it came: one may fall where its way
        ends that moment."""
        self.a.run(sys.executable, "-c", MOUTH, to, WORD_PORT, word, WORD_BYTES)
        end = time.monotonic() + LOST_S
        while time.monotonic() < end and word not in self.b.log("ear").split():
            time.sleep(0.02)
        return word in self.b.log("ear").split()

    def meet_directly(self, to):
        """[a] and [b] talk without the server: of what goes by a relay the tap cannot tell whose it is."""
        wait_until(lambda: self.a.ping(to).lost == 0 and
                   (self.a.peer("b").path, self.b.peer("a").path) == ("direct", "direct"), BACK_S,
                   "a direct way")

    def from_a(self, heard, arrived):
        """Of what was heard, what went from [a] to [b] directly."""
        return [{**one, "arrived": arrived} for one in heard if "to" in one and
                one["to"][0] in (self.b.ip4, self.b.ip6) and
                one["source"][0] in (self.a.ip4, self.a.ip6)]

    def place_of_a(self, to):
        """Where [b] sends what is for [a], when it is there directly."""
        def place():
            peer = self.b.peer("a")
            if peer.path != "direct":
                self.a.ping(to) # by the relay for a moment: without traffic it might stay so
            return peer.path == "direct" and peer.endpoint
        return wait_until(place, BACK_S, "[b] speaks with [a] directly")

    def check_strangers(self):
        """What was on the way, again and changed, from elsewhere: nothing comes twice, nobody moves.
        And nothing of the mesh is bare on the internet."""
        to = self.b.addresses()[self.random.choice((4, 6))]
        self.meet_directly(to)
        old = self.tapped() # some of it while [b] was down: nobody may say that it came twice
        self.b.start("ear", sys.executable, "-u", "-c", EAR, to, WORD_PORT)
        wait_until(lambda: "ready" in self.b.log("ear"), BACK_S, "a listener")
        words, came, news = [], [], []

        def heard(): # one by one, or several travel as one datagram that is cut later
            words.append(f"{self.round}-{len(words)}")
            came.extend([words[-1]] if self.say(to, words[-1]) else [])
            news.extend(self.tapped()) # it writes at its own pace; and a word may have gone by the relay
            return came and sum(len(one["data"]) > 2 * WORD_BYTES for one in self.from_a(news, True)) >= WORDS
        wait_until(heard, BACK_S, "the tap hears the words, and [b] does")
        bare = [one["bare"] for one in old + news if "bare" in one]
        assert not bare, f"outside of the tunnel: {bare[:5]}"
        again = self.from_a(old, False)[-30:] + self.from_a(news, True)[-30:]
        self.crowd.run(sys.executable, HERE / "wiretap.py", "replay", 3,
                       text="\n".join(map(json.dumps, again)))
        wait_until(lambda: self.say(to, "last"), BACK_S, "the last word comes")
        got = [word for word in self.b.log("ear").split() if word.startswith(f"{self.round}-")]
        assert len(got) == len(set(got)) and set(came) <= set(got) <= set(words), f"{words} became {got}"
        after = self.place_of_a(to)
        assert after.rpartition(":")[0].strip("[]") in (self.a.ip4, self.a.ip6), after
        self.b.stop("ear", kill=True)
        (self.lab.dir / "b-ear.log").unlink()

    def check_vandal(self):
        """Bad input went on all the time, was refused, and what is checked here holds all the same."""
        self.aim() # a restarted plane has another port
        def more():
            last = json.loads(self.crowd.log("vandal").splitlines()[-1])
            assert last["accepted"] == 0, last
            return self.bad is None or all(last[what] > self.bad[what] for what in
                                           ("datagrams", "connections", "refused")) and last
        self.bad = wait_until(lambda: self.crowd.log("vandal") and more(), BACK_S, "more bad input")
        if self.bad is True:
            self.bad = json.loads(self.crowd.log("vandal").splitlines()[-1])

    def weigh(self):
        """Resident memory of each part that is its own, KiB, and its seconds of processor."""
        def of(host, key):
            at = pathlib.Path("/proc", str(host.processes[key].pid))
            spent = (at / "stat").read_text().rpartition(")")[2].split()[11:13]
            return (int(re.search(r"RssAnon:\s+(\d+)", (at / "status").read_text())[1]),
                    sum(map(int, spent)) / os.sysconf("SC_CLK_TCK"))
        return {f"{host.name}'s {key}": of(host, key) for host, key in self.parts}

    def flood(self):
        """Strangers' bytes cost bounded work and leave nothing behind. Returns what they did."""
        self.aim()
        targets = [f"{address},{port},{node.network().public_key}"
                   for node in (self.a, self.b) for address, port in (self.ways[node.name],)]
        before, grown = self.weigh(), {}
        for number in range(FLOODS): # pools and tables with a bound may fill; what leaks goes on
            self.crowd.run(sys.executable, "-c", FLOOD, STRANGERS, CALLS, self.server.ip4, *targets,
                           limit_s=WORK_S)
            self.meet()
            after = self.weigh()
            grown = {part: after[part][0] - before[part][0] for part in after}
            spent = {part: f"{after[part][1] - before[part][1]:.2f} s" for part in after}
            print(f"#   flood {number + 1}: KiB more: {grown}, of processor: {spent}", flush=True)
            before = after
            if number > 0 and max(grown.values()) <= RETAINED_KIB:
                return
        raise AssertionError(f"strangers' bytes stay in memory: {grown}")


def race_of_many(mesh):
    """One single-use key, a thousand nodes at the same moment. Who is so slow that his connection ends unused
    (408) does not take part: should they all be, they race again."""
    for _ in range(RACES):
        answers = mesh.race([mesh.key()], RACERS)
        by = {}
        for answer in answers:
            by.setdefault((answer["status"], answer["code"]), []).append(answer["node"])
        counts = {what: len(nodes) for what, nodes in by.items()}
        winners, losers = by.get((200, ""), []), by.get((403, "key-used"), [])
        assert len(answers) == RACERS and len(winners) <= 1 and (winners or not losers), counts
        mesh.check_server()
        if winners:
            break
    assert winners, counts
    mesh.lab.ok(f"{RACERS} nodes race for a single-use key: {counts}")


def main():
    seed = int(os.environ.get("MESH_SEED") or random.randrange(1 << 32))
    minutes = float(os.environ.get("MESH_MINUTES") or 0)
    print(f"# MESH_SEED={seed} repeats the choices of this run", flush=True)
    with Lab() as lab:
        mesh = Mesh(lab, seed)
        mesh.begin()
        mesh.check()
        lab.ok("a mesh of two, and all that must hold does")
        race_of_many(mesh)
        end = time.monotonic() + minutes * 60
        mesh.flood()
        lab.ok(f"floods of {STRANGERS} junk datagrams and {CALLS} calls leave nothing behind")
        starves = os.environ.get("MESH_BUILD") and \
            (pathlib.Path(os.environ["MESH_BUILD"]) / "tests/faults/libstarve.so").exists()
        while mesh.kills < KILLS or time.monotonic() < end:
            what = mesh.starve() if starves and mesh.round % 3 == 2 else mesh.fault()
            mesh.check()
            lab.ok(f"round {mesh.round}, {mesh.kills} kills: {what}")
        assert mesh.starved > 0 or not starves, "no program ran out of memory"
        print(f"# the slowest return took {mesh.slowest_s:.1f} s", flush=True)
        for node in (mesh.a, mesh.b, mesh.c):
            assert node.stop("meshd") == 0
            assert look(node) == mesh.bare[node], set(look(node)) ^ set(mesh.bare[node])
        assert mesh.server.stop("mesh-server") == 0
        lab.ok("a polite stop leaves each host as it was")


main()
