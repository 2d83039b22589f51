"""A bad cable between a router and its gateway: natbox (natbox.c) in a namespace of its own.

   box.set(delay_ms=20)                    both ways
   box.set("out", loss_pct=2, seed=7)      what the router sends
   box.set("in", hole=1)                   nothing arrives
   box.counts()["out"].lost                what has happened so far

Keys: delay_ms, jitter_ms (keeps the order), loss_pct, duplicate_pct, reorder_pct (held back by reorder_ms),
rate_kbit with queue_bytes, hole, drop_next (so many), lose_bursts (UDP's super-packets), seed. What is not named stays as it is."""
import json
import os
import socket
import types

from space import Host, find_program, link, wait_until

WAYS = {"out": "ab", "in": "ba", "both": "both"}


class Box(Host):
    """Stands on one cable. Made by lab.nat(…, box=True) as its .box."""

    def __init__(self, lab, name):
        super().__init__(lab, name)
        lab.hosts.append(self)
        self.path = str(lab.dir / f"{name}.sock")

    def insert(self, host, dev, gateway, far, whole=False):
        """Lays the cable host:dev ─ box ─ gateway:far. Packets are single ones, as on a real cable;
        with `whole` super-packets pass as they are, which is faster and loses 64 KiB at a time."""
        link(host, dev, self, "box-a")
        link(self, "box-b", gateway, far)
        if not whole:
            host.run("ip", "link", "set", dev, "gso_max_segs", "1")
            gateway.run("ip", "link", "set", far, "gso_max_segs", "1")
        self.sh("echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6")
        self.start("natbox", find_program("natbox"), self.path, "box-a", "box-b")
        wait_until(lambda: os.path.exists(self.path), 10, self.name)

    def ask(self, order):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as talk:
            talk.settimeout(10)
            talk.connect(self.path)
            talk.send(order.encode())
            answer = talk.recv(4096).decode()
        if answer.startswith("error"):
            raise ValueError(f"{self.name}: {order}: {answer}")
        return answer

    def set(self, way="both", **settings):
        words = " ".join(f"{key}={value:g}" for key, value in settings.items())
        self.ask(f"set {WAYS[way]} {words}")

    def counts(self):
        """Packets, bytes, lost, duplicated, reordered, queue_drops, unsent, held of "out" and "in"."""
        found = json.loads(self.ask("get"))
        return {way: types.SimpleNamespace(**found[WAYS[way]]) for way in ("out", "in")}
