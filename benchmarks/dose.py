"""Scans of few photons: the network, refinements, and classical methods at their best.

    python benchmarks/dose.py [--photons 1e4 3e3 1e3] [--seed 0] [--object images] [--peer peers/bin/python] \
        [--pictures FOLDER]

Simulates scans of 64 px with steps of 6 px and a known probe, and prints a row for each method: contrast and detail
against the truth, and processor seconds of the whole command. LSQML of pty-chi (`--peer`, see `peers.py`) and the
Poisson likelihood with total variation get their epochs, batches and strength from the truth: the best of all that are
tried is printed. Ours gets nothing from it.
"""

import argparse
import itertools
import json
import sys
import tempfile
import time
from pathlib import Path

import attrs
import numpy as np
import torch
from blind import LENS, keep, lsqml, quality, timed
from skimage.restoration import denoise_tv_chambolle

from ptycho_torch.data.dataset import read_dataset
from ptycho_torch.data.readers import open_scan
from ptycho_torch.data.scan import normalise, with_coarse_object
from ptycho_torch.output.product import write_reconstruction
from ptycho_torch.physics.canvas import canvas_of, illumination
from ptycho_torch.physics.diffraction import exit_waves, over_modes
from ptycho_torch.physics.exit_wave_update import photon_intensity
from ptycho_torch.physics.poisson import fit_counts
from ptycho_torch.physics.windows import add, read
from ptycho_torch.reconstruction.refine_batches import Batches
from ptycho_torch.records import Canvas

OURS = {
    "network": ("--refine-passes", "0"),
    "network, 4 amplitude passes": ("--refine-passes", "4", "--set", "torch.refine.likelihood=amplitude"),
    "network, refined": (),
}
EPOCHS, BATCHES = (6, 12, 25, 50, 100), (64, 200)
TV_WEIGHTS, TV_PASSES, TV_STEP = (0.003, 0.01, 0.02, 0.04, 0.08), 60, 0.3


def infer(scan: Path, folder: Path, options: tuple[str, ...]) -> float:
    command = [sys.executable, "-m", "ptycho_torch.cli.main", "infer", str(scan), "--output_dir", str(folder)]
    return timed([*command, "--quiet", "--set", "torch.refine.unknown=[]", *options])


def total_variation(scan_file: Path, weight: float, out: Path) -> float:
    """The most likely object by accelerated gradient steps, each followed by a total variation step of this weight."""
    start = time.process_time()
    with open_scan(scan_file) as opened:
        scan = with_coarse_object(normalise(read_dataset(opened, "count_intensity")))
    initial = scan.initial
    assert initial is not None
    y, x = (int(value) for value in canvas_of(scan.centre_yx, scan.probe.shape[-1])[0])
    height, width = initial.shape
    rows = torch.arange(len(scan.centre_yx)).split(64)
    batches = Batches(scan, scan.probe, torch.tensor((y, x)), (height, width), rows, 0.0)
    summed = illumination(scan, (y, x), (height, width))
    photon = photon_intensity(scan.amplitude[torch.arange(64)])
    rate = TV_STEP / summed.clamp_min(0.1 * float(summed.max()))
    object_, before, inertia = initial, initial, 1.0
    for _ in range(TV_PASSES):
        following = (1 + np.sqrt(1 + 4 * inertia**2)) / 2
        ahead = object_ + min((inertia - 1) / following, 0.9) * (object_ - before)
        total = torch.zeros_like(ahead)
        for batch in batches.read(range(len(rows))):
            waves = exit_waves(read(ahead, batch.corners, batches.side), batch.probes)
            ascent = fit_counts(waves, batch.amplitude, photon).ascent
            add(total, over_modes(ascent * batch.probes.conj()), batch.corners)
        moved = torch.view_as_real(ahead + rate * total).numpy()
        smooth = denoise_tv_chambolle(moved, weight=weight, channel_axis=-1)
        before, inertia = object_, following
        object_ = torch.view_as_complex(torch.from_numpy(np.ascontiguousarray(smooth, np.float32)))
    write_reconstruction(out, Canvas((object_ * scan.object_scale).numpy(), summed.numpy(), (y, x)))
    return time.process_time() - start


@attrs.frozen
class Row:
    """What one method reached on one scan."""

    scan: str
    method: str
    contrast: float
    detail: float
    cpu_s: float


def rows_of(label: str, scan: Path, folder: Path, asked: argparse.Namespace) -> list[Row]:
    rows = []

    def note(method: str, made: Path, seconds: float) -> Row:
        found = quality(made, scan)
        return Row(label, method, found["contrast"], found["detail"], round(seconds, 1))

    for name, options in OURS.items():
        seconds = infer(scan, folder / name, options)
        rows.append(note(name, folder / name / "reconstruction.npz", seconds))
        keep(asked.pictures, folder / name, f"{label} {name}")
    tried = [
        note(f"Poisson and total variation, weight {weight}", folder / "tv.npz", seconds)
        for weight in TV_WEIGHTS
        for seconds in [total_variation(scan, weight, folder / "tv.npz")]
    ]
    rows.append(max(tried, key=lambda row: row.contrast + row.detail))
    if asked.peer:
        tried = []
        for epochs, batch in itertools.product(EPOCHS, BATCHES):
            options = ("--epochs", str(epochs), "--batch", str(batch))
            seconds = lsqml(asked.peer, scan, folder / "lsqml.npz", options)
            tried.append(note(f"LSQML, {epochs} epochs of batches of {batch}", folder / "lsqml.npz", seconds))
        rows.append(max(tried, key=lambda row: row.contrast + row.detail))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photons", type=float, nargs="*", default=[1e4, 3e3, 1e3])
    parser.add_argument("--object", nargs="*", default=["images"], help="kinds of objects of `ptycho simulate`")
    parser.add_argument("--seed", type=int, nargs="*", default=[0])
    parser.add_argument("--peer", help="the Python of an environment with pty-chi")
    parser.add_argument("--pictures", type=Path)
    asked = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        for photons, kind, seed in itertools.product(asked.photons, asked.object, asked.seed):
            label = f"{photons:.0f} photons, {kind}, seed {seed}"
            folder = Path(temporary) / label
            folder.mkdir()
            scan = folder / "scan.npz"
            simulate = [sys.executable, "-m", "ptycho_torch.cli.main", "simulate", str(scan), f"object={kind}"]
            timed([*simulate, *LENS, f"seed={seed}", f"detector.photons={photons}", "step_px=6"])
            for row in rows_of(label, scan, folder, asked):
                print(row, flush=True)
                rows.append(attrs.asdict(row))
    print(json.dumps({"dose": rows}))


if __name__ == "__main__":
    main()
