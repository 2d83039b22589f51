"""What `mesh why` says at both ends of a pair, for the classes of pathcells.py: each pair as pathrun.py draws it,
and the same pair in a network without relays."""
import dataclasses

from lab import Lab, need, wait_until
from pathrun import Shared, Site, join_both

need("unshare", "ip", "nft", "dbus-daemon", "conntrack")

LIMIT_S = 90 # ends a hang only
AT_ONCE = 4
BOTH_HARD = "both ends are behind NATs that use another port for each destination"
ANSWERS_ONLY = "lets in only answers"
FORWARD = "a UDP port that a router forwards"


@dataclasses.dataclass
class Case:
    """What stands before the two; then (path, words in why, words in remedy) at the first and at the other."""

    first: str
    other: str
    at_first: tuple
    at_other: tuple
    quiet: bool = False # the first does not search through hard NATs


CASES = (
    Case("port-restricted", "port-restricted", ("direct", "directly at 203.0.113.", ""),
         ("direct", "directly at 203.0.113.", "")),
    Case("same-lan", "same-lan", ("direct", "directly at 192.168.", ""), ("direct", "directly at 192.168.", "")),
    Case("block", "symmetric", ("relay", BOTH_HARD, FORWARD), ("relay", BOTH_HARD, FORWARD)),
    Case("symmetric", "symmetric", ("relay", BOTH_HARD, FORWARD), ("relay", BOTH_HARD, FORWARD)),
    Case("symmetric", "port-restricted", ("relay", "the NAT of this host uses another port for each destination, and "
                                          "searches through such NATs are switched off here", "--hard-nat=on"),
         ("relay", f"the peer's NAT uses another port for each destination, and what stands before this host "
          f"{ANSWERS_ONLY}", FORWARD), quiet=True),
    Case("carrier", "symmetric", ("relay", "the peer's NAT uses another port for each destination, and searches through "
                                  "such NATs are switched off here", "--hard-nat=on"),
         ("relay", "the NAT of this host uses another port for each destination, and what stands before the peer "
          f"{ANSWERS_ONLY}", FORWARD), quiet=True),
    Case("same-carrier", "same-carrier", ("relay", "both ends are behind one NAT, which does not turn round", "inside"),
         ("relay", "both ends are behind one NAT, which does not turn round", "inside")),
    Case("v6-only", "port-restricted", ("relay", "the peer has IPv4 only, and this host IPv6 only", "IPv4 at this host"),
         ("relay", "the peer has IPv6 only, and this host IPv4 only", "IPv6 at this host")),
    Case("udp-blocked", "port-restricted",
         ("relay", "this host's network lets no UDP through", "out of this host's network"),
         ("relay", "the peer's network lets no UDP through", "out of the peer's network")),
    Case("udp-blocked", "open",
         ("direct-tcp", "directly by TCP at 203.0.113.", "out of this host's network"),
         ("direct-tcp", "the peer's network lets no UDP through", "out of the peer's network")),
    Case("tcp-443-only", "udp-blocked", ("relay", "neither end's network lets UDP through", "out of both networks"),
         ("relay", "neither end's network lets UDP through", "out of both networks")),
)

# Without a relay nobody tells the other what stands before it.
WITHOUT = (
    Case("udp-blocked", "open", ("none", "a firewall seems to drop UDP between us, and the network has no relay", ""),
         ("none", "the peer seems to be behind NAT: it has to reach us first", "")),
    Case("port-restricted", "symmetric", ("none", "both ends seem to be behind NAT, and the network has no relay", ""),
         ("none", "both ends seem to be behind NAT, and the network has no relay", "")),
    Case("open", "symmetric", ("direct", "directly at 203.0.113.", ""), ("direct", "directly at 203.0.113.", "")),
)


def is_said(node, far, want):
    """None, or what it says when that is what is wanted, all of it."""
    path, why, remedy = want
    got = node.json("why", far.name)
    fits = got["path"] == path and why in got["why"] and (remedy in got["remedy"] if remedy else not got["remedy"])
    return got if fits else None


def begin(lab, case, number, sites):
    """Draws the pair and lets both join."""
    shared = Shared()
    for side, kind in (("a", case.first), ("b", case.other)):
        sites.append(Site(lab, kind, f"{side}{number}", shared))
    def joined(site): # before there is anybody to search for
        if case.quiet and site is sites[0]:
            site.node.mesh("set", "--hard-nat=off")
    wrong = join_both(lab, sites, f"cell{number}", [], joined)
    assert not wrong, wrong


def check(lab, case, sites):
    """Both ends, one after the other: each comes to its sentence and names the other's class."""
    first, other = (site.node for site in sites)
    for node, far, want in ((first, other, case.at_first), (other, first, case.at_other)):
        try:
            said = wait_until(lambda n=node, f=far, w=want: is_said(n, f, w), LIMIT_S, str(want))
        except Exception:
            print("#", node.mesh("why", far.name).stdout, node.json("why", far.name), flush=True)
            raise
        assert said["policy"] == "both", said
        print(f"#   {node.name}: {said['why']}", flush=True)
    lab.ok(f"{case.first} x {case.other}")


def check_all(lab, cases, number):
    """Some at a time: most of it is waiting, for searches to come to an end."""
    for at in range(0, len(cases), AT_ONCE):
        drawn = [(case, []) for case in cases[at:at + AT_ONCE]]
        try:
            for i, (case, sites) in enumerate(drawn, number + at):
                begin(lab, case, i, sites)
            for case, sites in drawn:
                check(lab, case, sites)
        finally:
            for _case, sites in drawn:
                for site in reversed(sites):
                    site.leave()


def main():
    with Lab() as lab:
        lab.server.setup("home")
        lab.server.up()
        check_all(lab, CASES, 0)
        lab.server.stop("mesh-server")
        lab.server.sh(f"printf '\\n[relay]\\nenabled = false\\n' >> {lab.server.config}")
        lab.server.up()
        check_all(lab, WITHOUT, len(CASES))


main()
