"""How little overlap is enough: the shipped network, its refinement, the physics alone, and LSQML.

    python benchmarks/overlap.py [--lsqml PYTHON] [--epochs 60] [--seed 3] [--picture overlap.png] [--cases ...]

Known probes, patterns of 64x64, objects of two photographs, one thread. `ring` is a zone plate with a central stop, of
1e6 photons a pattern; `spot` a defocused lens of 24 px across, whose linear overlap is `1 - step / 24`. Methods: the
network that comes with ptycho; the same and `--refine-passes 8`; 20 untrained stages; with `--lsqml`, the Python of an
environment with pty-chi (`peers.py`), LSQML after so many epochs. Prints a row a case and method, with the processor
seconds, and one JSON line; `--picture` draws the phases.

Published marks to compare with, on other simulations: a diffusion prior at 20 % overlap is as good as rPIE at 62 %
(arXiv 2502.18767: rows `spot, 20 %` and `spot, 62 %`); PtychoPINN v2 reports an amplitude SSIM of 0.904 without overlap
and 0.968 with it (arXiv 2602.21361: `ssim` of `spot, none` and `spot, 62 %`; the same with 1e9 photons a pattern, which
PtychoPINN simulates by default).
"""

import argparse
import json
import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from pair import dataset_from_raw
from skimage.metrics import structural_similarity
from transfer import untrained

from ptycho_config.schema import RefineOptions, TrainingSetup
from ptycho_torch.api.loading import load
from ptycho_torch.data.scan import normalise, with_initial_object
from ptycho_torch.evaluation.metrics import contrast_and_detail, remove_ramp, scanned_region
from ptycho_torch.nets.reconstructor import Reconstructor
from ptycho_torch.output.figures import save_figure
from ptycho_torch.output.scan_file import write_scan
from ptycho_torch.physics.simulate import Complex, SimulatedScan, defocused_probe, natural_object, simulate_scan
from ptycho_torch.pretrained import PRETRAINED
from ptycho_torch.reconstruction.predict import reconstruct_scan
from ptycho_torch.reconstruction.refine_dataset import refine_dataset
from ptycho_torch.records import Canvas

SIDE, SPOT_PX = 64, 24.0


def ring_probe() -> Complex:
    """A zone plate with a central stop: an annular pupil with a quadratic phase."""
    y, x = np.indices((SIDE, SIDE)) - SIDE / 2
    q = np.hypot(x, y) / SIDE
    pupil = ((q < 0.22) & (q > 0.04)) * np.exp(360j * q**2)
    probe = np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(pupil), norm="ortho"))
    return np.asarray(probe / np.linalg.norm(probe), np.complex64)


RING, LENS = ring_probe()[None], defocused_probe(SIDE, pupil_px=10.0, defocus_rad=6.0)[None]
CASES: dict[str, tuple[Complex, float, float]] = {
    **{f"ring, {step} px": (RING, float(step), 1e6) for step in (20, 26, 30)},
    "spot, 62 %": (LENS, SPOT_PX * 0.38, 6e5),
    "spot, 25 %": (LENS, SPOT_PX * 0.75, 6e5),
    "spot, 20 %": (LENS, SPOT_PX * 0.8, 6e5),
    "spot, none": (LENS, SPOT_PX, 6e5),
    "spot, 62 %, 1e9 photons": (LENS, SPOT_PX * 0.38, 1e9),
    "spot, 20 %, 1e9 photons": (LENS, SPOT_PX * 0.8, 1e9),
    "spot, none, 1e7 photons": (LENS, SPOT_PX, 1e7),
    "spot, none, 1e9 photons": (LENS, SPOT_PX, 1e9),
    "spot, 50 %, 1e4 photons": (LENS, SPOT_PX / 2, 1e4),
}


def drawn(model: Reconstructor, setup: TrainingSetup, made: SimulatedScan) -> Canvas:
    """The object of a network."""
    scan = with_initial_object(normalise(dataset_from_raw(made)), setup.torch)
    return reconstruct_scan(
        model,
        scan,
        torch.arange(len(scan.centre_yx))[:, None],
        batch_size=64,
        stitch=setup.torch.stitch,
        trim=0,
        device=torch.device("cpu"),
        progress=lambda _: None,
    )


