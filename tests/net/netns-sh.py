"""WireGuard's own end-to-end test, tests/netns.sh of the wireguard-go project, with mesh-wg as its
program: every case has to pass. The script is not ours and not in this tree: peers.py. What its cases
are: docs/WIREGUARD.md."""
import os
import shutil
import signal
import subprocess
import sys
import time

from peers import find_netns_sh, why_missing

SKIP = 77
TOOLS = ("bash", "setpriv", "unshare", "ip", "wg", "ss", "ping", "ping6", "ncat", "iperf3", "iptables")
MESSAGE_COST = "/proc/sys/net/core/message_cost" # the script sets it; in the first network namespace only
LAST_WORDS = "Objects that were created were also destroyed."
LIMIT_S = 1500 # of all tries together: less than the test may take
TRIES = 3 # other waits of a second, and a NAT that forgets after two, are too short for a machine that pauses for them

# The first process of a PID namespace: whatever the script leaves behind ends with it. The name of its
# directory for sockets and of its network namespaces lie in a fresh /run. All its pings are to be answered, in a
# second; here they may be later.
PING = """#!/bin/bash
for word in "$@"; do
    [ "$last" = -W ] && word=30
    words+=("$word") last=$word
done
exec "$(PATH=${PATH#*:} command -v "${0##*/}")" "${words[@]}"
"""
INSIDE = """mount -t tmpfs tmpfs /run && mkdir -p /run/wireguard /run/first && echo "$2" > /run/first/ping &&
    cp /run/first/ping /run/first/ping6 && chmod +x /run/first/* && PATH=/run/first:$PATH exec bash "$0" "$1\""""


def find_mesh_wg():
    build = os.environ.get("MESH_BUILD")
    root = os.path.join(os.path.dirname(__file__), "../../build/root/usr/bin")
    path = os.path.abspath(f"{build}/wg/mesh-wg" if build else f"{root}/mesh-wg")
    return path if os.access(path, os.X_OK) else None


def skip(what):
    print(f"skipped: {what}", flush=True)
    sys.exit(SKIP)


def check_needs(script, program):
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if os.geteuid() != 0:
        missing.append("root")
    if program is None:
        missing.append("mesh-wg (./run build, or MESH_BUILD)")
    if not os.access(MESSAGE_COST, os.W_OK):
        missing.append(MESSAGE_COST)
    if script is None:
        missing.append(why_missing("netns.sh"))
    if missing:
        skip("missing " + ", ".join(missing))


def run(script, program, limit_s):
    """Returns the script's exit status, which is -SIGKILL after the limit, and all it said."""
    with open(MESSAGE_COST, encoding="ascii") as file:
        cost = file.read()
    # In a session of its own, it ends with us all the same.
    argv = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
            "--propagation", "private", "bash", "-c", INSIDE, script, program, PING]
    # Standard input stays open and silent: the script's sleep() waits on it.
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace", start_new_session=True) as process:
        signal.signal(signal.SIGALRM, lambda *_: os.killpg(process.pid, signal.SIGKILL))
        signal.alarm(limit_s)
        said = process.stdout.read() # standard input is closed after it ended
        status = process.wait()
        signal.alarm(0)
    with open(MESSAGE_COST, "w", encoding="ascii") as file:
        file.write(cost) # if it was killed before it did so itself
    return status, said


def passes(script, program, limit_s):
    """Whether it does; None: there was no time for it."""
    status, said = run(os.path.abspath(script), program, limit_s)
    steps = sum("[+]" in line for line in said.splitlines())
    if status != 0 or LAST_WORDS not in said:
        print(*said.splitlines()[-60:], sep="\n")
        print(f"not ok: stopped with status {status} after {steps} steps", flush=True)
        return None if status == -signal.SIGKILL else False
    print(f"ok: {steps} steps, status 0: {LAST_WORDS}", flush=True)
    return True


def main():
    script, program = find_netns_sh(), find_mesh_wg()
    check_needs(script, program)
    end, passed = time.monotonic() + LIMIT_S, False
    for _ in range(TRIES):
        passed = passes(script, program, max(1, int(end - time.monotonic())))
        if passed is not False:
            break
    if not passed:
        sys.exit(1)


main()
