"""One of several processes that train together: `python -m ptycho_torch.training.process FOLDER`.

The launcher writes the request into the folder and rank, world size and address into the environment, as
torchrun does.
"""

import json
import os
import sys
import threading
import time
from pathlib import Path

import torch
from torch.distributed.elastic.multiprocessing.errors import record

from ptycho_config import ConfigError, dump, load, resolve
from ptycho_config.schema import TrainingSetup
from ptycho_torch.errors import DataError, DivergedError
from ptycho_torch.files import write_json
from ptycho_torch.output.bundle import Bundle, save_bundle
from ptycho_torch.output.derivation import derivation_of
from ptycho_torch.training.fit import fit_setup


def write_request(folder: Path, setup: TrainingSetup, seed: int, world: int, *, resume: bool) -> int:
    """Write setup, seed and resume, arguments of `fit_setup`, for `world` processes started with this folder.

    Returns the number of threads of each, an equal share of those that torch uses here.
    """
    threads = max(1, torch.get_num_threads() // world)
    request = {"setup": dump(setup), "seed": seed, "resume": resume, "threads": threads}
    write_json(folder / "request.json", request)
    return threads


def ready_file(folder: Path, rank: int) -> Path:
    """The file in `folder` that the process `rank` creates when it has read its data."""
    return folder / f"ready-{rank}"


@record
def main(folder: Path) -> None:
    """Train the share of this process; rank 0 leaves weights and record in the folder, as a bundle."""
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    request, rank = json.loads((folder / "request.json").read_text()), int(os.environ["RANK"])
    torch.set_num_threads(request["threads"])
    setup = load(TrainingSetup, request["setup"])
    made = fit_setup(setup, request["seed"], resume=request["resume"], ready=ready_file(folder, rank).touch)
    if rank == 0:
        save_bundle(folder, Bundle(setup, made.model.state_dict(), derivation_of(resolve(setup)), made.record))


def _end_with(parent: int) -> None:
    """A launcher that is killed cannot end its processes itself."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except (ConfigError, DataError, DivergedError):
        # The launcher raises it again, from the error file that `record` has written.
        sys.exit(2)
