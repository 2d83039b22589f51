#!/usr/bin/env python3
"""./run bench itself: what it tells and writes, that it sees who speaks another cipher than his name says, and that it
ends when it is told to, with nothing left of it."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid

HERE = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(os.environ["MESH_BUILD"])
MARK = "MESH_BENCH_TEST"
NEEDED = ("iperf3", "wg", "ss", "tc", "ethtool", "nft", "unshare", "nsenter", "setpriv")


def start(folder, *words, **env):
    """A bench that is known by its environment, as is everything that it starts."""
    (folder / "tmp").mkdir(exist_ok=True)
    env = {**os.environ, MARK: str(uuid.uuid4()), "TMPDIR": str(folder / "tmp"), **env}
    return env, subprocess.Popen([HERE / "wire.py", BUILD, *words], env=env, stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, text=True)


def of_mark(mark):
    """Processes that bear it."""
    found, wanted = [], f"{MARK}={mark}".encode()
    for place in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if wanted in (place / "environ").read_bytes().split(b"\0"):
                found.append((place / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            pass # it has ended
    return found


def told(folder, *words, code=0, **env):
    _, process = start(folder, *words, **env)
    text = process.communicate(timeout=900)[0]
    assert process.returncode == code, f"exit {process.returncode}: {text}"
    return text


def test_table(folder):
    text = told(folder, "--rounds", "2", "--rows", "ping,udp64", "--only", "no tunnel,mesh", "--json", folder / "values",
                "--markdown", folder / "table", NEBULA="/none", TAILSCALED="/none")
    assert "mesh speaks ChaCha20-Poly1305" in text, text
    assert "left out: nebula: neither in $PEERS nor in $PATH" in text and "left out: tailscaled" in text, text
    assert "UDP, 64 B, delivered, k/s" in text and "medians of 2 rounds" in text, text
    values = json.loads((folder / "values").read_text())
    assert list(values) == ["no tunnel", "mesh"], values
    for key in ("rtt", "rtt_p99", "udp64", "cpu64"):
        assert len(values["mesh"][key]) == 2 and min(values["mesh"][key]) > 0, values
    assert len(values["mesh"]["rss"]) == 1, values
    lines = (folder / "table").read_text().splitlines()
    assert lines[0] == "| | no tunnel | mesh |" and any(line.startswith("| ping, idle, p50") for line in lines), lines
    assert not os.listdir(folder / "tmp"), os.listdir(folder / "tmp")


def test_rows(folder):
    text = told(folder, "--list")
    for row in ("ping", "tcp1", "tcp4", "tcp32", "reverse", "bidir", "udp64", "udp256", "udp1200", "uso", "loaded", "nogso",
                "mtu1280", "mtu8920", "idle", "peers"):
        assert row in text.split("contenders")[0], text


def test_wrong_cipher(folder):
    """A mesh-wg that does not do as it is told is found out."""
    deaf = folder / "mesh-wg"
    deaf.write_text(f"""#!/bin/bash
for word; do [ "$word" = --suite=aes256gcm ] || words+=("$word"); done
exec {BUILD}/wg/mesh-wg "${{words[@]}}"
""")
    deaf.chmod(0o755)
    text = told(folder, "--rounds", "1", "--rows", "ping", "--only", "mesh aes", code=1, MESH_WG=str(deaf))
    if "left out: mesh aes" not in text:
        assert "mesh aes is to speak aesgcm1, on the cable is wg1" in text, text


def test_interrupt(folder, number):
    env, process = start(folder, "--rounds", "999", "--rows", "tcp1", "--only", "no tunnel,mesh,meshd")
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("round 1 of 999"):
            break
    assert len(of_mark(env[MARK])) > 5, lines
    process.send_signal(number)
    rest = process.stdout.read() # until the last that could write has ended
    code = process.wait(timeout=180)
    end = time.monotonic() + 120
    while of_mark(env[MARK]):
        assert time.monotonic() < end, f"left behind by {number!r}: {of_mark(env[MARK])}"
        time.sleep(0.1)
    if number == signal.SIGKILL:
        shutil.rmtree(folder / "tmp")
        return
    assert code == 128 + number and f"stopped by {number.name}" in rest, (code, rest)
    assert "Traceback" not in rest and not os.listdir(folder / "tmp"), (rest, os.listdir(folder / "tmp"))


def main():
    missing = [tool for tool in NEEDED if shutil.which(tool) is None]
    if missing or os.geteuid() != 0 or not os.path.exists("/dev/net/tun"):
        print(f"skipped: missing {' '.join(missing) or 'root or /dev/net/tun'}")
        sys.exit(77)
    with tempfile.TemporaryDirectory(prefix="mesh-bench-") as name:
        for test in (test_table, test_rows, test_wrong_cipher):
            test(pathlib.Path(name))
            print(f"ok: {test.__name__}", flush=True)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            test_interrupt(pathlib.Path(name), number)
            print(f"ok: {number.name}", flush=True)


main()
