"""What refinement makes of a flat object and of a network's object, pass by pass.

    python benchmarks/refine.py [--start reconstruction.npz] [--star tests/data/siemens_star_64.npz] \
        [--photons 6e5] [--passes 1 2 3 4 6 8] [--threads 1] [--seed 2] [--probe] \
        [--positions] [--position-error-px 1]

The simulated object is the unseen one of simulated_pair.py (1,764 patterns of 64x64; seed 2 is the
one that its seed 0 reconstructs); `--start` is the `reconstruction.npz` of a network for exactly that
scan (`--save` writes the scan, to give it to one). `--position-error-px` is the standard deviation of
what is added to its positions in y and in x; rows then have the root mean square distance from the true
places, a translation of all apart. Seconds are the best of three runs and include everything but reading.
Prints a row a run and one JSON line at the end.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ptycho_config.schema import RefineOptions
from ptycho_config.schema.refine import ALONE
from ptycho_torch.data.readers import read_scan
from ptycho_torch.data.scan import normalise
from ptycho_torch.evaluation.metrics import contrast_and_detail, scanned_region
from ptycho_torch.output.scan_file import write_scan
from ptycho_torch.physics.simulate import natural_object, simulate_scan
from ptycho_torch.reconstruction.position_steps import position_corrections
from ptycho_torch.reconstruction.r_factor import r_factor
from ptycho_torch.reconstruction.refine import refine
from ptycho_torch.records import Canvas, Dataset, Refined, Scan

REPEATS = 3


def flat_start(scan: Scan) -> Canvas:
    """Ones over all patches, in the units of the dataset."""
    side = scan.probe.shape[-1]
    low = scan.centre_yx.amin(0) - side // 2
    height, width = (scan.centre_yx.amax(0) - side // 2 + side - low).tolist()
    ones = np.full((height, width), scan.object_scale, np.complex64)
    return Canvas(ones, np.zeros((height, width), np.float32), tuple(low.tolist()))


def timed(scan: Scan, start: Canvas, options: RefineOptions) -> tuple[float, Refined]:
    best, object_ = float("inf"), torch.from_numpy(start.object / np.float32(scan.object_scale))
    for _ in range(REPEATS):
        begun = time.perf_counter()
        found = refine(
            scan, object_, start.origin_yx, options, rng=np.random.default_rng(0), device=torch.device("cpu")
        )
        best = min(best, time.perf_counter() - begun)
    return best, found


def figures(
    dataset: Dataset, scan: Scan, start: Canvas, found: Refined, options: RefineOptions, truth: NDArray[Any] | None
) -> dict[str, float]:
    """R and how far positions were moved, and contrast and detail where there is a truth."""
    canvas = Canvas(found.object.numpy() * np.float32(scan.object_scale), start.illumination, found.origin_yx)
    row: dict[str, float] = {"R": round(r_factor(found.scan, canvas), 5)}
    if options.refine_positions:
        row["moved_px"] = position_corrections(scan, found)["rms_px"]
    if truth is not None:
        rows, columns = scanned_region(dataset, canvas)
        y, x = canvas.origin_yx
        known = truth[rows.start + y : rows.stop + y, columns.start + x : columns.stop + x]
        contrast, detail = contrast_and_detail(canvas.object[rows, columns], known)
        row |= {"contrast": round(contrast, 4), "detail": round(detail, 4)}
    return row


def distance(position_yx: NDArray[np.float64], places: NDArray[np.float64]) -> float:
    """Root mean square distance, a translation of all apart."""
    beside = position_yx - places
    return float(np.sqrt(np.square(beside - beside.mean(axis=0)).sum(axis=1).mean()))


def table(
    label: str,
    dataset: Dataset,
    start: Canvas | None,
    truth: NDArray[Any] | None,
    asked: argparse.Namespace,
    places: NDArray[np.float64] | None = None,
) -> list[dict[str, Any]]:
    scan = normalise(dataset)
    begin = flat_start(scan) if start is None else start
    rows = []
    for passes in (0, *asked.passes):
        late = passes > ALONE
        options = RefineOptions(
            passes=passes, refine_probe=asked.probe and late, refine_positions=asked.positions and late
        )
        seconds, found = timed(scan, begin, options)
        quality = figures(dataset, scan, begin, found, options, truth)
        if places is not None:
            quality["error_px"] = round(distance(found.scan.position_yx.numpy(), places), 3)
        rows.append({"scan": label, "passes": passes, "s": round(seconds, 2), **quality})
        print("  ".join(f"{key} {value}" for key, value in rows[-1].items()), flush=True)
    return rows


def read_start(path: Path) -> Canvas:
    with np.load(path, allow_pickle=False) as arrays:
        object_, origin = arrays["object"], arrays["origin_px"]
    return Canvas(object_, np.zeros(object_.shape, np.float32), tuple(origin.tolist()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--start", type=Path)
    parser.add_argument("--star", type=Path, default=Path("tests/data/siemens_star_64.npz"))
    parser.add_argument("--save", type=Path)
    parser.add_argument("--photons", type=float, default=6e5)
    parser.add_argument("--passes", nargs="+", type=int, default=[1, 2, 3, 4, 6, 8])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--probe", action="store_true")
    parser.add_argument("--positions", action="store_true")
    parser.add_argument("--position-error-px", type=float, default=0.0)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    unseen = simulate_scan(natural_object("coffee", "chelsea", 320), seed=asked.seed, photons=asked.photons)
    if asked.save is not None:
        write_scan(asked.save, unseen)
    places = unseen.position_yx
    errors = np.random.default_rng(asked.seed).normal(0.0, asked.position_error_px, places.shape)
    dataset = Dataset("unseen", unseen.counts, places + errors, unseen.probe)
    known = places if asked.position_error_px or asked.positions else None
    rows = table("simulated, flat", dataset, None, unseen.truth, asked, known)
    if asked.start is not None:
        rows += table("simulated, network", dataset, read_start(asked.start), unseen.truth, asked, known)
    rows += table("star, flat", read_scan(asked.star, "count_intensity"), None, None, asked)
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
