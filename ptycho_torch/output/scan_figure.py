"""A picture of a scan before its reconstruction: patterns, positions, probe, overlap and totals."""

from pathlib import Path

import attrs
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ptycho_torch.data.scan import normalise
from ptycho_torch.output.figures import Ruler, save_figure
from ptycho_torch.physics.canvas import canvas_of, illumination
from ptycho_torch.records import Dataset

_NUMBERED = 12
_MOST_PX = 4096
_SAMPLE = 256


def draw_scan(path: Path, dataset: Dataset, title: str) -> None:
    """Write the figure of a scan, the dataset, with a title to path as PNG."""
    save_figure(path, scan_figure(dataset, title))


def scan_figure(dataset: Dataset, title: str) -> Figure:
    """Mean pattern with its mask, positions with numbers, probe, overlap, and totals of patterns.

    dataset: the scan as it is in its file; title: above all.
    """
    count = len(dataset.position_yx)
    rows = np.unique(np.linspace(0, count - 1, min(count, _SAMPLE)).astype(np.int64))
    patterns = dataset.intensity[rows]
    figure = Figure(figsize=(13, 8), layout="constrained")
    figure.suptitle(title, fontsize=10)
    axes = figure.subplots(2, 3)
    _mean_pattern(axes[0, 0], patterns.mean(axis=0, dtype=np.float64), dataset.valid_pixels)
    ruler = Ruler.of(dataset.geometry)
    _positions(axes[0, 1], dataset.position_yx, ruler)
    _probe(axes[0, 2], axes[1, 2], dataset.probe, ruler)
    _overlap(axes[1, 0], dataset, ruler)
    axes[1, 1].plot(rows, patterns.sum(axis=(1, 2), dtype=np.float64), ".-", markersize=3, linewidth=0.5)
    axes[1, 1].set(title="Sum of each pattern", xlabel="pattern")
    axes[1, 1].set_ylim(bottom=0)
    return figure


def _mean_pattern(axes: Axes, mean: NDArray[np.float64], valid: NDArray[np.bool_] | None) -> None:
    positive = mean[mean > 0]
    bounds = (max(float(positive.min()), float(positive.max()) * 1e-8), float(positive.max()))
    shown = axes.imshow(np.where(mean > 0, mean, np.nan), cmap="viridis", norm=LogNorm(*bounds))
    axes.set_facecolor("lightgrey")
    axes.figure.colorbar(shown, ax=axes, shrink=0.8)
    axes.set(title="Mean pattern (grey: 0, red: masked)", xlabel="x (px)", ylabel="y (px)")
    if valid is not None:
        red = np.zeros((*valid.shape, 4))
        red[~valid] = (1, 0, 0, 1)
        axes.imshow(red)


def _positions(axes: Axes, position_yx: NDArray[np.float64], ruler: Ruler) -> None:
    y, x = (position_yx * ruler.pixel + ruler.origin).T
    axes.plot(x, y, "-", color="lightgrey", linewidth=0.5)
    axes.plot(x, y, ".", markersize=2)
    for one in np.unique(np.linspace(0, len(x) - 1, min(_NUMBERED, len(x))).astype(int)).tolist():
        axes.annotate(str(one), (x[one], y[one]), fontsize=7)
    axes.set(title="Positions and their numbers", aspect="equal", **ruler.labels())
    axes.invert_yaxis()


def _probe(amplitude: Axes, spectrum: Axes, probe: NDArray[np.complex64], ruler: Ruler) -> None:
    half, here = probe.shape[-1] / 2, attrs.evolve(ruler, origin=(0.0, 0.0))
    extent = here.extent(-half, -half, half, half)
    amplitude.imshow(np.sqrt(np.square(np.abs(probe)).sum(axis=0)), cmap="magma", extent=extent)
    amplitude.set(title=f"Probe, |P| ({len(probe)} mode{'s' if len(probe) > 1 else ''})", **ruler.labels())
    waves = np.fft.fftshift(np.fft.fft2(probe, norm="ortho"), axes=(1, 2))
    spectrum.imshow(np.sqrt(np.square(np.abs(waves)).sum(axis=0)), cmap="magma")
    spectrum.set(title="Pattern of the probe alone, root", xlabel="x (px)")


def _overlap(axes: Axes, dataset: Dataset, ruler: Ruler) -> None:
    scan = normalise(dataset)
    origin, height, width = canvas_of(scan.centre_yx, scan.probe.shape[-1])
    axes.set(title="Overlap: illumination by all patterns", **ruler.labels())
    if max(height, width) > _MOST_PX:
        axes.text(0.5, 0.5, f"the object would have {height} x {width} px", ha="center", transform=axes.transAxes)
        return
    top, left = (int(one) for one in origin)
    with torch.inference_mode():
        shown = illumination(scan, (top, left), (height, width)).numpy()
    axes.imshow(shown, cmap="viridis", extent=ruler.extent(top, left, top + height, left + width))
