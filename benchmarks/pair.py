"""The simulated pair that several benchmarks share, and how a canvas is scored on it."""

from pathlib import Path

from ptycho_torch.evaluation.metrics import contrast_and_detail, scanned_region
from ptycho_torch.output.scan_file import write_scan
from ptycho_torch.physics.simulate import SimulatedScan, natural_object, simulate_scan
from ptycho_torch.records import Canvas, Dataset


def pair(seed: int, side: int = 320, photons: float = 6e5) -> tuple[SimulatedScan, SimulatedScan]:
    """The scan to train on and the unseen one: different objects, 1,764 patterns each at 320 px."""
    known = simulate_scan(natural_object("camera", "astronaut", side), seed=2 * seed + 1, photons=photons)
    unseen = simulate_scan(natural_object("coffee", "chelsea", side), seed=2 * seed + 2, photons=photons)
    return known, unseen


def write_training_run(folder: Path, seed: int, side: int = 320) -> tuple[Path, Path, SimulatedScan]:
    """Both scans as files, and the unseen one."""
    known, unseen = pair(seed, side)
    paths = folder / "train.npz", folder / "unseen.npz"
    for path, scan in zip(paths, (known, unseen), strict=True):
        write_scan(path, scan)
    return *paths, unseen


def dataset_from_raw(scan: SimulatedScan) -> Dataset:
    """The scan as if it had been read."""
    return Dataset("simulated", scan.counts, scan.position_yx, scan.probe)


def score(canvas: Canvas, scan: SimulatedScan) -> tuple[float, float]:
    """`(contrast, detail)` where at least N/2 inside the scan."""
    rows, columns = scanned_region(dataset_from_raw(scan), canvas)
    y, x = canvas.origin_yx
    known = scan.truth[rows.start + y : rows.stop + y, columns.start + x : columns.stop + x]
    return contrast_and_detail(canvas.object[rows, columns], known)
