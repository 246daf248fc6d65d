"""How a network does on scans whose probe and object it has never seen.

    python benchmarks/transfer.py [--model FILE] [--untrained 4 12] [--members 12] [--scan FILE ...]

The network is the shipped one or that of a bundle; `--untrained` adds the physics alone, with as many
stages. Scans: members of the family that the shipped network was trained on (other draws), the
simulated pair's unseen object, and scan files, for which R alone is known. Nothing is refined. Prints
a row a scan and one JSON line.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import torch
from pair import dataset_from_raw, pair, score

from ptycho_config import Sources, create_training_payload, parse
from ptycho_config.schema import TrainingSetup, Unrolled
from ptycho_torch.api.loading import load
from ptycho_torch.data.readers import read_scan
from ptycho_torch.data.scan import normalise, with_initial_object
from ptycho_torch.nets.reconstructor import Reconstructor, build_model
from ptycho_torch.physics.simulate import SimulatedScan
from ptycho_torch.pretrained import PRETRAINED
from ptycho_torch.pretraining.family import random_scan
from ptycho_torch.reconstruction.predict import reconstruct_scan
from ptycho_torch.reconstruction.r_factor import r_factor
from ptycho_torch.records import Dataset

FIRST_MEMBER = 10_000
BATCH = 64


def untrained(stages: int) -> tuple[Reconstructor, TrainingSetup]:
    """The physics alone: projection steps without a correction."""
    sources = Sources(command_line=parse(TrainingSetup, [f"torch.net.stages={stages}"]))
    setup = create_training_payload(profile="unrolled", sources=sources)[0].config
    return build_model(setup.training.model, setup.torch, seed=0), setup


def measured(
    model: Reconstructor, setup: TrainingSetup, dataset: Dataset, truth: SimulatedScan | None
) -> dict[str, Any]:
    """Figures of one reconstruction; the seconds hold the first guess, the network and the stitching."""
    assert isinstance(setup.torch.net, Unrolled)
    scan = normalise(dataset)
    begun = time.perf_counter()
    scan = with_initial_object(scan, setup.torch)
    canvas = reconstruct_scan(
        model,
        scan,
        torch.arange(len(scan.centre_yx))[:, None],
        batch_size=BATCH,
        stitch=setup.torch.stitch,
        trim=0,
        device=torch.device("cpu"),
        progress=lambda _: None,
    )
    seconds = time.perf_counter() - begun
    found = {"R": round(r_factor(scan, canvas), 5), "s": round(seconds, 2), "patterns": len(scan.centre_yx)}
    if truth is None:
        return found
    contrast, detail = score(canvas, truth)
    return {"contrast": round(contrast, 3), "detail": round(detail, 3), **found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=PRETRAINED)
    parser.add_argument("--untrained", type=int, nargs="*", default=[])
    parser.add_argument("--members", type=int, default=12)
    parser.add_argument("--scan", type=Path, nargs="*", default=[Path("tests/data/siemens_star_64.npz")])
    asked = parser.parse_args()
    networks: dict[str, tuple[Reconstructor, TrainingSetup]] = {}
    if asked.model.exists():
        trained = load(asked.model)
        networks["trained"] = (trained.model, trained.setup)
    networks |= {f"untrained {stages}": untrained(stages) for stages in asked.untrained}
    scans: dict[str, tuple[Dataset, SimulatedScan | None]] = {}
    for number in range(asked.members):
        drawn = random_scan(np.random.default_rng(FIRST_MEMBER + number))
        scans[f"member {number}"] = (dataset_from_raw(drawn), drawn)
    unseen = pair(0)[1]
    scans["pair"] = (dataset_from_raw(unseen), unseen)
    for path in asked.scan:
        scans[path.stem] = (attrs.evolve(read_scan(path, "count_intensity"), name=path.stem), None)
    rows = []
    for name, (dataset, truth) in scans.items():
        for network, (model, setup) in networks.items():
            rows.append({"scan": name, "network": network, **measured(model, setup, dataset, truth)})
            print("  ".join(f"{key} {value}" for key, value in rows[-1].items()), flush=True)
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
