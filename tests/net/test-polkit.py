"""Who may do what, asked of the real polkitd: every method of the shipped interfaces, called by root, by stand-ins of
users in an active and in an inactive local session, and by a user without any, with an administrator who says yes, no,
or nothing.

   [a] meshd, polkitd, a system bus          [server] mesh.example"""
import subprocess
import xml.etree.ElementTree as tree

from authority import BUS_POLICY, PEOPLE, PREFIX, PYTHON, Agent, need_polkit, shipped_rows, start_polkit
from lab import REPO, Lab, need, wait_until

ROOT = "/org/meshvpn/Mesh1"
NOT_AUTHORIZED = PREFIX + ".Error.NotAuthorized"
USERS = {"root": 0, "active": 64511, "inactive": 64512, "other": 64513}
YES, ADMIN = "yes", "admin"
# design of the verbs: what an active local, an inactive local, and any other user needs
TABLE = {
    "status": (YES, YES, YES),
    "inspect": (YES, ADMIN, ADMIN),
    "connect": (YES, ADMIN, ADMIN),
    "disconnect": (YES, ADMIN, ADMIN),
    "join": (ADMIN, ADMIN, ADMIN),
    "leave": (ADMIN, ADMIN, ADMIN),
    "configure": (ADMIN, ADMIN, ADMIN),
    "set-dns": (ADMIN, ADMIN, ADMIN),
    "set-server": (ADMIN, ADMIN, ADMIN),
    "repair": (ADMIN, ADMIN, ADMIN),
}
# Arguments with which a method that may run ends soon, without changing much.
ARGUMENTS = {
    "Join": "('nonsense', @a{sv} {})", "Leave": "({'colour': <'red'>},)",
    "Set": "({'colour': <'red'>},)", "Up": "(@a{sv} {},)", "Down": "({'colour': <'red'>},)",
    "ListPeers": "('', uint32 0)", "InspectPeers": "('', uint32 0)",
    "Ping": "('nobody', @a{sv} {})", "Log": "(uint64 0, uint32 0)", "Repair": "()",
    "SetProxy": "('none', {'colour': <'red'>})", "NetCheck": "({'colour': <'red'>},)", "Why": "('nobody',)",
    "PathHistory": "('nobody',)", "Watch": "('nobody', @a{sv} {})", "Unwatch": "()", "GetDataPlane": "()",
}
# What takes another action by its arguments: the actions that are asked for, one after another.
MOVE = "mesh://mesh.example/2b4c6d8e0f1a3b5c?s=" + "A" * 43
BY_ARGUMENTS = (
    ("Network", "Set", "({'dns': <'red'>},)", ("set-dns",)),
    ("Network", "Set", "({'port': <'red'>},)", ("configure",)),
    ("Network", "Set", "({'dns': <'red'>, 'port': <'red'>},)", ("set-dns", "configure")),
    ("Network", "Up", "({'manager': <'red'>},)", ("configure",)),
    ("Daemon", "Join", f"('{MOVE}', @a{{sv}} {{}})", ("set-server",)),
)
# Words that the dialog has to say, by the verb; the network's name where the call is about one.
WORDS = {"configure": "home", "set-dns": "home", "leave": "home", "connect": "home", "disconnect": "home",
         "set-server": "proxy", "join": "member", "inspect": "addresses", "repair": "mend"}


def list_methods(network_path):
    """(path, interface, method, verb) of everything that can be called."""
    for name, path in (("Daemon", ROOT), ("Network", network_path)):
        interface = tree.parse(REPO / f"data/dbus/{PREFIX}.{name}.xml").getroot().find("interface")
        for method in interface.findall("method"):
            verb = method.find(f"annotation[@name='{PREFIX}.Action']").get("value")
            yield path, f"{PREFIX}.{name}", method.get("name"), verb


def list_option_verbs():
    """(interface, method, verb) of every option that takes an action of its own."""
    for name in ("Daemon", "Network"):
        for method in tree.parse(REPO / f"data/dbus/{PREFIX}.{name}.xml").getroot().iter("method"):
            for note in method.findall("annotation"):
                if note.get("name").startswith(f"{PREFIX}.Action:"):
                    yield name, method.get("name"), note.get("value")


