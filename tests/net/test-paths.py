"""The path that two nodes end on, for every kind of NAT and firewall: pathcells.chosen(), each cell as
pathrun.py draws it. ./run bench paths runs all. MESH_CELLS=REGEX runs the cells it matches, of all."""
import os
import re

import pathcells
import pathrun
from lab import Lab, need

need("conntrack")

AGAIN = 1000 # names another try of a cell


def cells():
    pattern = os.environ.get("MESH_CELLS")
    if not pattern:
        found = list(pathcells.chosen())
        left_out = set(pathcells.CROSSED) - {kind for cell in found for kind in (cell.first, cell.other)}
        assert not left_out, left_out
        return found
    return [cell for cell in pathcells.everything() if re.fullmatch(pattern, cell.name)]


def tries(cell):
    """So many misses in a row are a failure. A search among random ports misses 1.6 % of the time; a port that was
    predicted is another by its use, and two that open at once do not, where the machine pauses in between. The next
    attempt may come ten minutes later."""
    if not cell.promised:
        return 1
    return 3 if "birthday" in cell.needs else 2


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
            for again in range(1, tries(cell)):
                if not cell.passes(found["class"]):
                    print(f"# missed: {pathrun.words_of(found)}", flush=True)
                    found = pathrun.run(lab, shared, cell, again * AGAIN + number)
            if cell.promised and not cell.passes(found["class"]):
                failed.append(cell.name)
                print(f"# missed: {pathrun.words_of(found)}", flush=True)
            else:
                lab.ok(pathrun.words_of(found))
        assert lab.cases, "no cell matches"
        assert not failed, failed


main()
