#!/usr/bin/env python3
"""Fuzzes every target of a build for libFuzzer, or one, and prints a table.

    run.py BUILD MINUTES [TARGET]

MINUTES of wall time are shared by the targets, which run side by side as far as there are processors
(JOBS). New inputs that reach new code stay in BUILD/corpus/TARGET and are where the next run starts;
inputs that kill a target, hang it or make it ask for too much memory go to BUILD/findings. Exits 1 if
there were any. A finding becomes a file in tests/fuzz/corpus/TARGET, which every test run replays."""
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
MAX_LEN = 8192  # bytes of an input; the limits of longer ones are unit tests
ENV = {
    "ASAN_OPTIONS": "handle_abort=1:abort_on_error=0:detect_leaks=1:allocator_may_return_null=1",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    "G_SLICE": "always-malloc",
}


def number(pattern, text):
    found = re.findall(pattern, text)
    return int(found[-1]) if found else 0


def fuzz(build, name, seconds):
    """Runs one target; returns its row: name, runs, runs a second, edges, findings."""
    program = build / "tests/fuzz" / f"fuzz-{name}"
    grown, findings = build / "corpus" / name, build / "findings" / name
    for folder in (grown, findings):
        folder.mkdir(parents=True, exist_ok=True)
    before = set(findings.iterdir())
    command = [program, f"-max_total_time={seconds}", f"-max_len={MAX_LEN}", "-timeout=10",
               "-rss_limit_mb=1024", "-print_final_stats=1", f"-artifact_prefix={findings}/"]
    words = HERE / "dict" / f"{name}.dict"
    if words.exists():
        command.append(f"-dict={words}")
    log = build / f"{name}.log"
    with open(log, "wb") as out:
        try:
            code = subprocess.run([*command, grown, HERE / "corpus" / name], stdout=out, stderr=out,
                                  env={**os.environ, **ENV}, timeout=seconds + 120).returncode
        except subprocess.TimeoutExpired:
            code = 1
    text = log.read_text(errors="replace")
    new = sorted(set(findings.iterdir()) - before)
    return {"name": name, "code": code, "log": log, "new": new,
            "runs": number(r"stat::number_of_executed_units: (\d+)", text),
            "rate": number(r"stat::average_exec_per_sec:\s+(\d+)", text),
            "edges": number(r" cov: (\d+) ", text), "inputs": number(r" corp: (\d+)", text)}


def show(row):
    verdict = "ok" if row["code"] == 0 else "FAILED"
    print(f"{row['name']:<12}{row['runs']:>11}{row['rate']:>9}{row['edges']:>8}{row['inputs']:>8}  {verdict}",
          flush=True)
    for path in row["new"]:
        print(f"  {path}")
    if row["code"] != 0:
        lines = row["log"].read_text(errors="replace").splitlines()
        hits = [line for line in lines if re.search(r"ERROR:|Assertion|runtime error|SUMMARY", line)]
        print("\n".join(f"  {line}" for line in hits[:6]) or f"  see {row['log']}", flush=True)


def main():
    build, minutes = pathlib.Path(sys.argv[1]).resolve(), float(sys.argv[2])
    names = sys.argv[3:] or sorted(p.name[5:] for p in (build / "tests/fuzz").glob("fuzz-*")
                                   if p.is_file() and os.access(p, os.X_OK))
    for name in names:
        if not (build / "tests/fuzz" / f"fuzz-{name}").exists():
            sys.exit(f"no fuzz target \"{name}\"; there are: "
                     + " ".join(sorted(p.stem[5:] for p in HERE.glob("fuzz-*.c"))))
    jobs = min(int(os.environ.get("JOBS", os.cpu_count() or 1)), len(names))
    seconds = max(1, round(minutes * 60 * jobs / len(names)))
    print(f"{len(names)} targets, {seconds} s each, {jobs} at once")
    print(f"{'target':<12}{'runs':>11}{'runs/s':>9}{'edges':>8}{'inputs':>8}")
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for row in pool.map(lambda name: fuzz(build, name, seconds), names):
            show(row)
            failed += row["code"] != 0
    print(f"{len(names) - failed} passed, {failed} failed")
    sys.exit(failed != 0)


if __name__ == "__main__":
    main()
