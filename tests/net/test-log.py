"""mesh log: what meshd met, asked of meshd itself, without a secret in it.

   [a] ══ internet ══ [server] mesh.example"""
import json
import re

from lab import Lab, find_program, wait_until


def main():
    with Lab() as lab:
        a, server = lab.node("a"), lab.server
        link = server.setup("home")
        server.up()
        a.up()
        a.join(link)
        a.wait_until(lambda n: n.network().server_state == "connected")

        plain = a.mesh("log").stdout
        assert "ready, version" in plain and "network home: up" in plain, plain
        assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} info: ", plain), plain
        lines = [json.loads(line) for line in a.mesh("log", "--json").stdout.splitlines()]
        assert [line["serial"] for line in lines] == list(range(1, len(lines) + 1)), lines
        assert all(set(line) == {"serial", "time-us", "level", "text"} for line in lines), lines
        assert len(a.mesh("log", "-n", "2").stdout.splitlines()) == 2
        assert a.mesh("log", "-n", "0").stdout == ""
        lab.ok("the log of the running meshd, for people and for programs")

        secret = re.search(r"k=([\w-]+)", link)[1]
        again = a.mesh("join", "-", text=link + "\n", check=False)
        assert again.returncode != 0
        everything = a.mesh("log", "-n", "2000").stdout + a.log("meshd")
        assert secret not in everything
        lab.ok("no join secret is in it")

        a.start("follow", find_program("mesh"), "log", "--follow")
        wait_until(lambda: "network home: up" in a.log("follow"), 10, "what was there")
        a.mesh("down", "home")
        wait_until(lambda: "network home: down" in a.log("follow"), 10, "the line that came")
        lab.ok("--follow shows what comes")


main()
