"""A D-Bus client that does as it likes, on a socket of its own; run as: dbusflood.py PATH ROLE LEAST, with a line on standard output when it
begins, and one when it has sent so many messages and was refused.

calls        calls as fast as the bus takes them: properties, methods with and without action, objects that do not exist; some want no answer
huge         one call after another with arguments of megabytes
vanish       calls, and is gone before the answer; again and again
Goes on until its input ends; then says how many messages it sent, and how many answers were "LimitsExceeded"."""
import os
import select
import socket
import struct
import sys

NAME = "org.meshvpn.Mesh1"
SOCKET = "/run/dbus/system_bus_socket"
CALL, NO_REPLY = 1, 1
STRINGS = {1: "o", 2: "s", 3: "s", 6: "s", 8: "g"} # header fields that a call has: path, interface, member, destination, signature
BATCH = 200
REFUSAL = b"Mesh1.Error.LimitsExceeded"


def pad(data, to):
    return data + bytes(-len(data) % to)


def make_field(code, value):
    kind, raw = STRINGS[code], value.encode()
    head = bytes([code, 1]) + kind.encode() + b"\0"
    return head + (bytes([len(raw)]) if kind == "g" else struct.pack("<I", len(raw))) + raw + b"\0"


def make_call(path, interface, member, signature="", body=b"", flags=0, destination=NAME):
    """A message without its serial, which Connection.send() puts in."""
    fields = b""
    for code, value in ((1, path), (2, interface), (3, member), (6, destination), (8, signature)):
        if value:
            fields = pad(fields, 8) + make_field(code, value)
    head = struct.pack("<cBBBIII", b"l", CALL, flags, 1, len(body), 0, len(fields)) + fields
    return bytearray(pad(head, 8) + body)


def text(value):
    raw = value.encode()
    return struct.pack("<I", len(raw)) + raw + b"\0"


class Connection:
    def __init__(self):
        self.socket, self.serial, self.rest = socket.socket(socket.AF_UNIX), 0, b""
        self.socket.connect(SOCKET)
        self.socket.sendall(b"\0AUTH EXTERNAL " + str(os.getuid()).encode().hex().encode() + b"\r\n")
        assert self.socket.recv(1000).startswith(b"OK")
        self.socket.sendall(b"BEGIN\r\n")
        self.send([make_call("/org/freedesktop/DBus", "org.freedesktop.DBus", "Hello", destination="org.freedesktop.DBus")])

    def read(self):
        """Waits for something; returns how often it was a refusal."""
        came = self.rest + self.socket.recv(1 << 20)
        if len(came) == len(self.rest):
            raise ConnectionError("the bus ended it")
        self.rest = came[-len(REFUSAL) + 1:] # it may be cut there
        return came.count(REFUSAL)

    def send(self, messages):
        """Sends, and reads what comes meanwhile; returns how often that was a refusal."""
        data, refused = bytearray(), 0
        for message in messages:
            self.serial += 1
            struct.pack_into("<I", message, 8, self.serial)
            data += message
        view = memoryview(data)
        while view:
            readable, writable, _ = select.select([self.socket], [self.socket], [])
            if readable:
                refused += self.read()
            if writable:
                view = view[self.socket.send(view[:1 << 16]):]
        return refused


def make_kinds(path):
    properties, network = "org.freedesktop.DBus.Properties", NAME + ".Network"
    page = pad(text(""), 4) + struct.pack("<I", 0)
    return [
        make_call(path, properties, "GetAll", "s", text(network)),
        make_call(path, network, "ListPeers", "su", page),
        make_call(path, network, "Watch", "sa{sv}", pad(pad(text(""), 4) + struct.pack("<I", 0), 8)),
        make_call(path, network, "NoSuchMethod"),
        make_call(path + "x", network, "ListPeers", "su", page),
        make_call("/org/meshvpn/Mesh1", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects"),
        make_call(path, properties, "GetAll", "s", text(network), flags=NO_REPLY),
    ]


def flood(path):
    one, kinds = Connection(), make_kinds(path)
    while True:
        yield BATCH, one.send([kinds[i % len(kinds)] for i in range(BATCH)])


def huge(path):
    """A text of megabytes, and a hundred thousand texts."""
    one = Connection()
    kinds = [make_call("/org/meshvpn/Mesh1", NAME + ".Daemon", "Join", "s", text("x" * (8 << 20))),
             make_call(path, NAME + ".Network", "Set", "as", struct.pack("<I", 8 * 99999 + 5) + pad(text(""), 8) * 99999 + text(""))]
    while True:
        for kind in kinds:
            refused = one.send([kind])
            while refused == 0:
                refused = one.read()
            yield 1, refused


def vanish(path):
    kinds = make_kinds(path)
    while True:
        one, sent, refused = Connection(), 0, 0
        while refused == 0: # they have arrived; who does not even wait for that fills the bus's queues, not the daemon
            refused = one.send(kinds * 12) # a daemon that is quick may answer all of them: then more
            sent += 12 * len(kinds)
        one.socket.close()
        yield sent, refused


def main():
    path, role, least = sys.argv[1:]
    sent, refused, told = 0, 0, False
    for n, n_refused in {"calls": flood, "huge": huge, "vanish": vanish}[role](path):
        if sent == 0:
            print("begins", flush=True)
        sent, refused = sent + n, refused + n_refused
        if not told and sent >= int(least) and refused > 0:
            told = True
            print("enough", flush=True)
        if select.select([sys.stdin], [], [], 0)[0]:
            break
    print(sent, refused, flush=True)


main()
