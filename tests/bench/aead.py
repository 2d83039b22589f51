#!/usr/bin/env python3
"""What seals and opens packets: tests/bench/aead.py BUILD [ROUNDS (9)]

Every engine of the build, of both suites, has first to be equal to the reference on random input (the test wire-aead:
lengths to 65535, runs, in place and apart, forgeries, the edge of memory). Then each shape is compared once more and
measured, engines in turns, medians of the rounds: nanoseconds a packet, GB/s, how many times as fast as the reference."""
import pathlib
import re
import subprocess
import sys


def prove(build):
    """Runs the test; ends with its output if an engine is wrong."""
    done = subprocess.run([build / "tests/daemon/wire/test-wire-aead"], capture_output=True, text=True, timeout=300,
                          check=False)
    proven = re.findall(r"^ok \d+ /aead/(\w+)/([\w-]+)/", done.stdout, re.M)
    if done.returncode != 0 or "not ok" in done.stdout or not proven:
        sys.exit(f"{done.stdout}{done.stderr}\naead.py: an engine is wrong: nothing is measured")
    for suite, engine in dict.fromkeys(proven):
        print(f"{suite} {engine}: equal to the reference, {proven.count((suite, engine))} tests")


def main():
    if len(sys.argv) < 2:
        sys.exit("usage: tests/bench/aead.py BUILD [ROUNDS]")
    build = pathlib.Path(sys.argv[1]).resolve()
    prove(build)
    sys.stdout.flush()
    sys.exit(subprocess.run([build / "tests/bench/bench-aead", *sys.argv[2:3]], check=False).returncode)


main()