def refined(made: SimulatedScan, start: Canvas) -> Canvas:
    """What `--refine-passes 8` makes of an object, of an instrument that is known."""
    dataset = dataset_from_raw(made)
    scan = normalise(dataset)
    object_ = torch.from_numpy(start.object / np.float32(scan.object_scale))
    options = RefineOptions(unknown=(), passes=8)
    device = torch.device("cpu")
    return refine_dataset(dataset, scan, object_, start.origin_yx, options, seed=0, device=device, visible=False).canvas


def lsqml(python: str, epochs: int, made: SimulatedScan) -> Canvas:
    """LSQML of pty-chi, in the environment of a Python."""
    with tempfile.TemporaryDirectory() as name:
        scan, found = Path(name) / "scan.npz", Path(name) / "object.npz"
        write_scan(scan, made)
        command = [python, str(Path(__file__).with_name("lsqml.py")), str(scan), str(found), "--epochs", str(epochs)]
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603
        with np.load(found, allow_pickle=False) as arrays:
            object_, origin = arrays["object"], arrays["origin_px"]
    return Canvas(object_, np.ones(object_.shape, np.float32), (int(origin[0]), int(origin[1])))


def figures(canvas: Canvas, made: SimulatedScan) -> tuple[dict[str, float], NDArray[np.complex64]]:
    """Contrast, detail, SSIM of the amplitude, and the scored part without factor and phase ramp."""
    rows, columns = scanned_region(dataset_from_raw(made), canvas)
    y, x = canvas.origin_yx
    known = made.truth[rows.start + y : rows.stop + y, columns.start + x : columns.stop + x]
    image = canvas.object[rows, columns]
    contrast, detail = contrast_and_detail(image, known)
    aligned = remove_ramp(image, known)
    wanted = np.abs(known)
    ssim = float(structural_similarity(np.abs(aligned), wanted, data_range=float(np.ptp(wanted))))
    return {"contrast": round(contrast, 3), "detail": round(detail, 3), "ssim": round(ssim, 3)}, aligned


def draw(path: Path, images: dict[str, dict[str, NDArray[np.complex64]]]) -> None:
    """Phases, a line a case and a column a method."""
    methods = list(next(iter(images.values())))
    figure = Figure(figsize=(2.0 * len(methods), 2.1 * len(images)), layout="constrained")
    places = figure.subplots(len(images), len(methods), squeeze=False)
    for line, (case, found) in zip(places, images.items(), strict=True):
        for axes, method in zip(line, methods, strict=True):
            axes.imshow(np.angle(found[method] * np.conj(found[method].mean())), cmap="gray", vmin=-0.6, vmax=0.6)
            axes.set_title(f"{case}\n{method}", fontsize=7)
            axes.set_axis_off()
    save_figure(path, figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--lsqml", metavar="PYTHON")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--objects", nargs=2, default=("coins", "camera"), help="pictures of scikit-image")
    parser.add_argument("--picture", type=Path, help="a PNG of the phases")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    shipped, bare = load(PRETRAINED), untrained(20)
    rows: list[dict[str, Any]] = []
    images: dict[str, dict[str, NDArray[np.complex64]]] = {}
    for case in asked.cases:
        probe, step, photons = CASES[case]
        truth = natural_object(*asked.objects, 256)
        made = simulate_scan(truth, seed=asked.seed, probe=probe, step_px=step, photons=photons)
        methods: dict[str, Callable[[SimulatedScan], Canvas]] = {
            "network": lambda one: drawn(shipped.model, shipped.setup, one),
            "network, refined": lambda one: refined(one, drawn(shipped.model, shipped.setup, one)),
            "20 untrained stages": lambda one: drawn(*bare, one),
        }
        if asked.lsqml is not None:
            methods["LSQML"] = lambda one: lsqml(asked.lsqml, asked.epochs, one)
        for method, reconstruct in methods.items():
            begun = sum(os.times()[:4])
            canvas = reconstruct(made)
            seconds = sum(os.times()[:4]) - begun
            found, images.setdefault(case, {})[method] = figures(canvas, made)
            rows.append({"case": case, "method": method, "patterns": len(made.counts), **found, "s": round(seconds, 1)})
            print("  ".join(f"{key} {value}" for key, value in rows[-1].items()), flush=True)
    if asked.picture:
        draw(asked.picture, images)
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
