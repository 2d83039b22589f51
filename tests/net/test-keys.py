"""Join keys: single-use, reusable, expiring, revoked; what is refused says why and leaves nothing behind.

   [a], [b], [c] on the internet, [server] mesh.example"""
import re
import time

from lab import Lab, wait_until


def refused(node, link, word):
    done = node.join(link, check=False)
    said = done.stdout + done.stderr
    assert done.returncode != 0 and word in said, f"{word!r} not in: {said}"
    assert node.networks() == {}, node.networks()


def main():
    with Lab() as lab:
        a, b, c = lab.node("a"), lab.node("b"), lab.node("c")
        server = lab.server
        server.setup("home")
        server.up()
        for node in (a, b, c):
            node.up()

        link = server.key("home")
        secret = re.search(r"k=([\w-]{22})", link)[1]
        wrong = ("B" if secret[0] == "A" else "A") + secret[1:]
        refused(a, link.replace(secret, wrong), "key")
        lab.ok("a wrong key is refused")

        a.join(link)
        refused(b, link, "used")
        assert set(server.nodes("home")) == {"a"}
        lab.ok("a single-use key admits one node, the second is told that it is used")

        made = server.json("key", "create", "--network", "home", "--expires-in", "1")
        wait_until(lambda: time.time() > made.expires, 10, "the end of the key")
        refused(c, made.link, "expired")
        lab.ok("an expired key is refused and called expired")

        made = server.json("key", "create", "--network", "home", "--reusable")
        b.join(made.link)
        server.ctl("key", "revoke", "--network", "home", made.id)
        refused(c, made.link, "revoked")
        lab.ok("a revoked key admits nobody any more; who came with it stays")
        assert b.network().state == "up"

        made = server.json("key", "create", "--network", "home", "--reusable")
        server.restart(kill=True)
        c.join(made.link)
        b.mesh("leave", "home")
        b.join(made.link)
        keys = {key.id: key for key in server.json("key", "list", "--network", "home").keys}
        assert keys[made.id].uses == 2 and keys[made.id].reusable, keys
        assert secret not in server.ctl("key", "list", "--network", "home", "--json").stdout
        lab.ok("a reusable key admits several; an acknowledged key survives a kill of the server")

        printed = server.run("sh", "-c", "grep -rc %s /var/lib/mesh-server | grep -v ':0'" % secret,
                             check=False).stdout
        assert printed == "", printed
        lab.ok("the server keeps no join secret on its disk")


main()
