"""Quality on an unseen object, by network, scale contract and photon count.

    python benchmarks/quality.py [--networks primed cnn] [--domains count_intensity] \
        [--photons 1e4 1e5 1e6] [--seeds 0 1 2] [--set PATH=VALUE ...]

Each run trains on one simulated object (1,764 patterns of 64x64) and reconstructs another: contrast
and detail (docs/benchmarks.md), SSIM of the amplitude, mean absolute phase error in rad. Networks
other than the recommended one draw a patch for each pattern and train on pairs of patterns with the
overlap term. Prints a row a run and one JSON line at the end.
"""

import argparse
import itertools
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

from ptycho_config import Sources, TrainingSetup, parse
from ptycho_torch.api import Reconstruction, reconstruct, train
from ptycho_torch.data.readers import Domain, read_scan
from ptycho_torch.data.writers import write_scan
from ptycho_torch.metrics import contrast_and_detail, remove_ramp, scanned_region
from ptycho_torch.physics.simulate import SimulatedScan, natural_object, simulate_scan

NETWORKS = ("primed", "cnn", "fno", "fno_vanilla", "ffno")
OF_PATCHES = (
    "training.batch_size=16",
    "training.neighbor_count=6",
    "training.nepochs=8",
    "training.lr_warmup_epochs=1",
    "execution.learning_rate=2e-3",
    "torch.overlap.partners=1",
    "torch.overlap.weight=1.0",
)
DOMAINS = ("count_intensity", "normalized_amplitude")


def save(path: Path, scan: SimulatedScan, domain: Domain) -> None:
    """The scan as counts, or as amplitudes."""
    write_scan(path, scan)
    if domain == "normalized_amplitude":
        with np.load(path) as arrays:
            kept = {name: arrays[name] for name in arrays.files}
        np.savez(path, **(kept | {"diff3d": np.sqrt(kept["diff3d"])}))


def figures(result: Reconstruction, path: Path, domain: Domain, truth: NDArray[Any]) -> dict[str, float]:
    """How the inner part of a reconstruction compares with the truth."""
    dataset = read_scan(path, domain)
    rows, columns = scanned_region(dataset, result.canvas)
    y, x = result.canvas.origin_yx
    known = truth[rows.start + y : rows.stop + y, columns.start + x : columns.stop + x]
    image = result.canvas.object[rows, columns]
    contrast, detail = contrast_and_detail(image, known)
    aligned = remove_ramp(image, known)
    amplitude, wanted = np.abs(aligned), np.abs(known)
    ssim = structural_similarity(amplitude, wanted, data_range=float(np.ptp(wanted)))
    phase = np.abs(np.angle(aligned * np.conj(known))).mean()
    return {"contrast": contrast, "detail": detail, "ssim": float(ssim), "phase_mae": float(phase)}


def run(network: str, domain: Domain, photons: float, seed: int, more: list[str]) -> dict[str, Any]:
    """One training and one reconstruction."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        known = simulate_scan(natural_object("camera", "astronaut", 320), seed=2 * seed + 1, photons=photons)
        unseen = simulate_scan(natural_object("coffee", "chelsea", 320), seed=2 * seed + 2, photons=photons)
        save(folder / "train.npz", known, domain)
        save(folder / "unseen.npz", unseen, domain)
        chosen = [f"architecture={network}", f"torch.scale.domain={domain}", f"subsample_seed={seed}"]
        chosen += [*(OF_PATCHES if network != "primed" else ()), *more]
        sources = Sources(command_line=parse(TrainingSetup, chosen))
        made = train(folder / "train.npz", folder / "model", sources=sources, legacy={})
        result = reconstruct(made.bundle, folder / "unseen.npz", folder / "out", legacy={})
        found = figures(result, folder / "unseen.npz", domain, unseen.truth)
    rounded = {key: round(value, 3) for key, value in found.items()}
    setting = {"network": network, "domain": domain, "photons": photons, "seed": seed}
    return {**setting, **rounded, "train_s": round(made.record["seconds"]["training"])}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--domains", nargs="+", choices=DOMAINS, default=list(DOMAINS))
    parser.add_argument("--photons", nargs="+", type=float, default=[1e4, 1e5, 1e6])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--set", action="append", default=[], metavar="PATH=VALUE")
    asked = parser.parse_args()
    rows = []
    for setting in itertools.product(asked.networks, asked.domains, asked.photons, asked.seeds):
        rows.append(run(*setting, asked.set))
        print("  ".join(f"{key} {value}" for key, value in rows[-1].items()), flush=True)
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
