"""The errors that `torch.refine.halves` expects, against the true ones.

    python benchmarks/uncertainty.py [--scans 14] [--seed 5] [--photons 1e3 1e6]

Draws scans of the family that the shipped network was trained on (`ptycho_torch.pretraining.family`), reconstructs each
with `torch.refine.halves`, and prints how much of the lit pixels are within one expected error of the truth, after a
factor and a phase ramp, and the factor with which 68 % of them would be.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho_torch import reconstruct
from ptycho_torch.pretraining.family import random_scan
from ptycho_torch.pretraining.options import Family
from ptycho_torch.records import Dataset

LIT, ONE_SIGMA = 0.1, 0.6827
PATTERNS = (60, 700)
OPTIONS: dict[str, Any] = {
    "torch.refine.passes": 5,
    "torch.refine.unknown": [],
    "torch.refine.halves": True,
    "enable_progress_bar": False,
}


def matched(
    object_: NDArray[np.complex64], truth: NDArray[np.complex64], where: NDArray[np.bool_]
) -> NDArray[np.complex64]:
    """The object times the factor and the phase ramp that bring it nearest to the truth."""
    y, x = np.nonzero(where)
    columns = np.stack([np.ones(len(y)), y, x], axis=1)
    height, width = np.indices(object_.shape)
    for _ in range(20):
        object_ = object_ * (np.vdot(object_[where], truth[where]) / np.vdot(object_[where], object_[where]))
        angle = np.angle(truth[where] * object_[where].conj())
        constant, down, along = np.linalg.lstsq(columns, angle, rcond=None)[0]
        object_ = object_ * np.exp(1j * (constant + down * height + along * width))
    return object_


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scans", type=int, default=14)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--photons", type=float, nargs=2, default=(1e3, 1e6))
    asked = parser.parse_args()
    family = Family(photons=tuple(asked.photons))
    rng = np.random.default_rng(asked.seed)
    rows: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as temporary:
        while len(rows) < asked.scans:
            scan = random_scan(rng, family=family)
            if not PATTERNS[0] <= len(scan.counts) <= PATTERNS[1]:
                continue
            folder = Path(temporary) / str(len(rows))
            made = reconstruct(Dataset("simulated", scan.counts, scan.position_yx, scan.probe), folder, **OPTIONS)
            y, x = np.subtract(0, made.canvas.origin_yx)
            truth = np.full(made.canvas.object.shape, np.nan, np.complex64)
            rows_here, columns_here = np.indices(truth.shape) - np.array([y, x])[:, None, None]
            inside = (np.minimum(rows_here, columns_here) >= 0) & (
                np.maximum(rows_here, columns_here) < len(scan.truth)
            )
            truth[inside] = scan.truth[rows_here[inside], columns_here[inside]]
            with np.load(folder / "reconstruction.npz", allow_pickle=False) as stored:
                modulus, phase = stored["modulus_deviation"], stored["phase_deviation_rad"]
            illumination = made.canvas.illumination
            where = (illumination > LIT * illumination.max()) & np.isfinite(modulus) & inside
            found = matched(made.canvas.object, truth, where)
            row: dict[str, float] = {"photons": float(scan.counts.sum(axis=(1, 2)).mean())}
            errors = np.abs(np.abs(found) - np.abs(truth)), np.abs(np.angle(found * truth.conj()))
            for name, error, expected in zip(("modulus", "phase"), errors, (modulus, phase), strict=True):
                ratio = error[where] / expected[where]
                row[f"{name} within"] = round(float((ratio < 1).mean()), 3)
                row[f"{name} factor"] = round(float(np.quantile(ratio, ONE_SIGMA)), 3)
            print(row, flush=True)
            rows.append(row)
    medians = {name: float(np.median([row[name] for row in rows])) for name in rows[0]}
    print(json.dumps({"uncertainty": rows, "median": medians}))


if __name__ == "__main__":
    main()
