"""Draw `before_after.png`, what goes in and what comes out: `python docs/before_after.py` from the root."""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from ptycho_torch.cli.main import main as ptycho
from ptycho_torch.data.dataset import read_dataset
from ptycho_torch.data.readers import open_scan

SCAN = Path(__file__).parents[1] / "tests" / "data" / "siemens_star_64.npz"
PICTURE = Path(__file__).with_name("before_after.png")
MARGIN_PX = 24


def main() -> None:
    """Reconstruct the demo scan with the shipped network and four passes of refinement."""
    with open_scan(SCAN) as scan, tempfile.TemporaryDirectory() as folder:
        dataset = read_dataset(scan, "count_intensity")
        ptycho(["infer", str(SCAN), "--output-dir", folder, "--refine-passes", "4"])
        object_ = np.load(Path(folder) / "reconstruction.npz")["object"][MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX]
        pattern, position = np.asarray(dataset.intensity[[len(dataset.intensity) // 2]])[0], dataset.position_yx
    figure, axes = plt.subplots(1, 4, figsize=(12, 3.3), layout="constrained")
    axes[0].imshow(np.log1p(pattern), cmap="magma")
    axes[0].set_title(f"in: {len(position)} patterns like this one")
    axes[1].plot(position[:, 1], position[:, 0], ".", markersize=2, color="black")
    axes[1].set(aspect="equal", title="and where each was measured")
    axes[1].invert_yaxis()
    axes[2].imshow(np.abs(object_), cmap="gray", vmin=np.percentile(np.abs(object_), 1))
    axes[2].set_title("out: amplitude")
    axes[3].imshow(np.angle(object_ * np.exp(-1j * np.angle(object_.mean()))), cmap="gray")
    axes[3].set_title("and phase")
    for axis in axes:
        axis.set(xticks=[], yticks=[])
    figure.savefig(PICTURE, dpi=80)


if __name__ == "__main__":
    main()
