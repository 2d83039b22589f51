"""The path that two nodes end on, for every kind of NAT and firewall: pathcells.chosen(), each cell as
pathrun.py draws it. ./run bench paths runs all. MESH_CELLS=REGEX runs the cells it matches, of all."""
import os
import re

import pathcells
import pathrun
from lab import Lab, need

need("conntrack")

AGAIN = 1000 # names the second try of a cell


def cells():
    pattern = os.environ.get("MESH_CELLS")
    if not pattern:
        found = list(pathcells.chosen())
        left_out = set(pathcells.CROSSED) - {kind for cell in found for kind in (cell.first, cell.other)}
        assert not left_out, left_out
        return found
    return [cell for cell in pathcells.everything() if re.fullmatch(pattern, cell.name)]


def by_chance(cell):
    """A search among random ports misses 1.6 % of the time, and its second round comes ten minutes
    later: two misses in a row are a failure, one is not."""
    return cell.promised and "birthday" in cell.needs


def main():
    failed = []
    with Lab() as lab:
        lab.server.setup("home")
        lab.server.up()
        shared = pathrun.Shared()
        for number, cell in enumerate(cells()):
            package = pathrun.lacking(cell)
            if package:
                lab.ok(f"{cell.name} # SKIP missing: {package}; run ./run deps")
                continue
            found = pathrun.run(lab, shared, cell, number)
            if by_chance(cell) and not cell.passes(found["class"]):
                print(f"# missed once: {pathrun.words_of(found)}", flush=True)
                found = pathrun.run(lab, shared, cell, AGAIN + number)
            if cell.promised and not cell.passes(found["class"]):
                failed.append(cell.name)
                print(f"# missed: {pathrun.words_of(found)}", flush=True)
            else:
                lab.ok(pathrun.words_of(found))
        assert lab.cases, "no cell matches"
        assert not failed, failed


main()
