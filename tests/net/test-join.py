"""Joining, leaving, approving and removing, seen from both ends; what is refused leaves nothing behind.

   [a] 203.0.113.11 ══ internet ══ [b] 203.0.113.12        [server] mesh.example        [c] joins and fails"""
import base64
import ipaddress
import os
import re
import time

from lab import Lab, wait_until
from pauses import Pauses


def assert_untouched(node, key_may_stay=False):
    """No network, no interface, no key on the disk."""
    assert node.networks() == {}, node.networks()
    assert "mesh0" not in node.run("ip", "-br", "link").stdout
    if key_may_stay:
        return
    kept = node.run("find", "/var/lib/mesh", "-type", "f").stdout.split()
    assert not any("network" in name for name in kept), kept


def refused(node, link, *words, key_may_stay=False):
    """A join that fails, says one of the words, and changes nothing."""
    done = node.join(link, check=False)
    said = done.stdout + done.stderr
    assert done.returncode != 0, f"{link} was accepted: {said}"
    assert any(word in said for word in words), f"none of {words} in: {said}"
    secret = re.search(r"k=([\w-]{22})", link)
    assert not secret or secret[1] not in said, "the join secret was printed"
    assert_untouched(node, key_may_stay)


def bad_links(lab, node, link):
    key = re.search(r"s=([\w-]+)", link)[1]
    other = base64.urlsafe_b64encode(os.urandom(32)).decode().rstrip("=")
    network = re.search(r"/([0-9a-f]{16})\?", link)[1]
    rows = (
        ("nonsense", ("mesh://", "link")),
        (link.replace("mesh:", "https:"), ("scheme", "mesh://")),
        (link.replace(f"s={key}&", ""), ("s=", "server key", "server's key", " s ")),
        (link.replace(key, key[:-1]), ("s=", "server key", "\"s\"", "43")),
        (link.replace(network, network[:-1]), ("network",)),
        (link + "&k=" + "A" * 22, ("k", "repeated")),
        (link + "&colour=red", ("parameter",)),
        (link + "#top", ("fragment", "#")),
        (link.replace("mesh://", "mesh://me@"), ("user", "@")),
        (link + "A" * 600, ("512", "long")),
    )
    for text, words in rows:
        refused(node, text, *words)
    lab.ok(f"{len(rows)} malformed links are refused, each naming the part")
    refused(node, link.replace(key, other), "key", "pin", "certificate")
    lab.ok("another server's key in the link: the connection is refused")
    refused(node, link.replace(network, "0123456789abcdef"), "network")
    lab.ok("a network that the server does not have")


def joined(lab, a, b, pauses):
    """Two members see and reach each other."""
    for node in (a, b):
        node.wait_until(lambda n: n.network().state == "up" and n.network().server_state == "connected", 60)
    net = a.network()
    for node in (a, b):
        own = node.addresses()
        for prefix in map(ipaddress.ip_network, node.network().prefixes):
            assert ipaddress.ip_address(own[prefix.version]) in prefix, own
        assert node.run("ip", "-br", "addr", "show", net.interface).stdout.count(own[6])
    a.wait_until(lambda n: "b" in n.peers())
    b.wait_until(lambda n: "a" in n.peers())
    for address in b.addresses().values():
        a.reaches(address)
    # Under traffic: without any a search that failed is not repeated soon.
    a.wait_until(lambda n: n.ping(b.addresses()[4]).lost == 0 and n.peer("b").path == "direct", 60)
    began = time.time()
    done = a.ping(b.addresses()[4], count=20)
    assert done.lost == 0 or pauses.since(began), done.text
    done = a.mesh("ping", "-t", "30", "b")
    assert "direct" in done.stdout, done.stdout
    wait_until(lambda: all(node.online for node in lab.server.nodes("home").values()), 60, "both are online")
    assert set(lab.server.nodes("home")) == {"a", "b"}
    lab.ok("two nodes join by link, see and reach each other over IPv4 and IPv6, directly")


def kept_secret(lab, links):
    """No join secret and no private key in any log."""
    logs = "".join(path.read_text(errors="replace") for path in lab.dir.glob("*.log"))
    for link in links:
        assert re.search(r"k=([\w-]{22})", link)[1] not in logs
    lab.ok("no join secret is in any log")


def approval(lab, c):
    lab.server.ctl("network", "create", "club", "--approve", "yes")
    done = c.join(lab.server.key("club"))
    assert c.network().state == "pending", (c.network(), done.stdout)
    assert "approv" in done.stdout + done.stderr, done.stdout + done.stderr
    lab.server.ctl("node", "approve", "--network", "club", "c")
    c.wait_until(lambda n: n.network().state == "up", 30)
    lab.ok("a network that asks for approval keeps a node waiting until it is approved")
    c.mesh("leave", "club")
    assert_untouched(c)
    wait_until(lambda: "c" not in lab.server.nodes("club"), 10, "c is gone from club")
    lab.ok("leaving takes interface and keys away and tells the server")


def removal(lab, a, b):
    address = b.addresses()[6]
    lab.server.ctl("node", "rename", "--network", "home", "b", "bee")
    a.wait_until(lambda n: "bee" in n.peers() and "b" not in n.peers())
    lab.ok("a renamed node has its new name everywhere")
    lab.server.ctl("node", "remove", "--network", "home", "bee")
    a.wait_until(lambda n: not n.peers())
    b.wait_until(lambda n: n.network().state == "removed")
    assert a.ping(address, limit_s=1).lost == 1
    lab.ok("a removed node is told so and can no longer be reached")
    b.mesh("leave", "home", "--force", check=False)
    assert_untouched(b)
    b.join(lab.server.key("home"))
    a.wait_until(lambda n: "b" in n.peers())
    a.reaches(b.addresses()[6])
    lab.ok("with a new key it joins again")


def main():
    with Lab() as lab:
        a, b, c = lab.node("a"), lab.node("b"), lab.node("c")
        links = [lab.server.setup("home")]
        lab.server.up()
        for node in (a, b, c):
            node.up()
        bad_links(lab, c, links[0])
        # The answer may have been lost on the way, so the key is kept for another try.
        refused(b, links[0].replace("mesh.example", "203.0.113.200"), "reach", key_may_stay=True)
        lab.ok("a server that is not there")
        links.append(lab.server.key("home"))
        a.join(links[0])
        b.join(links[1])
        joined(lab, a, b, Pauses())
        kept_secret(lab, links)
        approval(lab, c)
        removal(lab, a, b)


main()
