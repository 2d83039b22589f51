"""Clocks that are off. Nodes whose clocks are years off join and stay: the server's signed time counts, not
theirs. A server whose clock was an hour ahead and is put right keeps its nodes.

   [a] 203.0.113.11, right        [b] clock ten years behind        [c] clock ten years ahead"""
import pathlib
import subprocess
import tempfile

from lab import Lab, wait_until

SHIM = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
int clock_gettime(clockid_t clock, struct timespec *out)
{
    static int (*real)(clockid_t, struct timespec *);
    int rc;

    if (!real)
        real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    rc = real(clock, out);
    if (rc == 0 && clock == CLOCK_REALTIME)
        out->tv_sec += atol(getenv("CLOCK_OFF_S"));
    return rc;
}
"""
YEARS_S = 10 * 366 * 86400


def make_shim(folder):
    pathlib.Path(folder).chmod(0o755)  # meshd's user has to get there
    path = pathlib.Path(folder) / "clock.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", path, "-x", "c", "-", "-ldl"], input=SHIM,
                   text=True, check=True, timeout=60)
    path.chmod(0o755)
    return path


def server_put_right(lab, a, shim):
    lab.server.stop("mesh-server")
    lab.server.up(LD_PRELOAD=str(shim), CLOCK_OFF_S="3600")
    lab.server.ctl("node", "rename", "--network", "home", "b", "bee")
    a.wait_until(lambda n: "bee" in n.peers(), 40)
    a.restart()  # what it signs from now on is by the server's time
    wait_until(lambda: lab.server.nodes("home")["a"].endpoints, 40, "a's report")
    lab.server.restart()
    wait_until(lambda: lab.server.nodes("home")["a"].endpoints, 40, "a's report after it was put right")
    a.wait_until(lambda n: n.network().server_state == "connected", 20)
    lab.ok("a server's clock goes back an hour: its nodes stay and report")


def main():
    with tempfile.TemporaryDirectory(prefix="mesh-clock-") as folder, Lab() as lab:
        a, b, c = lab.node("a"), lab.node("b"), lab.node("c")
        shim = make_shim(folder)
        link = lab.server.setup("home")
        lab.server.up()
        a.up()
        b.up(LD_PRELOAD=str(shim), CLOCK_OFF_S=str(-YEARS_S))
        c.up(LD_PRELOAD=str(shim), CLOCK_OFF_S=str(YEARS_S))
        a.join(link)
        b.join(lab.server.key("home"))
        c.join(lab.server.key("home"))
        for node in (a, b, c):
            node.wait_until(lambda n: len(n.peers()) == 2)
        for node in (b, c):
            assert "off the server's" in node.log("meshd"), "the clock was right"
        lab.ok("nodes with clocks ten years behind and ahead join")
        for node in (b, c):
            a.reaches(node.addresses()[6])
            node.reaches(a.addresses()[6])
        b.reaches(c.addresses()[4])
        lab.ok("and all of them reach each other")
        server_put_right(lab, a, shim)


main()
