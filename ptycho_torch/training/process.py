"""One of several processes that train together; started by `api.ranks`, told by standard input."""

import json
import sys

from ptycho_config import TrainingSetup, load
from ptycho_torch.training.fit import fit_setup
from ptycho_torch.training.lightning_ranks import Place


def main() -> int:
    """Train the share of this rank; it writes nothing."""
    order = json.load(sys.stdin)
    place = Place(*order["place"])
    fit_setup(load(TrainingSetup, order["setup"]), order["seed"], place=place, resume=order["resume"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
