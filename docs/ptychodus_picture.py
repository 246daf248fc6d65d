"""Draw `ptychodus.png` and print its figures: `python -m docs.ptychodus_picture`, from the root.

ptychodus exports a simulated scan of 210 patterns, trains for 10 epochs and reconstructs, each in the
child process that it starts itself; all its settings but the epochs are untouched.
"""

import tempfile
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from ptycho_torch.evaluation.metrics import contrast_and_detail, remove_ramp
from tests.compat.ptychodus.client import inner, object_of, reconstructor
from tests.compat.ptychodus.scans import known_scan

PICTURE = Path(__file__).with_name("ptychodus.png")


def main() -> None:
    """Run it all once."""
    scan, client = known_scan(15, 14), reconstructor(epochs=10)
    with tempfile.TemporaryDirectory() as name:
        folder, start = Path(name), time.perf_counter()
        client.export_training_data(folder / "training.npz", scan.given)
        list(client.train(folder, folder))
        trained = time.perf_counter()
        (output,) = client.reconstruct(scan.given)
        done = time.perf_counter()
    made = object_of(output)
    part = inner(scan, 32)
    contrast, detail = contrast_and_detail(made[part], scan.truth[part])
    ratio = np.abs(made[part]).mean() / np.abs(scan.truth[part]).mean()
    print(f"train {trained - start:.0f} s, reconstruct {done - trained:.0f} s")
    print(f"contrast {contrast:.3f}, detail {detail:.3f}, amplitude ratio {ratio:.3f}, {made.shape} px")
    box = inner(scan, 0)
    straight, truth = remove_ramp(made[box], scan.truth[box]), scan.truth[box]
    figure, axes = plt.subplots(2, 2, figsize=(7, 7), layout="constrained")
    rows = (("amplitude", np.abs, "gray", (0.6, 1.0)), ("phase (rad)", np.angle, "twilight", (0.0, 1.2)))
    for row, (label, view, colours, limits) in zip(axes, rows, strict=True):
        for axis, name, image in zip(row, ("ptychodus, 10 epochs", "truth"), (straight, truth), strict=True):
            shown = axis.imshow(view(image), cmap=colours, vmin=limits[0], vmax=limits[1])
            axis.set(title=f"{name}: {label}", xticks=[], yticks=[])
        figure.colorbar(shown, ax=row, shrink=0.8)
    figure.savefig(PICTURE, dpi=110)


if __name__ == "__main__":
    main()
