"""The relay of two pairs who talk all the time dies: it is gone without a word, then the other one is killed.
Each time both pairs go on by the one that is left. How long they were without an answer is printed.

   [x], [y] ─ symmetric NATs ────────┐          ┌─ 10 ms ─ [near]      relays alone; the server
                                     ├─ wan ────┤                     is none here
   [u], [v] ─ NATs that block UDP ───┘          └─ 40 ms ─ [far]       by TLS alone"""
import re
import time

from lab import Lab, wait_until
from pathpair import Pinger, is_path, pair

BLACK = """table inet black {{
 chain pass {{
  type filter hook forward priority -300;
  ip saddr {0} drop
  ip daddr {0} drop
 }}
}}"""


def is_home(node, name):
    """By what meshd tells."""
    wait_until(lambda: re.findall(r"relay (\w+) is home now", node.log("meshd"))[-1:] == [name], 60,
               f"{node.name} is at home at {name}")


def is_near(node):
    """Asks the relays again until it is: who was held up may have measured something else."""
    def is_home_of():
        found = node.json("netcheck")["networks"][0]["found"]["relays"]
        return next(relay["home"] for relay in found if relay["name"] == "near")
    wait_until(is_home_of, 60, f"{node.name} is at home at near")


class Talk:
    """A pair that talks by relay."""

    def __init__(self, what, one, other):
        self.what, self.one, self.other = what, one, other
        self.pings = Pinger(one, other.addresses()[4])
        self.pings.goes_on()
        is_path(one, other, "relay")
        self.pings.is_whole()

    def went_on(self, began, how, home):
        for node in (self.one, self.other):
            is_home(node, home)
        self.pings.goes_on()
        self.pings.is_whole()
        return f"{self.what} {how}: {self.pings.gap_s(began):.2f} s without an answer, then at {home}, nothing lost"


def die(lab, talks, how, happen, left):
    began = time.time()
    happen()
    for talk in talks:
        lab.ok(talk.went_on(began, how, left))


def sees_udp(node, name):
    """Asks by STUN, and tells whether the relay answered."""
    found = node.json("netcheck")["networks"][0]["found"]["relays"]
    return next(relay for relay in found if relay["name"] == name)["udp4-us"] > 0


def main():
    with Lab() as lab:
        lab.server.setup("home")
        lab.server.sh(f"printf '[relay]\\nenabled = false\\n' >> {lab.server.config}")
        lab.server.up()
        near, far = lab.make_relay("near", 5), lab.make_relay("far", 20)
        near.setup(lab.server)
        far.setup(lab.server)
        (x, _), (y, _) = pair(lab, "xy", "symmetric", MESH_LOG="debug")
        (u, _), (v, _) = pair(lab, "uv", "udp-blocked")
        talks = [Talk("UDP,", x, y), Talk("TLS,", u, v)]
        for node in (x, y, u, v):
            is_near(node)
        die(lab, talks, "the relay is black-holed",
            lambda: lab.wan.run("nft", "-f", "-", text=BLACK.format(near.ip4)), "far")
        lab.wan.run("nft", "delete", "table", "inet", "black")
        for node in (x, y): # who came back by TLS first changes to UDP, which may lose what is under way
            wait_until(lambda: sees_udp(node, "near") and "relay near is bound over UDP" in
                       node.log("meshd").split("near does not answer")[-1], 60, f"{node.name} is at near again")
        die(lab, talks, "the relay is killed", lambda: far.stop("relay", kill=True), "near")
        for talk in talks:
            talk.pings.stop()


main()
