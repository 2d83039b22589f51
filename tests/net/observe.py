"""The two ends of looking at a NAT: one that tells what it sees, one that asks it (natview.py runs both).

  observe.py serve ADDRESS ADDRESS …        pairs; tells on UDP 3478 and 3479, takes TCP on 80 and 443
  observe.py look ADDRESS ADDRESS           asks, and prints a JSON object of what stands between
  observe.py lifetimes ADDRESS MS …         prints which silences a mapping outlived
  observe.py spend ADDRESS COUNT            that many questions, one at a time; prints the seconds of each
  observe.py listen ADDRESS PORT [AT:PORT]  from a port, asks again and again: "round N", "mapped IP PORT" when
                                            that changed, "came IP PORT WORD" of others; speaks to AT first
  observe.py flows ADDRESS COUNT            how many of so many sockets get an answer

A packet that does not come is concluded from a later one that did, never from a clock: what is asked
after it on the same way was answered."""
import contextlib
import json
import select
import socket
import struct
import sys
import threading
import time

PORTS = (3478, 3479)
TCP_PORTS = (80, 443)
TRY_S, TRIES = 0.5, 16
TCP_S = 8 # until a connection is given up
SPEND_S = 5 # until an answer is not waited for any longer: longer than a busy computer takes
ROUND_S = 0.1
SO_RCVBUFFORCE = 33
SO_TIMESTAMPNS, TIMESPEC = 35, struct.Struct("@qq")
ASSURED_S = 2.3 # Linux counts a flow as two-way when it is that old


def udp(address="", port=0):
    v6 = ":" in address
    sock = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((address or "0.0.0.0", port))
    return sock


# ---- the one that tells

class Teller:
    """who: the source as seen · other-address, other-port: that, from another socket of ours ·
    hold TOKEN: no answer; fire TOKEN MS: a word to its source after so long · fired TOKEN: least and most
    seconds that it was since the kernel got the hold, or -"""

    def __init__(self, addresses):
        self.sockets = {(address, port): udp(address, port) for address in addresses for port in PORTS}
        self.addresses, self.held, self.fired, self.armed = addresses, {}, {}, set()
        for sock in self.sockets.values():
            sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        for address in addresses:
            for port in TCP_PORTS:
                family = socket.AF_INET6 if ":" in address else socket.AF_INET
                listener = socket.create_server((address, port), family=family)
                threading.Thread(target=self.greet, args=(listener,), daemon=True).start()

    @staticmethod
    def greet(listener):
        while True:
            threading.Thread(target=greet_one, args=(listener.accept()[0],), daemon=True).start()

    def other(self, sock, change_address):
        address, port = sock.getsockname()[:2]
        far = self.addresses[self.addresses.index(address) ^ 1] if change_address else address
        return self.sockets[far, PORTS[1 - PORTS.index(port)]]

    def fire(self, token):
        sock, source, since = self.held[token]
        least = time.time() - since
        sock.sendto(b"late", source)
        self.fired[token] = f"{least} {time.time() - since}"

    def answer(self, sock, words, source, since):
        reply, out = f"{source[0]} {source[1]}", sock
        if words[0] == "hold":
            self.held[words[1]] = (sock, source, since)
            return
        if words[0] == "fire" and words[1] not in self.armed: # asked again, it is not to come twice
            self.armed.add(words[1])
            threading.Timer(int(words[2]) / 1e3, self.fire, words[1:2]).start()
        elif words[0] == "fired":
            reply = self.fired.get(words[1], "-")
        elif words[0].startswith("other"):
            out = self.other(sock, words[0] == "other-address")
        out.sendto(" ".join((*words[:2], reply)).encode(), source)

    def serve(self):
        print("ready", flush=True)
        while True:
            for sock in select.select(list(self.sockets.values()), [], [])[0]:
                data, notes, _, source = sock.recvmsg(2048, 64)
                seconds, ns = next(TIMESPEC.unpack(note[2]) for note in notes if note[1] == SO_TIMESTAMPNS)
                self.answer(sock, data.decode().split(), source, seconds + ns / 1e9)


