"""Quality on an unseen object, by network, scale contract and photon count.

    python benchmarks/quality.py [--networks unrolled cnn] [--domains count_intensity] \
        [--photons 1e4 1e5 1e6] [--seeds 0 1 2] [--side 200] [--budget 30] [--set PATH=VALUE ...]

Each run trains on one simulated object of `side` px and reconstructs another: contrast and detail
(docs/benchmarks.md), SSIM of the amplitude, mean absolute phase error in rad. Every network gets
`budget` seconds of one core: a few steps are timed in processor time, and the learning-rate schedule
is laid over as many steps as fit. Networks other than the recommended one draw a patch for each
pattern and train with the profile `patches`. Nothing is refined. Prints a row a run
and one JSON line at the end.
"""

import argparse
import itertools
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

from ptycho_config import Sources, parse
from ptycho_config.schema import TrainingSetup
from ptycho_torch.api import Reconstruction, reconstruct, resolve_training, train
from ptycho_torch.data.dataset import Domain
from ptycho_torch.data.readers import read_scan
from ptycho_torch.evaluation.metrics import contrast_and_detail, remove_ramp, scanned_region
from ptycho_torch.output.scan_file import write_scan
from ptycho_torch.physics.simulate import SimulatedScan, defocused_probe, natural_object, simulate_scan
from ptycho_torch.training.datasets import training_data
from ptycho_torch.training.fit import untrained_model
from ptycho_torch.training.lightning_module import TrainingModule

NETWORKS = ("unrolled", "cnn", "fno", "fno_vanilla", "ffno", "neuralop_uno")
DOMAINS = ("count_intensity", "normalized_amplitude")
TIMED_STEPS = 3


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


def simulated(names: tuple[str, str], side: int, seed: int, photons: float, pattern: int) -> SimulatedScan:
    """A scan of an object from two images; larger patterns have a larger spot and longer steps."""
    factor = pattern / 64
    return simulate_scan(
        natural_object(*names, side),
        seed=seed,
        photons=photons,
        probe=defocused_probe(pattern, pupil_px=10.0, defocus_rad=6.0)[None],
        step_px=6.0 * factor,
        jitter_px=1.5 * factor,
    )


def lengths(scan: Path, profile: str, chosen: list[str], budget: float) -> list[str]:
    """Epochs, or groups of one epoch, that take `budget` seconds of processor time."""
    sources = Sources(command_line=parse(TrainingSetup, chosen))
    setup = resolve_training(scan, profile=profile, sources=sources)[0].config
    data = training_data(setup, seed=0)
    model = untrained_model(setup, data, seed=0)
    module = TrainingModule(model, setup, steps_per_epoch=1)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-6)
    size = setup.training.batch_size
    seconds = []
    for step in range(TIMED_STEPS):
        start = time.process_time()
        module.terms(data.training[list(range(step * size, (step + 1) * size)), step]).total.backward()  # type: ignore[index]
        optimizer.step()
        seconds.append(time.process_time() - start)
    steps = max(1, round(budget / min(seconds)))
    epoch = -(-len(data.training) // size)
    if steps >= epoch:
        return [f"training.nepochs={round(steps / epoch)}"]
    return ["training.nepochs=1", f"training.n_groups={steps * size}"]


def run(network: str, domain: Domain, photons: float, seed: int, asked: argparse.Namespace) -> dict[str, Any]:
    """One training and one reconstruction."""
    with tempfile.TemporaryDirectory() as name:
        folder, side = Path(name), asked.side
        known, unseen = (
            simulated(names, side, 2 * seed + number, photons, asked.pattern)
            for number, names in enumerate((("camera", "astronaut"), ("coffee", "chelsea")), 1)
        )
        save(folder / "train.npz", known, domain)
        save(folder / "unseen.npz", unseen, domain)
        chosen = [f"architecture={network}", f"torch.scale.domain={domain}", f"subsample_seed={seed}"]
        profile = "unrolled" if network == "unrolled" else "patches"
        chosen += [f"N={asked.pattern}", *asked.set]
        chosen += lengths(folder / "train.npz", profile, chosen, asked.budget)
        sources = Sources(command_line=parse(TrainingSetup, chosen))
        made = train(folder / "train.npz", folder / "model", profile=profile, sources=sources, legacy={})
        result = reconstruct(folder / "unseen.npz", folder / "out", model=made.bundle, legacy={}, unknown=[], passes=0)
        found = figures(result, folder / "unseen.npz", domain, unseen.truth)
    rounded = {key: round(value, 3) for key, value in found.items()}
    setting = {"network": network, "domain": domain, "photons": photons, "seed": seed}
    return {**setting, **rounded, "train_s": round(made.record.seconds.training)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS[:-1]))
    parser.add_argument("--domains", nargs="+", choices=DOMAINS, default=list(DOMAINS))
    parser.add_argument("--photons", nargs="+", type=float, default=[1e4, 1e5, 1e6])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--side", type=int, default=200, help="px of the objects")
    parser.add_argument("--pattern", type=int, choices=(64, 128), default=64, help="px of the patterns")
    parser.add_argument("--budget", type=float, default=30.0, help="seconds of training on one core")
    parser.add_argument("--set", action="append", default=[], metavar="PATH=VALUE")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for setting in itertools.product(asked.networks, asked.domains, asked.photons, asked.seeds):
        rows.append(run(*setting, asked))
        print("  ".join(f"{key} {value}" for key, value in rows[-1].items()), flush=True)
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
