"""Figures with axes, drawn by matplotlib without any global plotting state."""

from pathlib import Path

import attrs
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from numpy.typing import NDArray

from ptycho_torch.files import atomic_write
from ptycho_torch.output.run_records import Losses
from ptycho_torch.records import Geometry

_DECADE = 10


def save_figure(path: Path, figure: Figure) -> None:
    """Write a matplotlib figure to a path as PNG. Raises OSError where that cannot be written."""
    FigureCanvasAgg(figure)
    with atomic_write(path) as temporary:
        figure.savefig(temporary, dpi=110, format="png")


@attrs.frozen
class Ruler:
    """The places of pixels of a scan along an axis, for people: micrometres where its geometry is known.

    unit; pixel, origin: (y, x) of a pixel, and of position 0, in that unit.
    """

    unit: str = "px"
    pixel: tuple[float, float] = (1.0, 1.0)
    origin: tuple[float, float] = (0.0, 0.0)

    @classmethod
    def of(cls, geometry: Geometry | None) -> "Ruler":
        """The ruler of a scan with a geometry, or of one without."""
        if geometry is None:
            return cls()
        (height, width), (y, x) = geometry.pixel_m, geometry.origin_m
        return cls("\N{MICRO SIGN}m", (1e6 * height, 1e6 * width), (1e6 * y, 1e6 * x))

    def extent(self, top: float, left: float, bottom: float, right: float) -> tuple[float, float, float, float]:
        """The `(left, right, bottom, top)` of matplotlib for the edges of an image in pixels of the scan."""
        (height, width), (y, x) = self.pixel, self.origin
        return x + left * width, x + right * width, y + bottom * height, y + top * height

    def labels(self) -> dict[str, str]:
        """The labels of both axes."""
        return {"xlabel": f"x ({self.unit})", "ylabel": f"y ({self.unit})"}


def draw_losses(folder: Path, history: Losses) -> None:
    """Write `loss.png` into an existing folder: every loss of the history, by name, over the epochs."""
    save_figure(folder / "loss.png", loss_figure(history))


def loss_figure(history: Losses) -> Figure:
    """The losses of a history, by name, over the epochs from 1; logarithmic where all are positive and span
    a decade."""
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    axes = figure.add_subplot(title="Loss", xlabel="epoch", ylabel="loss")
    named = attrs.asdict(history)
    for name, values in named.items():
        if values:
            axes.plot(np.arange(1, len(values) + 1), values, marker=".", label=name)
    losses = [value for values in named.values() for value in values]
    span = max(losses) / min(losses) if losses and all(value > 0 for value in losses) else 1.0
    if span >= _DECADE:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if span < _DECADE**4 else (1,)))
        axes.yaxis.set_major_formatter(FuncFormatter(_plain))
        axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        axes.ticklabel_format(axis="y", style="plain", useOffset=False)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
    return figure


def _plain(value: float, _: int) -> str:
    """A tick without exponent: 0.002, 1500."""
    # Ticks are powers of ten times a digit, with the rounding errors of both.
    return np.format_float_positional(float(f"{value:.3g}"), trim="-")


def draw_patches(path: Path, patches: NDArray[np.complex64], title: str) -> None:
    """Write a PNG to path: amplitudes above phases of patches `(K, N, N)`, one column each, under a title."""
    figure = Figure(figsize=(1.6 * len(patches), 3.6), layout="constrained")
    figure.suptitle(title)
    axes = figure.subplots(2, len(patches), squeeze=False)
    for column, patch in enumerate(patches):
        for row, image in enumerate((np.abs(patch), np.angle(patch * np.conj(patch.sum())))):
            axes[row, column].imshow(image, cmap="gray", interpolation="nearest")
            axes[row, column].set_axis_off()
    save_figure(path, figure)


def picture(path: Path) -> NDArray[np.float32]:
    """The PNG at path as `(height, width, 3)` float32 in [0, 1]."""
    return imread(path)[..., :3]