def greet_one(client):
    """Says hello, and hears them out: a reset would take the word back."""
    with client, contextlib.suppress(OSError):
        client.sendall(b"hello\n")
        client.shutdown(socket.SHUT_WR)
        while client.recv(4096):
            pass


# ---- the one that asks

class Asker:
    def __init__(self, addresses):
        self.addresses, self.number = addresses, 0

    def udp(self):
        return udp("::" if ":" in self.addresses[0] else "")

    def ask(self, sock, word, to):
        """The answer's words after the echoed ones, and what else came before it: ([…], {first words})."""
        self.number += 1
        mark, came = str(self.number), set()
        for _ in range(TRIES):
            sock.sendto(f"{word} {mark}".encode(), to)
            while select.select([sock], [], [], TRY_S)[0]:
                words = sock.recvfrom(2048)[0].decode().split()
                if words[:2] == [*word.split(), mark][:2]:
                    return words[2:], came
                came.add(words[0])
        return None, came

    def mapped(self, sock, address=0, port=0):
        found, _ = self.ask(sock, "who", (self.addresses[address], PORTS[port]))
        return [found[0], int(found[1])] if found else None

    def comes(self, sock, word):
        """Whether the answer to `word` reaches this socket, which spoke to the first place only."""
        to = (self.addresses[0], PORTS[0])
        sock.sendto(word.encode(), to)
        return any(word in self.ask(sock, "who", to)[1] for _ in range(3))

    def filtering(self):
        if self.comes(self.udp(), "other-address"):
            return "EIF"
        return "ADF" if self.comes(self.udp(), "other-port") else "APDF"

    def hairpin(self):
        """The source that one socket sees of another's word to its outer address: None, or [ip, port,
        whether that is the outer source of the sender]."""
        one, other = self.udp(), self.udp()
        to, source = self.mapped(one), self.mapped(other)
        seen = []
        if (":" in to[0]) != (":" in self.addresses[0]):
            return None # behind NAT64 there is no way to write to it
        other.sendto(b"hairpin", tuple(to))
        for _ in range(3):
            one.sendto(b"who hairpin", (self.addresses[0], PORTS[0]))
            while select.select([one], [], [], TRY_S)[0]:
                data, sender = one.recvfrom(100)
                if data == b"hairpin":
                    seen.append(list(sender[:2]))
                elif data.startswith(b"who hairpin"):
                    break
        return [*seen[0], seen[0] == source] if seen else None

    def tcp(self, port):
        try:
            with socket.create_connection((self.addresses[0], port), TCP_S) as talk:
                return talk.recv(10) == b"hello\n"
        except OSError:
            return False

    def look(self):
        found = {f"tcp{port}": self.tcp(port) for port in TCP_PORTS}
        sock = self.udp()
        places = [self.mapped(sock, address, port)
                  for address in (0, 1) for port in (0, 1)] if self.mapped(sock) else []
        found.update(udp=bool(places), local=sock.getsockname()[1], mapped=places)
        if not places:
            return found
        same_first, same_last = places[0] == places[1], places[2] == places[3]
        found["mapping"] = "EIM" if same_first and same_last and places[0] == places[2] else \
            "ADM" if same_first and same_last else "APDM"
        found["kept"] = all(port == found["local"] for _, port in places)
        found["filtering"], found["hairpin"] = self.filtering(), self.hairpin()
        return found

    def lifetimes(self, silences_ms):
        """[[two-way, seconds of silence at least, at most, whether a word came through after them], …]"""
        to, control, watched = (self.addresses[0], PORTS[0]), self.udp(), {}
        aged = {self.udp(): silence for silence in silences_ms}
        began, old = time.monotonic(), False
        while not old:
            old = time.monotonic() - began > ASSURED_S
            for sock in aged:
                self.ask(sock, "who", to)
        fresh = {self.udp(): silence for silence in silences_ms}
        for two_way, group in ((True, aged), (False, fresh)):
            for sock, silence in group.items():
                token = f"t{len(watched)}-{sock.getsockname()[1]}"
                watched[token] = (two_way, sock)
                sock.sendto(f"hold {token}".encode(), to)
                while True: # the first may come before the hold
                    control.sendto(f"fire {token} {silence}".encode(), to)
                    if select.select([control], [], [], TRY_S)[0]:
                        control.recv(100)
                        break
        return [[two_way, *self.outcome(control, token, sock)]
                for token, (two_way, sock) in watched.items()]

    def outcome(self, control, token, sock):
        to = (self.addresses[0], PORTS[0])
        while True: # asking keeps the control socket's own mapping
            control.sendto(f"fired {token}".encode(), to)
            if select.select([control], [], [], TRY_S)[0]:
                words = control.recv(100).decode().split()
                if words[:2] == ["fired", token] and words[2] != "-":
                    break
                select.select([], [], [], ROUND_S)
        self.ask(control, "who", to)
        return float(words[2]), float(words[3]), b"late" in iter(lambda: receive_now(sock), b"")