class Caller:
    """A process of a user that makes one call."""

    def __init__(self, node, user, path, interface, method, arguments=None):
        words = ["setpriv", "--reuid", USERS[user], "--regid", USERS[user], "--clear-groups"]
        self.process = subprocess.Popen(
            node.argv(*words, PYTHON, PEOPLE, "call", path, interface, method,
                      arguments or ARGUMENTS[method]),
            text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.pid = self.process.pid
        assert self.process.stdout.readline() == "ready\n", self.process.stderr.read()

    def go(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def finish(self):
        """True when the method ran (whatever it said), False when it was not authorised."""
        out, err = self.process.communicate(timeout=40)
        assert out.startswith(("ok", "error")), (out, err)
        return not out.startswith(f"error {NOT_AUTHORIZED}")


def ask(node, agent, user, where, answer):
    """Makes the call; returns (whether it ran, for what a password was asked)."""
    caller, before = Caller(node, user, *where), len(agent.prompts())
    if answer != "nobody":
        agent.stand_by(caller, answer)
    caller.go()
    ran, prompts = caller.finish(), agent.prompts()[before:]
    for verb, message in prompts:
        assert WORDS[verb] in message and "$(" not in message, (verb, message)
    return ran, [verb for verb, _ in prompts]


def matrix(lab, node, agent, methods):
    for path, interface, method, verb in methods:
        for number, user in enumerate(USERS):
            need_of = YES if user == "root" else TABLE[verb][number - 1]
            for answer in ("approve", "deny", "nobody"):
                ran, prompts = ask(node, agent, user, (path, interface, method), answer)
                want = need_of == YES or answer == "approve"
                asked = [verb] if need_of == ADMIN and answer != "nobody" else []
                assert (ran, prompts) == (want, asked), (method, verb, user, answer, ran, prompts)
        lab.ok(f"{interface.rsplit('.', 1)[1]}.{method} ({verb}): as the table says for "
               f"{len(USERS)} callers and 3 answers")


def by_arguments(lab, node, agent, network_path):
    covered = {(name, method, verb) for name, method, _, verbs in BY_ARGUMENTS for verb in verbs}
    assert set(list_option_verbs()) <= covered, covered
    for name, method, arguments, verbs in BY_ARGUMENTS:
        where = (network_path if name == "Network" else ROOT, f"{PREFIX}.{name}", method, arguments)
        for user in USERS:
            for answer in ("approve", "deny", "nobody"):
                ran, prompts = ask(node, agent, user, where, answer)
                want = [] if user == "root" or answer == "nobody" else list(verbs if answer == "approve" else verbs[:1])
                assert (ran, prompts) == (user == "root" or answer == "approve", want), (arguments, user, answer, ran, prompts)
        lab.ok(f"{name}.{method} {arguments[:40]}: takes {' and '.join(verbs)}")


def nothing_before_the_answer(lab, node, agent, path):
    """Down while the administrator thinks, says no, says yes, and while the caller gives up."""
    down = (path, f"{PREFIX}.Network", "Down", "(@a{sv} {},)")
    for answer, state in (("deny", "up"), ("nobody", "up")):
        ran, _ = ask(node, agent, "other", down, answer)
        assert not ran and node.network().state == state
    caller, before = Caller(node, "other", *down), agent.count("PROMPT")
    agent.stand_by(caller, "hold")
    caller.go()
    wait_until(lambda: agent.count("PROMPT") > before, 10, "a request for a password")
    assert node.network().state == "up"
    agent.tell("release")
    assert caller.finish() and node.network().state == "down"
    lab.ok("a call has its effect after the yes, not before, and none after a no")

    node.mesh("up")
    caller, before = Caller(node, "other", *down), agent.count("PROMPT")
    answered = agent.count("ANSWERED")
    agent.stand_by(caller, "hold")
    caller.go()
    wait_until(lambda: agent.count("PROMPT") > before, 10, "a request for a password")
    caller.process.kill()
    caller.process.wait()
    agent.tell("release")
    wait_until(lambda: agent.count("ANSWERED") > answered, 10, "polkit's reply to the agent")
    ran, _ = ask(node, agent, "root", (path, f"{PREFIX}.Network", "ListPeers"), "nobody")
    assert ran and node.network().state == "up"
    lab.ok("a caller who is gone before the yes has no effect")


def main():
    need("setpriv")
    need_polkit()
    with Lab(users={user: uid for user, uid in USERS.items() if uid != 0}) as lab:
        a = lab.node("a")
        link = lab.server.setup("home")
        lab.server.up()
        a.bus_up(BUS_POLICY)
        start_polkit(a, shipped_rows({user: user for user in ("active", "inactive")}))
        a.up()
        a.join(link)
        path = f"{ROOT}/network/{a.network().id}"
        agent = Agent(a)
        methods = list(list_methods(path))
        assert methods and all(verb in TABLE and method in ARGUMENTS
                               for _, _, method, verb in methods), methods
        matrix(lab, a, agent, methods)
        by_arguments(lab, a, agent, path)
        nothing_before_the_answer(lab, a, agent, path)


main()
