"""What is wrong, in a word that programs know: property Problem, which mesh status --json shows. Words of a full disk,
torn state and clashes are looked at where those are tested (test-full, test-state, test-clash).

   [a] 203.0.113.11 ══ internet ══ [b]        [server] mesh.example"""
import pathlib
import subprocess
import tempfile

from lab import Lab, wait_until

LIMIT_S = 60 # ends a hang only


def has(node, word):
    return node.wait_until(lambda n: n.network().problem == word, LIMIT_S, f"{node.name} says \"{word}\"")


def make_shim(folder):
    """A clock that is CLOCK_OFF_S off."""
    source = """
        #define _GNU_SOURCE
        #include <dlfcn.h>
        #include <stdlib.h>
        #include <time.h>
        int clock_gettime(clockid_t clock, struct timespec *out)
        {
            int (*real)(clockid_t, struct timespec *) = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
            int rc = real(clock, out);

            if (rc == 0 && clock == CLOCK_REALTIME)
                out->tv_sec += atol(getenv("CLOCK_OFF_S"));
            return rc;
        }"""
    pathlib.Path(folder).chmod(0o755)
    path = pathlib.Path(folder) / "clock.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", path, "-x", "c", "-", "-ldl"], input=source, text=True, check=True,
                   timeout=60)
    path.chmod(0o755)
    return str(path)


def approval(lab, a):
    lab.server.ctl("network", "set", "home", "--approve", "yes")
    a.join(lab.server.key("home"))
    has(a, "pending")
    a.mesh("set", "--dns=off")
    lab.server.ctl("node", "approve", "--network", "home", "a")
    has(a, "")
    lab.server.ctl("network", "set", "home", "--approve", "no")
    lab.ok("pending while the node waits for approval, then nothing")


def away(lab, a):
    lab.server.stop("mesh-server")
    has(a, "server-unreachable")
    assert a.network().state == "up" and a.network().server_error
    lab.server.up()
    has(a, "")
    lab.ok("server-unreachable while it is, and the network goes on")


def clock(lab, a):
    with tempfile.TemporaryDirectory(prefix="mesh-problem-") as folder:
        shim = make_shim(folder)
        a.stop("meshd")
        a.up(LD_PRELOAD=shim, CLOCK_OFF_S="3600")
        has(a, "clock-wrong")
        assert any("clock is 60 min ahead" in text or "clock is 59 min ahead" in text for text in a.network().warnings)
        a.stop("meshd")
        a.up(LD_PRELOAD=shim, CLOCK_OFF_S="60")
        a.wait_until(lambda n: n.network().server_state == "connected", LIMIT_S)
        assert a.network().problem == "" and not any("clock" in text for text in a.network().warnings)
    a.restart()
    lab.ok("clock-wrong when it is an hour off, not for a minute")


def devices(lab, a):
    """Another /dev/net, in the node's own mount namespace; meshd starts in it, as its sandbox names what is there."""
    a.mesh("down")
    a.stop("meshd")
    a.sh("mount -t tmpfs none /dev/net; mknod -m 600 /dev/net/tun c 10 200")
    a.up()
    refused = a.mesh("up", check=False)
    assert refused.returncode != 0, refused
    has(a, "no-permission")
    assert a.network().state == "error"
    a.stop("meshd")
    a.sh("rm /dev/net/tun")
    a.up()
    a.mesh("up", check=False)
    has(a, "no-tun")
    a.stop("meshd")
    a.sh("umount /dev/net")
    a.up()
    a.mesh("up")
    has(a, "")
    lab.ok("no-permission and no-tun: what of this host stands in the way")


def removed(lab, b):
    lab.server.ctl("node", "remove", "--network", "home", "b")
    has(b, "removed")
    assert b.network().state == "removed"
    b.restart()
    has(b, "removed")
    lab.ok("removed, over a restart as well")


def impostor(lab, a):
    """Another server takes over the name and the address."""
    server = lab.server
    server.stop("mesh-server")
    server.sh("rm -rf /var/lib/mesh-server* /run/mesh-server")
    server.setup("home")
    server.up()
    has(a, "wrong-server")
    assert a.network().state == "up" and "not the one of the join link" in a.network().server_error, a.network()
    lab.ok("wrong-server when its key is another than the link said; the network goes on")


def main():
    with Lab() as lab:
        a, b = lab.node("a"), lab.node("b")
        link = lab.server.setup("home")
        lab.server.up()
        a.up()
        b.up()
        b.join(link)
        has(b, "dns") # nobody here lets meshd set names
        b.mesh("set", "--dns=off")
        has(b, "")
        approval(lab, a)
        away(lab, a)
        clock(lab, a)
        devices(lab, a)
        removed(lab, b)
        wait_until(lambda: not a.peers(), LIMIT_S, "a is alone")
        impostor(lab, a)


main()
