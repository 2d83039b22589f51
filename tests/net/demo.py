"""./run demo: a mesh of seven nodes and a stranger's network, on one computer, with real programs.

   [office]  203.0.113.11 ═══════════════╗
   [laptop]  192.168.N.10 ─ NAT A, IPv6 ═╣
   [desk]    192.168.M.10 ─ NAT B, IPv6 ═╬═ internet ═ [server] mesh.example
   [six]     2001:db8:…   IPv6 only ═════╣
   [cabin]   port-restricted NAT ════════╣   these three IPv4 only
   [train]   symmetric NAT, random ports ╣
   [ferry]   symmetric NAT, counting up ═╣
   [other]   of a second network ════════╝

IPv6 behind the NATs is routed and has a stateful firewall. Nothing of this computer is touched: all
of it lives in namespaces of its own and is gone when this program ends."""
import sys
import time

from lab import Lab, copy, find_program, need, wait_until
from pathpair import Pinger, talk_directly
from pauses import Pauses

MIB = 1 << 20
COPY_MIB = 200
NAMES = ("office", "laptop", "desk", "six")
RELAY_PORT = 41700
DIRECT_LIMIT_S = 60 # a search among random ports may find nothing, and is made again after ten minutes or a new start
SEARCHES = 5


class Story:
    """Prints what happens, with the time since the start."""

    def __init__(self):
        self.began, self.failed = time.monotonic(), []

    def tell(self, text):
        print(f"[{time.monotonic() - self.began:5.1f} s] {text}", flush=True)

    def show(self, command, text):
        print(f"          $ {command}")
        print("".join(f"          {line}\n" for line in text.rstrip().splitlines()), end="",
              flush=True)

    def check(self, holds, text):
        self.tell(("" if holds else "FAILED: ") + text)
        if not holds:
            self.failed.append(text)


def build(lab, story):
    """The five computers, their meshd running."""
    nat_a, nat_b = lab.nat("natA"), lab.nat("natB")
    nodes = {"office": lab.node("office"), "laptop": lab.node("laptop", behind=nat_a),
             "desk": lab.node("desk", behind=nat_b), "six": lab.node("six", v4=False),
             "other": lab.node("other")}
    story.tell("five computers: office (public), laptop and desk (each behind a NAT, IPv6 behind a "
               "firewall), six (IPv6 only), other")
    return nodes


def join_all(lab, story, nodes):
    """A server with two networks; four nodes in one, one in the other."""
    link = lab.server.setup("home")
    lab.server.up()
    story.tell(f"mesh-server runs; setup made network \"home\" and the link {link[:34]}…")
    lab.server.ctl("network", "create", "away")
    for name in NAMES:
        nodes[name].up()
        nodes[name].join(link if name == "office" else lab.server.key("home"))
        story.tell(f"{name} joined home: {', '.join(nodes[name].addresses().values())}")
    nodes["other"].up()
    nodes["other"].join(lab.server.key("away"))
    story.tell(f"other joined away: {', '.join(nodes['other'].addresses().values())}")
    for name in NAMES:
        nodes[name].wait_until(lambda node: len(node.peers()) == 3, what=f"{name} knows the others")


def show_status(story, nodes):
    for node in nodes.values():
        story.show(f"mesh status   (on {node.name})", node.mesh("status").stdout)


def ping_all(story, nodes):
    """Everybody to everybody, by name, over both families inside."""
    for name in NAMES:
        for peer in NAMES:
            if peer == name:
                continue
            answers = []
            for family in ("-4", "-6"):
                done = nodes[name].mesh("ping", "-t", "30", family, peer, check=False)
                text = (done.stdout + done.stderr).strip().splitlines()
                answers.append((done.returncode, text[-1] if text else "no answer"))
            for family, (code, text) in zip(("IPv4", "IPv6"), answers):
                story.tell(f"{name} → {peer} {family}: {text}")
                if "office" in (name, peer) or "six" in (name, peer):
                    if code != 0:
                        story.check(False, f"{name} reaches {peer} over {family}")


def move_data(story, nodes):
    """200 MB through the tunnel, hashed at both ends."""
    for source, target in (("laptop", "office"), ("six", "office")):
        took, same = copy(nodes[source], nodes[target], nodes[target].addresses()[6],
                          COPY_MIB * 1000 * 1000)
        story.check(same, f"{COPY_MIB} MB {source} → {target} in {took:.1f} s: "
                          f"{COPY_MIB * 8 / took:.0f} Mbit/s, the hashes are the same")


