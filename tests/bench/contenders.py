"""Who takes part in ./run bench: ours, and every peer that is there.

Where a program is: what its environment variable names, else in the folders of $PEERS, else in $PATH."""
import os
import re
import shutil
import subprocess

from nodes import Nodes
from tunnels import Limit, Nebula, Tailscale, Tunnel, WireGuard

GO_SINCE = 2023 # year of its super-packets


def find_peer(name, variable):
    """Where a program is; None: nowhere."""
    folders = os.pathsep.join(filter(None, (os.environ.get("PEERS"), os.environ.get("PATH"))))
    return shutil.which(os.environ.get(variable, name), path=folders)


def find_ours(build):
    """The mesh-wg that is measured; None, with a line that says so."""
    place = os.environ.get("MESH_WG", str(build.resolve() / "wg/mesh-wg"))
    if os.access(place, os.X_OK):
        return place
    print(f"left out: mesh-wg, not at {place}")
    return None


def can_seal(ours, suite):
    """Whether mesh-wg would begin with it on this machine: it looks at that before the engine, which there is not."""
    told = subprocess.run([ours, f"--suite={suite}", "--engine=none-such", "-f", "check0"], capture_output=True,
                          text=True, timeout=10, check=False)
    return "not for this machine" not in told.stderr


def add_ours(found, build):
    ours = find_ours(build)
    if ours is None:
        return
    def add(name, suite, *command):
        found[name] = lambda folder, name: WireGuard(folder, name, (*command, "-f", "wg0"), suite=suite)
    add("mesh", "wg1", ours)
    if can_seal(ours, "aes256gcm"):
        add("mesh aes", "aesgcm1", ours, "--suite=aes256gcm")
    else:
        print("left out: mesh aes: this processor has no instructions for it")
    arguments = os.environ.get("MESH_WG_ARGUMENTS", "").split()
    if arguments:
        add("mesh " + " ".join(arguments), "any", ours, *arguments)
    before = os.environ.get("MESH_WG_BEFORE")
    if before:
        add("mesh before", "wg1", before)


def add_nodes(found, build):
    """Two nodes by meshd, with the suite they agree on."""
    os.environ["MESH_BUILD"] = str(build.resolve())
    found["meshd"] = Nodes


def add_limit(found):
    limit = find_peer("limit", "LIMIT") if "LIMIT" in os.environ else None
    if limit is None:
        print("left out: limit, limit aes: $LIMIT names no program")
        return
    found["limit"] = lambda folder, name: Limit(folder, name, limit)
    found["limit aes"] = lambda folder, name: Limit(folder, name, limit, "aes")


def name_go(place):
    """The goals are of a wireguard-go with super-packets; one of before (Debian 12's) is named so."""
    said = re.search(r"0\.0\.(20\d\d)", os.popen(f"{place} --version 2>&1").read())
    return f"wireguard-go {said[1]}" if said and int(said[1]) < GO_SINCE else "wireguard-go"


def add_peers(found):
    peers = {name: find_peer(name, variable) for name, variable in (
        ("wireguard-go", "WIREGUARD_GO"), ("nebula", "NEBULA"), ("tailscaled", "TAILSCALED"),
        ("headscale", "HEADSCALE"), ("boringtun-cli", "BORINGTUN"))}
    for name, place in peers.items():
        if place is None:
            print(f"left out: {name}: neither in $PEERS nor in $PATH")
    go, nebula, boringtun = peers["wireguard-go"], peers["nebula"], peers["boringtun-cli"]
    if go:
        found[name_go(go)] = lambda folder, name: WireGuard(folder, name, (go, "-f", "wg0"))
    if nebula:
        found["nebula"] = lambda folder, name: Nebula(folder, name, nebula)
    if peers["tailscaled"] and peers["headscale"]:
        found["tailscaled"] = lambda folder, name: Tailscale(folder, name, peers["tailscaled"],
                                                             peers["headscale"])
    if boringtun:
        found["boringtun"] = lambda folder, name: WireGuard(
            folder, name, (boringtun, "-f", "--disable-drop-privileges", "--threads", "2", "wg0"))


def contenders(build, only):
    """name → what makes it, in the order of the table. Says what is left out, and why."""
    found = {"no tunnel": Tunnel}
    add_ours(found, build)
    add_nodes(found, build)
    add_limit(found)
    add_peers(found)
    unknown = [name for name in only if name not in found]
    if unknown:
        print(f"not here: {', '.join(unknown)}; here: {', '.join(found)}")
    return {name: make for name, make in found.items() if not only or name in only}


def versions():
    """What the peers say they are."""
    said = []
    for name, variable, word in (("wireguard-go", "WIREGUARD_GO", "--version"), ("nebula", "NEBULA", "-version"),
                                 ("tailscaled", "TAILSCALED", "--version"),
                                 ("boringtun-cli", "BORINGTUN", "--version")):
        place = find_peer(name, variable)
        lines = os.popen(f"{place} {word} 2>&1").read().splitlines() if place else []
        if lines:
            said.append(lines[0] if name.split("-")[0] in lines[0] else f"{name} {lines[0]}")
    return said
