"""The table of ./run bench: medians with their spread, ratios of ours to the others, the goals."""
import statistics

from rows import FIGURES

# What ours is to reach: figure, our contender, the other, "at least" or "at most", factor.
GOALS = (
    ("tcp1", "mesh", "wireguard-go", ">=", 2.6), ("tcp1", "mesh", "tailscaled", ">=", 2.9),
    ("tcp1", "mesh", "nebula", ">=", 1.7), ("tcp1", "mesh aes", "nebula", ">=", 2.3),
    ("tcp1", "mesh", "limit", ">=", 1.0), ("tcp1", "mesh aes", "limit aes", ">=", 1.0),
    ("tcp1", "mesh", "boringtun", ">=", 10),
    ("udp64", "mesh", "nebula", ">=", 1.3), ("udp64", "mesh", "wireguard-go", ">=", 11),
    ("cpu", "mesh", "wireguard-go", "<=", 0.36), ("cpu", "mesh", "nebula", "<=", 0.7),
    ("rtt", "mesh", "nebula", "<=", 0.85), ("loaded_p99", "mesh", "nebula", "<=", 1.0),
    ("rss", "mesh", None, "<=", 24), ("rss_both", "mesh", None, "<=", 24),
    ("peer_active", "mesh", None, "<=", 6), ("peer_idle", "mesh", None, "<=", 600),
    ("alone", "mesh", None, "<=", 0.2))
NAMES = {"cpu": "CPU per GB"}
WIDTH, TITLE = 14, 38


def medians(values):
    """{contender: {figure: median}} of {contender: {figure: [value…]}}."""
    return {name: {key: statistics.median(found) for key, found in row.items() if found}
            for name, row in values.items()}


def number(value, digits):
    return f"{value:.{digits}f}"


def lines_of(values):
    """(title, cells of medians, cells of the spread), for every figure that anybody has."""
    median = medians(values)
    for key, (title, unit, digits) in FIGURES.items():
        if not any(key in row for row in median.values()):
            continue
        spread = [f"{number(min(row[key]), digits)}-{number(max(row[key]), digits)}"
                  if len(row.get(key, ())) > 1 else "" for row in values.values()]
        yield f"{title}, {unit}", [number(row[key], digits) if key in row else "-"
                                   for row in median.values()], spread


def show(values):
    """For a terminal: medians, under them from least to greatest."""
    print(f"\n{'':<{TITLE}}" + "".join(f"{name:>{WIDTH}}" for name in values))
    for title, cells, spread in lines_of(values):
        print(f"{title:<{TITLE}}" + "".join(f"{cell:>{WIDTH}}" for cell in cells))
        if any(spread):
            print(" " * TITLE + "".join(f"{cell:>{WIDTH}}" for cell in spread))


def markdown(values):
    """The same for docs/PERFORMANCE.md."""
    rows = ["| | " + " | ".join(values) + " |", "|---" * (len(values) + 1) + "|"]
    for title, cells, spread in lines_of(values):
        both = [f"{cell} ({part})" if part else cell for cell, part in zip(cells, spread)]
        rows.append(f"| {title.strip()} | " + " | ".join(both) + " |")
    return "\n".join(rows) + "\n"


def judged(values, key, ours, other):
    """The ratio of the medians, or ours alone without an other. None: one of them is missing."""
    median = medians(values)
    mine, theirs = median.get(ours, {}).get(key), median.get(other, {}).get(key)
    if other is None or mine is None:
        return mine
    return mine / theirs if theirs else None


def goals(values):
    """A line for each goal that can be judged."""
    lines = []
    for key, ours, other, way, factor in GOALS:
        value = judged(values, key, ours, other)
        if value is None:
            continue
        good = value >= factor if way == ">=" else value <= factor
        title, unit, _ = FIGURES[key]
        against = f"x {other}" if other else unit
        lines.append(f"{'reached' if good else 'MISSED':<8} {NAMES.get(key, title)}: {ours} {value:.2f} {against}"
                     f" (goal {way} {factor:g})")
    return lines
