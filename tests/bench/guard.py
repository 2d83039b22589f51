"""A benchmark that ends when it is told to, however it is told.

Who is started stays outside and passes on SIGINT, SIGTERM and SIGHUP: unshare(1), which stands between it and the
process that measures, blocks them, and the first process of a PID namespace gets none that it does not ask for. Is the
one outside killed, the kernel kills the others. With the process that measures go all hosts, daemons and cables."""
import os
import pathlib
import signal
import subprocess
import sys

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
GUARDED = "MESH_BENCH_GUARDED"
GRACE_S = 20 # for tidying up


def pass_on(pid, number):
    """To the process that measures: the child of unshare, once that runs."""
    try:
        child = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        os.kill(int(child[0]) if child else pid, number)
    except (FileNotFoundError, ProcessLookupError):
        pass # it has ended


def stop(number, _):
    """The first signal ends the measurement; those that follow do not disturb the tidying up."""
    for one in SIGNALS:
        signal.signal(one, signal.SIG_IGN)
    print(f"stopped by {signal.Signals(number).name}", flush=True)
    sys.exit(128 + number)


def guard():
    """To be called before anything is made. Returns in the process that measures."""
    if os.environ.get(GUARDED):
        for number in SIGNALS:
            signal.signal(number, stop)
        return
    child = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", sys.executable, "-u", *sys.argv],
                             env={**os.environ, GUARDED: "1"})
    told = []

    def forward(number, _):
        told.append(number)
        pass_on(child.pid, number)
        signal.alarm(GRACE_S)
    for number in SIGNALS:
        signal.signal(number, forward)
    signal.signal(signal.SIGALRM, lambda *_: child.kill())
    code = child.wait()
    sys.exit(128 + told[0] if told else code if code >= 0 else 128 - code)
