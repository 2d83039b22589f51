"""Many nodes that register at once, by docs/PROTOCOL.md: python3 crowd.py PREFIX EACH, links on standard input.

For each link, EACH nodes of their own connection send their request at the same moment. One JSON line
for each answer: the link's number, the node, the status, and the error's code."""
import json
import sys
from concurrent.futures import ThreadPoolExecutor

from httpnode import Connection, Link, Node

OPENERS = 16 # connections that are opened side by side


def prepare(job):
    """A node, and the request that it will send."""
    number, link, name = job
    node = Node(link, name)
    body = json.dumps(node.register_body()).encode()
    return number, node, node.request("POST", node.path("register"), body)


def connect(prepared):
    """The same with a connection that stands. The server waits for its request for ten seconds only."""
    try:
        return *prepared, Connection(prepared[1].link)
    except OSError:
        return None # the server is away just now


def send(ready):
    try:
        ready[3].send(ready[2])
    except OSError:
        pass # and no answer will come


def receive(number, node, connection):
    try:
        answer = connection.read()
    except (OSError, EOFError):
        return
    code = "" if answer.status in (200, 202) else answer.code()
    print(json.dumps({"link": number, "node": node.id, "name": node.name, "status": answer.status,
                      "code": code}), flush=True)


def main():
    prefix, each = sys.argv[1], int(sys.argv[2])
    links = [Link(line.strip()) for line in sys.stdin]
    jobs = [(number, link, f"{prefix}-{number}-{at}") for number, link in enumerate(links)
            for at in range(each)]
    with ThreadPoolExecutor(OPENERS) as pool:
        prepared = list(map(prepare, jobs)) # before any connection: it takes its time
        ready = [one for one in pool.map(connect, prepared) if one]
    print(json.dumps({"ready": len(ready)}), flush=True)
    for one in ready:
        send(one)
    for number, node, _, connection in ready:
        receive(number, node, connection)


main()
