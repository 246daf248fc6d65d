"""File in, product out: seconds of the whole inference command, start-up included.

    python benchmarks/inference.py [--repeats 3] [--passes 0 3 4] [--model FOLDER]

Runs `ptycho infer` with the network that comes with ptycho, or with `--model`, on the unseen object of
the simulated pair (1,764 patterns of 64x64) as a process of its own, with and without refinement. Prints
the least wall time, what it was spent on (`start_up_s`: a process that only imports; `stitching_s`: the
part of `predict_and_stitch_s` from patches to the canvas, measured here), contrast, detail, R and peak
memory, and one JSON line.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pair import score, write_training_run

from ptycho_config.schema import StitchOptions
from ptycho_torch.data.readers import read_scan
from ptycho_torch.data.scan import normalise
from ptycho_torch.physics.diffraction import shift_probe
from ptycho_torch.physics.simulate import SimulatedScan
from ptycho_torch.pretrained import PRETRAINED
from ptycho_torch.reconstruction.stitch import Stitcher, find_stitch_weights
from ptycho_torch.records import Canvas

BATCH = 64
START_UP = "import ptycho_torch.cli.main, ptycho_torch.api.inference"


def command(model: Path, scan: Path, folder: Path, passes: int) -> list[str]:
    """The command of a user."""
    made = [sys.executable, "-m", "ptycho_torch.cli.main", "infer", str(scan), "--model_path", str(model)]
    return [*made, "--output_dir", str(folder), "--refine-passes", str(passes), "--quiet"]


def least(made: list[str], repeats: int) -> float:
    """Wall seconds of the fastest of some runs of a command."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        subprocess.run(made, check=True, capture_output=True)  # noqa: S603
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def stitching(scan_file: Path, repeats: int) -> float:
    """Wall seconds of weighting and adding the patches of a scan, at the least."""
    scan = normalise(read_scan(scan_file, "count_intensity"))
    side, device = scan.probe.shape[-1], torch.device("cpu")
    chunks = torch.arange(len(scan.centre_yx)).split(BATCH)
    probes = [shift_probe(scan.probe, scan.fraction_yx[rows]) for rows in chunks]
    drawn = [torch.ones_like(shifted[:, 0]) for shifted in probes]
    weigh = find_stitch_weights(StitchOptions())
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        stitcher = Stitcher(scan.centre_yx, side, device)
        for rows, shifted, patches in zip(chunks, probes, drawn, strict=True):
            stitcher.add(patches, weigh(shifted), scan.centre_yx[rows])
        stitcher.canvas(0.0, 1.0)
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def measured(model: Path, scan: Path, unseen: SimulatedScan, passes: int, repeats: int) -> dict[str, Any]:
    """The fastest of some runs."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        seconds = least(command(model, scan, folder, passes), repeats)
        metrics = json.loads((folder / "metrics.json").read_text())["inference"]
        with np.load(folder / "reconstruction.npz", allow_pickle=False) as arrays:
            y, x = arrays["origin_px"].tolist()
            canvas = Canvas(arrays["object"], arrays["illumination"], (y, x))
    contrast, detail = score(canvas, unseen)
    return {
        "passes": passes,
        "command_s": round(seconds, 2),
        **{f"{name}_s": value for name, value in metrics["seconds"].items()},
        "contrast": round(contrast, 3),
        "detail": round(detail, 3),
        "R": metrics["R"],
        "patterns_per_s": round(metrics["patterns"] / metrics["seconds"]["predict_and_stitch"]),
        "peak_mib": metrics["peak_memory_mib"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--passes", type=int, nargs="+", default=[0, 3, 4])
    parser.add_argument("--model", type=Path, default=PRETRAINED, help="folder of a trained model")
    asked = parser.parse_args()
    start_up = round(least([sys.executable, "-c", START_UP], asked.repeats), 2)
    with tempfile.TemporaryDirectory() as name:
        _, other, unseen = write_training_run(Path(name), seed=0)
        stitched = round(stitching(other, asked.repeats), 3)
        rows = [measured(asked.model, other, unseen, passes, asked.repeats) for passes in asked.passes]
    rows = [{**row, "start_up_s": start_up, "stitching_s": stitched} for row in rows]
    for row in rows:
        print("  ".join(f"{key} {value}" for key, value in row.items()))
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
