"""The arrows of corrected positions."""

import re

import numpy as np

from ptycho_torch.output.correction_figure import correction_figure
from ptycho_torch.records import Canvas, Dataset


def test_arrows_go_from_recorded_to_corrected_positions() -> None:
    """At their places in the picture, a translation of all left out; short ones are magnified, as the caption says."""
    canvas = Canvas(np.ones((60, 80), np.complex64), np.ones((60, 80), np.float32), (10, 20))
    y, x = (axis.ravel() for axis in np.meshgrid(np.arange(20.0, 61, 8), np.arange(30.0, 91, 8), indexing="ij"))
    recorded = np.stack([y, x], axis=1)
    moved = np.where(np.arange(len(y))[:, None] % 2, [1.0, 0.0], [-1.0, 0.0])
    dataset = Dataset("s", np.ones((len(y), 16, 16), np.float32), recorded + moved + 5.0, np.ones((1, 16, 16), "c8"))
    figure = correction_figure(canvas, dataset, recorded, 0)
    assert "10 times" in figure.caption
    assert "largest 1 px" in figure.caption
    first = re.search(r"M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)", figure.drawing)
    assert first is not None
    x0, y0, x1, y1 = (float(number) for number in first.groups())
    assert (x0, y0) == (10.5, 10.5)
    assert (x1, y1) == (10.5, 0.5)
    # Lines are thin: neighbours are 8 px away.
    assert max(float(width) for width in re.findall(r'stroke-width="([\d.]+)"', figure.drawing)) < 2
