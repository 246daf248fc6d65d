"""The results of a set of scans as a table and as one picture."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
from matplotlib.figure import Figure

from ptycho_torch.evaluation.read import read_object
from ptycho_torch.output.figures import save_figure
from ptycho_torch.output.object_pictures import amplitude_and_phase, illuminated_box
from ptycho_torch.records import Canvas
from ptycho_torch.scan_set.work import ScanRow

# A picture with more rows of images would be unreadable, or too large.
MOST_DRAWN, _COLUMNS, _IMAGE_PX = 400, 8, 160


def flat_record(row: ScanRow) -> dict[str, Any]:
    """One flat record of a row for a table in a file."""
    return {**attrs.asdict(row), "folder": row.folder.name}


def table(rows: Sequence[ScanRow]) -> str:
    """One line a scan, in the order of the rows; those that failed with their reason."""
    head = ("scan", "verdict", "R", "R_flat", "patterns", "seconds")
    lines = [head, *(tuple(_text(getattr(row, name)) for name in head) for row in rows if not row.failure)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join([*text, *(f"FAILED: {row.scan}: {row.failure}" for row in rows if row.failure)])


def _text(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def draw_contact_sheet(path: Path, rows: Sequence[ScanRow]) -> None:
    """Draw the phase of every reconstruction of `rows`, at most 400 of them, as a PNG at `path`: its scan and R above,
    red where the verdict is not `sound`."""
    drawn = [row for row in rows if not row.failure][:MOST_DRAWN]
    columns = min(_COLUMNS, len(drawn))
    lines = math.ceil(len(drawn) / columns)
    figure = Figure(figsize=(1.7 * columns, 1.95 * lines), layout="constrained")
    places = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes in places:
        axes.set_axis_off()
    for axes, row in zip(places, drawn, strict=False):
        found = read_object(row.folder / "reconstruction.npz")
        assert found.illumination is not None
        canvas = Canvas(found.values, found.illumination, (0, 0))
        _, phase = amplitude_and_phase(canvas, illuminated_box(canvas))
        every = -(-max(phase.shape) // _IMAGE_PX)
        axes.imshow(phase[::every, ::every], cmap="gray", interpolation="nearest")
        axes.set_title(f"{row.scan}\nR {row.R:.4f}", fontsize=6, color="black" if row.verdict == "sound" else "red")
    save_figure(path, figure)
