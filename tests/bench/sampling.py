"""Where a tunnel's daemons spend their time during a measurement, by perf's samples of the clock."""
import re
import shutil
import signal
import subprocess

from rows import ROWS

TOP = 20
HERTZ = 1999


def sample(folder, tunnel, row):
    """Runs the measurement with perf beside it. Prints the functions that cost most, kernel's and ours."""
    if shutil.which("perf") is None:
        print("no samples: perf is not installed (package linux-perf)")
        return
    data = folder / "samples"
    perf = subprocess.Popen(["perf", "record", "-q", "-e", "cpu-clock", "-F", str(HERTZ), "-o", data, "-p",
                             ",".join(map(str, tunnel.daemons))], stderr=subprocess.DEVNULL)
    try:
        found = ROWS[row](tunnel)
    finally:
        perf.send_signal(signal.SIGINT)
        perf.wait(timeout=30)
    print(f"\n{tunnel.name}, {row}: " + ", ".join(f"{key} {value:.2f}" for key, value in found.items()))
    for kinds, count in (("dso", 4), ("dso,sym", TOP)):
        told = subprocess.run(["perf", "report", "-i", data, "--stdio", "--no-children", "-s", kinds],
                              capture_output=True, text=True, check=False).stdout
        lines = [line.rstrip() for line in told.splitlines() if re.match(r"\s+\d", line)]
        print("\n".join(lines[:count]), flush=True)
    data.unlink()
