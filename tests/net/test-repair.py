"""mesh repair: what was broken by hand while meshd runs is found, told and mended.

   [a] ══ internet ══ [b]        [server] mesh.example"""
import json

from lab import Lab


def main():
    with Lab() as lab:
        a, b, server = lab.node("a"), lab.node("b"), lab.server
        link = server.setup("home")
        server.up()
        for node, text in ((a, link), (b, None)):
            node.up()
            node.join(text or server.key("home"))
        a.reaches(b.addresses()[4])
        assert json.loads(a.mesh("repair", "--json").stdout) == {"found": []}
        assert a.mesh("repair").stdout == "Nothing was wrong.\n"
        lab.ok("nothing to mend is told so")

        server.stop("mesh-server") # its news would replace the map before it is looked at
        where = f"/var/lib/mesh/networks/{a.network().id}"
        a.sh(f"chmod 644 {where}/profile; chmod 755 {where}; echo torn > {where}/map; "
             f"echo half > {where}/seq.new; chown meshd {where}/seq.new")
        found = "\n".join(a.json("repair")["found"])
        for words in ("profile: mode was 0644, is 0600 now", "mode was 0755, is 0700 now", "map",
                      "seq.new, left by a save"):
            assert words in found, (words, found)
        modes = a.run("find", where, "-ignore_readdir_race", "-printf", "%m %y\\n").stdout.splitlines()
        assert set(modes) == {"700 d", "600 f"}, modes
        lab.ok("modes, remains and a torn document are mended")

        server.up()
        a.restart(kill=True)
        a.wait_until(lambda n: n.network().state == "up")
        a.reaches(b.addresses()[6])
        assert a.json("repair")["found"] == []
        lab.ok("and meshd starts with what is there")


main()
