"""Clocks that jump while meshd runs, and a host that sleeps without a word of logind: memberships, timestamps
and the conversation go by the server's time, whatever the wall clock shows.

   [a] its clocks jump ══ internet ══ [b]        [server] mesh.example"""
import time

from clockshim import Clocks
from lab import Lab, wait_until

YEARS_S = 10 * 366 * 86400


def ports(node):
    """Our ends of the connections to the server."""
    rows = node.run("ss", "-Htn", "state", "established", "dport", "=", ":443").stdout.splitlines()
    return {row.split()[2].rsplit(":", 1)[1] for row in rows}


def is_anew(node, before):
    """Whether it talks to the server, and the connections of before are closed: one more proves nothing."""
    now = ports(node)
    return now and not now & before


def count(node, words):
    return node.log("meshd").count(words)


def jumps(lab, clocks, a, b):
    number = 0
    for name, wall_s in (("ten years ahead", YEARS_S), ("ten years behind", -YEARS_S),
                         ("forty days ahead, past the end of every membership", 40 * 86400),
                         ("to 1970", -int(time.time())), ("an hour back", -3600), ("right", 0)):
        before, number = count(a, "the clock was set"), number + 1
        clocks.jump(wall_s)
        wait_until(lambda: count(a, "the clock was set") > before, 10, "the kernel's word")
        lab.server.ctl("node", "rename", "--network", "home", b.mesh_name, f"b{number}")
        b.mesh_name = f"b{number}"
        a.wait_until(lambda n: b.mesh_name in n.peers(), 20, f"news with the clock {name}")
        a.wait_until(lambda n: (found := n.network()).state == "up" and not found.error, 60, f"well with the clock {name}")
        b.restart()  # a session of its own: both ends judge timestamps anew
        b.reaches(a.addresses()[4])
        a.reaches(b.addresses()[6])
        wait_until(lambda: lab.server.nodes("home")["a"].endpoints, 20, "a's report")
        lab.ok(f"the wall clock jumps {name}: up, with news, sessions and reports")


def starts_off(lab, clocks, a, b):
    for name, wall_s in (("in 1970", -int(time.time())), ("ten years ahead", YEARS_S)):
        a.stop("meshd")
        clocks.jump(wall_s)
        a.up(**clocks.env())
        a.wait_until(lambda n: n.network().state == "up" and n.network().server_state == "connected", 30)
        a.reaches(b.addresses()[4])
        clocks.jump(0)  # as a time server would put it right
        a.reaches(b.addresses()[6])
        a.wait_until(lambda n: n.network().state == "up", 60, f"up, put right from {name}")
        lab.ok(f"starts {name} from the stored map, and is put right while it runs")


def sleeps(lab, clocks, a, b):
    a.wait_until(lambda n: n.network().server_state == "connected" and len(ports(n)) == 1, 60,
                 "the stream alone: the others end when nothing is asked")
    before, slept = ports(a), count(a, "the computer woke up")
    old = ",".join(before)  # a NAT or firewall has forgotten this flow: nothing of it is answered
    lab.wan.run("nft", "-f", "-", text=f"""table inet sleep {{ chain forgotten {{
        type filter hook forward priority 0
        tcp sport {{ {old} }} drop
        tcp dport {{ {old} }} drop
    }}
    }}""")
    clocks.jump(boot_s=3600)
    wait_until(lambda: count(a, "the computer woke up") > slept, 10, "the news")
    assert "woke up after 3600 s" in a.log("meshd")
    a.wait_until(lambda n: n.network().server_state == "connected" and is_anew(n, before), 15, "a new conversation")
    a.reaches(b.addresses()[4])
    assert count(a, "the computer woke up") == slept + 1
    lab.ok("an hour of sleep, seen by boot time running ahead: the conversation is made anew, and sessions")


def main():
    with Lab() as lab:
        a, b, server = lab.node("a"), lab.node("b"), lab.server
        clocks, b.mesh_name = Clocks(a), "b"
        link = server.setup("home")
        server.up()
        a.up(**clocks.env())
        a.join(link)
        b.up()
        b.join(server.key("home"))
        a.reaches(b.addresses()[4])
        jumps(lab, clocks, a, b)
        starts_off(lab, clocks, a, b)
        sleeps(lab, clocks, a, b)


main()