def receive_now(sock):
    try:
        return sock.recv(100, socket.MSG_DONTWAIT)
    except BlockingIOError:
        return b""


def spend(address, count):
    """Round trips, in seconds; None for one that was lost."""
    sock, found = udp("::" if ":" in address else ""), []
    for number in range(count):
        began = time.monotonic()
        sock.sendto(f"who {number}".encode(), (address, PORTS[0]))
        came = None
        while select.select([sock], [], [], max(0, began + SPEND_S - time.monotonic()))[0]:
            if sock.recv(100).decode().split()[1] == str(number):
                came = time.monotonic() - began
                break
        found.append(came)
    return found


def listen(address, port, *to):
    """For ever. What was sent before a round began and did not come by the end of the next was lost."""
    number, mapped = 0, None
    sock = udp("::" if ":" in address else "", int(port))
    sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20) # bursts are counted here
    for place in to:
        host, _, far = place.rpartition(":")
        sock.sendto(b"hello", (host, int(far)))
    while True:
        asked = f"who {number}".split()
        sock.sendto(" ".join(asked).encode(), (address, PORTS[0]))
        end = time.monotonic() + ROUND_S
        while select.select([sock], [], [], max(0, end - time.monotonic()))[0]:
            data, source = sock.recvfrom(2048)
            words = data.decode().split()
            if source[:2] != (address, PORTS[0]):
                print("came", *source[:2], *words, flush=True)
            elif words[:2] == asked:
                if words[2:] != mapped:
                    print("mapped", *words[2:], flush=True)
                mapped, number, asked = words[2:], number + 1, None # asked twice, it is one round
                print("round", number, flush=True)


def flows(address, count):
    """How many of so many sockets are answered; the first one is asked again at last."""
    asker = Asker((address,))
    socks = [asker.udp() for _ in range(count)]
    asker.mapped(socks[0])
    for sock in socks[1:]:
        sock.sendto(b"who 0", (address, PORTS[0]))
    for _ in range(5): # the last answers may have gone by another processor
        asker.mapped(socks[0])
    return 1 + sum(1 for sock in socks[1:] if receive_now(sock))


def main(verb, *words):
    if verb == "serve":
        Teller(words).serve()
    if verb == "look":
        print(json.dumps(Asker(words).look()), flush=True)
    if verb == "lifetimes":
        print(json.dumps(Asker(words[:1]).lifetimes([int(word) for word in words[1:]])), flush=True)
    if verb == "listen":
        listen(*words)
    if verb == "flows":
        print(json.dumps(flows(words[0], int(words[1]))), flush=True)
    if verb == "spend":
        print(json.dumps(spend(words[0], int(words[1]))), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
