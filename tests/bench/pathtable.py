#!/usr/bin/env python3
"""The table of what tests/bench/paths.py --json wrote: tests/bench/pathtable.py [--note TEXT] FILE… >docs/PATHS-TABLE.md

A matrix of kinds for each delay and loss: class reached (D direct, P by a peer, R by a relay, none), then the
medians of seconds to the direct way and of kB spent by the dearer side, from the join to the goal. Where
rounds differ each class stands with how often; what is worse than promised is bold. TEXT is put at the end."""
import argparse
import collections
import datetime
import json
import pathlib
import statistics
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "net"))
# pylint: disable=wrong-import-position
import pathcells  # noqa: E402

SHORT = {"open": "open", "full-cone": "FC", "restricted": "RC", "port-restricted": "PRC",
         "random-port": "PRC'", "port-restricted-accept": "PRC-acc", "address-dependent": "ADM",
         "sequential": "SYMd", "block": "SYMb", "symmetric": "SYMr", "carrier": "CGN",
         "udp-blocked": "no UDP"}
HEAD = """# What path each pair ends on

Every cell of `tests/net/pathcells.py`, {n} of them in {rounds} rounds, run on {day} by

    ./run bench paths '.*' {most} --jobs 3 --json FILE; tests/bench/pathtable.py FILE >docs/PATHS-TABLE.md

Rows send first, columns are sent to. Each entry: the class reached (D direct, R by a relay), seconds from when both could be reached by a relay to the direct way, kB over UDP of the side
that spent more, all until the goal was reached; medians. The classes are what counts: the machine was busy with other work, two cores for three cells at once, and times carry that. FC
full cone, RC restricted, PRC port-restricted, PRC' the same with ports not kept, PRC-acc the same with strays accepted, ADM by address, SYMd sequential, SYMb from a block, SYMr random, CGN
port-restricted behind a carrier's full cone. Goals: PATHS of the design, as `pathcells.py` has them; {verdict}
"""


def load(paths):
    runs = collections.defaultdict(list)
    for path in paths:
        for line in pathlib.Path(path).read_text(encoding="utf-8").splitlines():
            run = json.loads(line)
            runs[run["cell"]].append(run)
    return runs


def middle(runs, key, shape):
    values = [run[key] for run in runs if run[key] is not None]
    return shape(statistics.median(values)) if values else None


def is_missed(cell, run):
    return cell.promised and not cell.passes(run["class"])


def entry(cell, runs):
    if not runs:
        return "not run"
    classes = collections.Counter(run["class"] for run in runs)
    name = next(iter(classes)) if len(classes) == 1 else \
        " ".join(f"{count}{kind}" for kind, count in classes.most_common())
    if any(is_missed(cell, run) for run in runs):
        name = f"**{name}**"
    parts = [name, middle(runs, "direct-s", "{:.2f}".format),
             middle(runs, "bytes", lambda value: f"{value / 1000:.0f} kB")]
    return " ".join(part for part in parts if part)


def matrix(runs, rtt_ms, loss_pct):
    print(f"\n## {rtt_ms} ms" + (f", {loss_pct} % loss each way" if loss_pct else "") + "\n")
    print("| first | " + " | ".join(SHORT.values()) + " |")
    print("|" + "---|" * (len(SHORT) + 1))
    for first, short in SHORT.items():
        cells = [pathcells.cell(first, other, rtt_ms, loss_pct) for other in SHORT]
        print(f"| {short} | " + " | ".join(entry(cell, runs[cell.name]) for cell in cells) + " |")


def others(runs):
    print("\n## Other pairs\n\n| first × other | 0 ms | 20 ms |\n|---|---|---|")
    crossed = {(first, other) for first in SHORT for other in SHORT}
    rows = {}
    for cell in pathcells.everything():
        if (cell.first, cell.other) not in crossed:
            rows.setdefault(f"{cell.first} × {cell.other}", []).append(entry(cell, runs[cell.name]))
    for name, entries in rows.items():
        print(f"| {name} | " + " | ".join(entries) + " |")


def misses(runs, known):
    """Sentence, and lines for the end."""
    missed = {name: [run for run in found if is_missed(known[name], run)] for name, found in runs.items()}
    missed = {name: found for name, found in missed.items() if found}
    total = sum(len(found) for found in runs.values())
    if not missed:
        return f"all {total} runs reached them.", []
    count = sum(len(found) for found in missed.values())
    return (f"{count} of {total} runs ended on less, listed at the end.",
            [f"- {name}: {len(found)} of {len(runs[name])}" for name, found in missed.items()])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--note")
    parser.add_argument("files", nargs="+")
    options = parser.parse_args()
    runs, known = load(options.files), {cell.name: cell for cell in pathcells.everything()}
    runs = collections.defaultdict(list, {name: found for name, found in runs.items() if name in known})
    verdict, lines = misses(runs, known)
    counts = sorted({len(found) for found in runs.values()})
    print(HEAD.format(n=len(runs), rounds=" to ".join(map(str, (counts[0], counts[-1])[:len(counts)])),
                      most=counts[0], day=datetime.date.today().isoformat(), verdict=verdict), end="")
    for rtt_ms in (0, 20, 80):
        for loss_pct in (0, 2):
            matrix(runs, rtt_ms, loss_pct)
    others(runs)
    if lines:
        print("\n## Less than promised\n")
        print("\n".join(lines))
    if options.note:
        print(f"\n{options.note}")


main()
