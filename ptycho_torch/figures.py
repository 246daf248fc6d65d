"""Pictures of a reconstruction, drawn without any global plotting state."""

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ptycho_torch.files import replacing
from ptycho_torch.records import Canvas

_SEEN = 0.05


def _lit_box(canvas: Canvas) -> tuple[slice, slice]:
    lit = canvas.illumination > _SEEN * canvas.illumination.max()
    rows, columns = np.flatnonzero(lit.any(axis=1)), np.flatnonzero(lit.any(axis=0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def amplitude_and_phase(canvas: Canvas) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """`|O|` and `arg O` in rad over the illuminated part, the mean phase factor removed."""
    object_ = canvas.object[_lit_box(canvas)]
    weight = canvas.illumination[_lit_box(canvas)]
    mean = (weight * object_).sum()
    return np.abs(object_), np.angle(object_ * np.conj(mean) / abs(mean))


def _save(path: Path, figure: Figure) -> None:
    FigureCanvasAgg(figure)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=110, format="png")


def _image_figure(image: NDArray[np.float32], canvas: Canvas, title: str, label: str) -> Figure:
    rows, columns = _lit_box(canvas)
    origin_y, origin_x = canvas.origin_yx
    extent = (
        columns.start + origin_x - 0.5,
        columns.stop + origin_x - 0.5,
        rows.stop + origin_y - 0.5,
        rows.start + origin_y - 0.5,
    )
    low, high = np.percentile(image, (1, 99))
    figure = Figure(figsize=(6.4, 5.6), layout="constrained")
    axes = figure.add_subplot(title=title, xlabel="x (px)", ylabel="y (px)")
    drawn = axes.imshow(image, cmap="gray", vmin=low, vmax=high, extent=extent, interpolation="nearest")
    figure.colorbar(drawn, ax=axes, label=label, shrink=0.85)
    return figure


def draw_object(folder: Path, canvas: Canvas) -> None:
    """`amplitude.png` and `phase.png` on the coordinates of the scan, clipped at 1 and 99 %."""
    amplitude, phase = amplitude_and_phase(canvas)
    _save(folder / "amplitude.png", _image_figure(amplitude, canvas, "Amplitude", "|O|"))
    _save(folder / "phase.png", _image_figure(phase, canvas, "Phase", "arg O (rad)"))


def draw_losses(folder: Path, history: dict[str, list[float]]) -> None:
    """`loss.png`: every recorded loss over the epochs, logarithmic where all are positive."""
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    axes = figure.add_subplot(title="Loss", xlabel="epoch", ylabel="loss per pixel")
    for name, values in history.items():
        if values:
            axes.plot(np.arange(1, len(values) + 1), values, marker=".", label=name)
    if all(value > 0 for values in history.values() for value in values):
        axes.set_yscale("log")
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
    _save(folder / "loss.png", figure)
