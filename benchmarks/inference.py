"""File in, product out: seconds of the whole inference command, start-up included.

    python benchmarks/inference.py [--repeats 3] [--passes 0 3 4] [--model FOLDER]

Trains the recommended network briefly on one object of the simulated pair (or takes `--model`), then runs
`ptycho infer` on the other one (1,764 patterns of 64x64) as a process of its own, with and without
refinement. Prints the least wall time, what it was spent on, contrast, detail, R and peak memory, and
one JSON line.
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
from pair import score, written

from ptycho_config import Sources
from ptycho_torch.api import train
from ptycho_torch.physics.simulate import SimulatedScan
from ptycho_torch.records import Canvas


def command(model: Path, scan: Path, folder: Path, passes: int) -> list[str]:
    """The command of a user."""
    made = [sys.executable, "-m", "ptycho_torch.cli.main", "infer", "--model_path", str(model)]
    return [
        *made,
        "--test_data",
        str(scan),
        "--output_dir",
        str(folder),
        "--refine-passes",
        str(passes),
        "--quiet",
    ]


def measured(model: Path, scan: Path, unseen: SimulatedScan, passes: int, repeats: int) -> dict[str, Any]:
    """The fastest of some runs."""
    seconds = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for _ in range(repeats):
            start = time.perf_counter()
            subprocess.run(command(model, scan, folder, passes), check=True, capture_output=True)  # noqa: S603
            seconds.append(time.perf_counter() - start)
        metrics = json.loads((folder / "metrics.json").read_text())["inference"]
        with np.load(folder / "reconstruction.npz", allow_pickle=False) as arrays:
            y, x = arrays["origin_px"].tolist()
            canvas = Canvas(arrays["object"], arrays["illumination"], (y, x))
    contrast, detail = score(canvas, unseen)
    return {
        "passes": passes,
        "command_s": round(min(seconds), 2),
        **{f"{name}_s": value for name, value in metrics["seconds"].items()},
        "contrast": round(contrast, 3),
        "detail": round(detail, 3),
        "R": metrics["R"],
        "patterns_per_s": round(metrics["patterns"] / metrics["seconds"]["predict_and_stitch"]),
        "peak_mib": metrics["peak_memory_mib"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--passes", type=int, nargs="+", default=[0, 3, 4])
    parser.add_argument("--model", type=Path, help="folder of a trained model")
    parser.add_argument("--groups", type=int, default=200, help="training groups where no model is given")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        known, other, unseen = written(Path(name), seed=0)
        model = asked.model or Path(name) / "model"
        if asked.model is None:
            overrides = {"training.n_groups": asked.groups, "training.nepochs": 1}
            train(known, model, sources=Sources(overrides=overrides), legacy={})
        rows = [measured(model, other, unseen, passes, asked.repeats) for passes in asked.passes]
    for row in rows:
        print("  ".join(f"{key} {value}" for key, value in row.items()))
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
