"""Seconds to group a million positions.

    python benchmarks/grouping.py [POSITIONS]

Six nearest neighbours each, gridsize 1 and 2, on a jittered raster. Prints one JSON line.
"""

import argparse
import json
import time

import numpy as np

from ptycho_torch.data.grouping import GroupPlan, plan_groups
from ptycho_torch.physics.simulate import jittered_raster


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("positions", type=int, nargs="?", default=1_000_000, help="how many [default: %(default)s]")
    side = round(parser.parse_args().positions ** 0.5)
    rng = np.random.default_rng(0)
    position = jittered_raster(side, side, 4.0, 1.0, 0.0, rng)
    found = {"positions": len(position)}
    for gridsize in (1, 2):
        start = time.perf_counter()
        plan_groups(position, GroupPlan(gridsize=gridsize, neighbor_count=6), rng)
        found[f"gridsize_{gridsize}_s"] = round(time.perf_counter() - start, 2)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