def show_apart(story, nodes):
    """The second network neither sees nor reaches the first."""
    other = nodes["other"]
    story.check(not other.peers(), "other, alone in away, sees no peer")
    for version, address in nodes["office"].addresses().items():
        story.check(other.ping(address, limit_s=1).lost == 1,
                    f"other cannot reach office at {address} (IPv{version})")


def join_hard(lab, story, nodes, name, kind):
    """One more, IPv4 only, behind a NAT that lets in only answers, or gives no host the same port."""
    nodes[name] = lab.node(name, behind=lab.nat(f"nat-{name}", kind=kind, v6=False), v6=False)
    nodes[name].up()
    nodes[name].join(lab.server.key("home"))
    story.tell(f"{name} joined home, behind a NAT of the kind {kind}")


def watch(story, node, peer, wanted):
    """What `mesh ping` shows while packets go by the relay and a better path is found."""
    for search in range(1, SEARCHES + 1):
        key = f"ping-{peer}-{search}"
        node.start(key, find_program("mesh"), "ping", "-c", 1000, peer)
        try:
            node.wait_until(lambda n: n.peer(peer).path == wanted, DIRECT_LIMIT_S, f"{node.name} to {peer}: {wanted}")
            wait_until(lambda k=key: ", now " in node.log(k) or wanted in node.log(k).split("\n")[0], DIRECT_LIMIT_S,
                       "an echo by the new path")
            break
        except TimeoutError:
            if search == SEARCHES:
                raise
            story.tell(f"{node.name} found no other way to {peer} this time; it starts anew")
            node.stop(key)
            node.restart()
    node.stop(key)
    lines = node.log(key).splitlines()
    at = next((i for i, line in enumerate(lines) if ", now " in line), 0)
    story.show(f"mesh ping {peer}   (on {node.name})", "\n".join(lines[:1] + lines[max(at, 1):at + 2]))


def pass_hard_nats(lab, story, nodes):
    """From the relay to a direct path, live; and two without one, who meet at a relay of the office."""
    join_hard(lab, story, nodes, "cabin", "port-restricted")
    for name, kind in (("train", "symmetric"), ("ferry", "sequential")):
        join_hard(lab, story, nodes, name, kind)
        began = time.monotonic()
        watch(story, nodes[name], "cabin", "direct")
        story.check(nodes[name].peer("cabin").path == "direct",
                    f"{name} and cabin: by the relay at once, directly {time.monotonic() - began:.1f} s later")
    nodes["office"].mesh("set", f"--peer-relay={RELAY_PORT}")
    story.tell("office keeps a relay for the others (mesh set --peer-relay)")
    watch(story, nodes["train"], "ferry", "peer-relay")
    story.check(nodes["train"].peer("ferry").relay == "office", "train and ferry meet at the office")
    story.show("mesh why ferry   (on train)", nodes["train"].mesh("why", "ferry").stdout)


def restart_server(lab, story, nodes):
    """The server goes and comes while packets flow."""
    target, pauses = nodes["office"].addresses()[6], Pauses()
    for one, other in (("laptop", "office"), ("office", "laptop")): # not by the server's relay, which ends with it
        talk_directly(nodes[one], nodes[other])
    began = time.time()
    flow = Pinger(nodes["laptop"], target)
    flow.goes_on()
    lab.server.stop("mesh-server", kill=True)
    story.tell("the server is killed while laptop pings office")
    lab.server.up()
    story.tell("the server is back")
    flow.goes_on() # past that moment: who is late is not lost
    flow.stop()
    came = {number for _, number in flow.replies()}
    story.check(came >= set(range(1, max(came) - 5)) or pauses.since(began), f"{len(came)} answers of {max(came)} came meanwhile")
    for name in NAMES:
        nodes[name].wait_until(lambda node: node.network().server_state == "connected", 60,
                               f"{name} is connected again")
    story.tell("every node is connected to it again")


def main():
    need()
    story = Story()
    with Lab() as lab:
        nodes = build(lab, story)
        join_all(lab, story, nodes)
        show_status(story, nodes)
        ping_all(story, nodes)
        move_data(story, nodes)
        show_apart(story, nodes)
        pass_hard_nats(lab, story, nodes)
        restart_server(lab, story, nodes)
    story.tell("removed: processes, interfaces, namespaces, files")
    if story.failed:
        print(f"{len(story.failed)} things did not hold", file=sys.stderr)
        sys.exit(1)
    story.tell("all of it held")


main()
