"""What stands between a host and the internet, as plain sockets find it.

   observer = Observer(lab)                  two addresses that tell what they see
   seen = observer.look(host)                .udp .mapping .filtering .kept .hairpin .mapped .tcp443
   looks = [observer.begin(h) for h in …]    several at once: [finish() for finish in looks]"""
import json
import pathlib
import sys
import types

from router import outer_dev
from space import wait_until

PROGRAM = pathlib.Path(__file__).with_name("observe.py")


class Observer:
    """A host with two addresses of each family it has."""

    def __init__(self, lab, name="observer"):
        self.lab, self.host, self.runs = lab, lab.host(name), 0
        number = self.host.number
        self.addresses = (self.host.ip4, f"203.0.113.{number + 100}")
        self.addresses6 = (self.host.ip6, f"2001:db8:ff::1:{number:x}")
        for address, bits in ((self.addresses[1], 32), (self.addresses6[1], 128)):
            self.host.run("ip", "addr", "add", f"{address}/{bits}", "dev", "wan0")
            lab.wan.run("ip", "route", "add", address, "dev", outer_dev(self.host))
        self.host.start("observe", sys.executable, PROGRAM, "serve", *self.addresses, *self.addresses6)
        wait_until(lambda: "ready" in self.host.log("observe"), 10, "the observer")

    def begin(self, host, verb="look", *words):
        """Starts to look from a host; what it returns is called for the result."""
        self.runs += 1
        key = f"{verb}{self.runs}"
        process = host.start(key, sys.executable, PROGRAM, verb, *words or self.addresses)

        def finish(limit_s=180):
            status = process.wait(timeout=limit_s)
            assert status == 0, f"{host.name}: {verb} failed: {host.log(key)}"
            host.processes.pop(key, None)
            found = json.loads(host.log(key))
            return types.SimpleNamespace(**found) if isinstance(found, dict) else found
        return finish

    def look(self, host, *addresses):
        """What stands on the way to our IPv4 addresses, or to these names of them."""
        return self.begin(host, "look", *addresses)()

    def lifetimes(self, host, *silences_ms):
        """Starts to find which silences a mapping outlives: (two-way, least and most seconds, alive) of each."""
        return self.begin(host, "lifetimes", self.addresses[0], *silences_ms)

    def round_trips(self, host, count):
        """Seconds of so many questions, one after another; None where none came back."""
        return self.begin(host, "spend", self.addresses[0], count)()

    def flows(self, host, count):
        """How many of so many sockets of a host get an answer."""
        return self.begin(host, "flows", self.addresses[0], count)()

    def listen(self, host, port, *to, address=None):
        """A socket that keeps asking; it says a word to each of `to` ("ip:port") first."""
        return Listener(self, host, port, to, address or self.addresses[0])


class Listener:
    """A socket on a port of a host that asks the observer again and again."""

    def __init__(self, observer, host, port, to, address):
        self.host, self.key = host, f"listen{port}-{observer.runs}"
        observer.runs += 1
        host.start(self.key, sys.executable, PROGRAM, "listen", address, port, *to)

    def lines(self, word):
        return [line.split()[1:] for line in self.host.log(self.key).splitlines()
                if line.startswith(word)]

    def rounds(self):
        return len(self.lines("round"))

    def next_rounds(self, count=4):
        """Waits until what was sent before now has come, or never will."""
        before = self.rounds()
        wait_until(lambda: self.rounds() >= before + count, 20, f"{self.host.name}: rounds of its socket")

    def mapped(self):
        """Its outer (ip, port) as last seen."""
        found = wait_until(lambda: self.lines("mapped"), 20, f"{self.host.name}: its mapping")[-1]
        return found[0], int(found[1])

    def came(self):
        """[(ip, port, word)] from others than the observer."""
        return [(words[0], int(words[1]), words[2]) for words in self.lines("came")]

    def stop(self):
        self.host.stop(self.key)
