"""Draw `symptoms.png`, images of scans with one fault each: `python docs/symptoms.py` from the root."""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from ptycho_torch.cli.main import main as ptycho

SCAN = Path(__file__).parents[1] / "tests" / "data" / "siemens_star_64.npz"
PICTURE = Path(__file__).with_name("symptoms.png")
MARGIN_PX = 24
Arrays = dict[str, np.ndarray]


def exchange_axes(scan: Arrays, _: np.random.Generator) -> Arrays:
    """X is y."""
    return scan | {"xcoords": scan["ycoords"], "ycoords": scan["xcoords"]}


def scale_positions(scan: Arrays, _: np.random.Generator) -> Arrays:
    """Positions 15 % too far apart, as with a wrong distance or energy."""
    return scan | {name: 1.15 * scan[name] for name in ("xcoords", "ycoords")}


def shake_positions(scan: Arrays, rng: np.random.Generator) -> Arrays:
    """Positions wrong by 3 px rms."""
    return scan | {name: scan[name] + rng.normal(0, 3, len(scan[name])) for name in ("xcoords", "ycoords")}


def heat_pixels(scan: Arrays, rng: np.random.Generator) -> Arrays:
    """Ten hot pixels."""
    patterns = scan["diff3d"].copy()
    patterns[:, rng.integers(5, 59, 10), rng.integers(5, 59, 10)] = patterns.max()
    return scan | {"diff3d": patterns}


def dim(scan: Arrays, rng: np.random.Generator) -> Arrays:
    """A hundredth of the photons."""
    return scan | {"diff3d": rng.poisson(scan["diff3d"] / 100).astype(np.uint16)}


FAULTS = {
    "sound": lambda scan, _: scan,
    "x and y exchanged": exchange_axes,
    "positions 15 % too far apart": scale_positions,
    "positions wrong by 3 px": shake_positions,
    "ten hot pixels": heat_pixels,
    "1 % of the photons": dim,
}


def main() -> None:
    """Reconstruct the demo scan with each fault, without any estimate of what is wrong."""
    with np.load(SCAN) as stored:
        scan = dict(stored)
    figure, axes = plt.subplots(2, 3, figsize=(9, 6.4), layout="constrained")
    with tempfile.TemporaryDirectory() as name:
        for axis, (title, fault) in zip(axes.flat, FAULTS.items(), strict=True):
            folder = Path(name) / title.replace(" ", "_")
            folder.mkdir()
            np.savez(folder / "scan.npz", **fault(scan, np.random.default_rng(1)))
            command = ["infer", str(folder / "scan.npz"), "--output-dir", str(folder / "out"), "--quiet"]
            ptycho([*command, "--set", "torch.refine.unknown=[]"])
            object_ = np.load(folder / "out" / "reconstruction.npz")["object"]
            inner = object_[MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX]
            phase = np.angle(inner * np.exp(-1j * np.angle(inner.mean())))
            low, high = np.percentile(phase, (1, 99))
            axis.imshow(phase, cmap="gray", vmin=low, vmax=high)
            axis.set(title=title, xticks=[], yticks=[])
    figure.savefig(PICTURE, dpi=75)


if __name__ == "__main__":
    main()
