"""`evaluate`: an object against a reference; `compare`: runs with each other."""

# `help` shows `ScanLike` rather than all that it is.
from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
from numpy.typing import NDArray

from ptycho_config import Resolved
from ptycho_config.schema.paths import leaves_of
from ptycho_torch.api.inference import Reconstruction
from ptycho_torch.api.refinement import Refinement
from ptycho_torch.errors import DataError
from ptycho_torch.evaluation.compare import Comparison
from ptycho_torch.evaluation.draw import comparison_figure, table
from ptycho_torch.evaluation.read import PlacedObject, read_object
from ptycho_torch.evaluation.several import compare_several
from ptycho_torch.output.run_configs import read_run
from ptycho_torch.run_folder import check_result
from ptycho_torch.simulation.scan import Simulated

if TYPE_CHECKING:
    from ptycho_torch.api.training import TrainingRun

ObjectLike = Path | str | Reconstruction | Refinement | Simulated | NDArray[Any]
_MERITS = ("R", "R_flat", "patterns")
# Where the results went says nothing of the runs.
_PLACES = {"training.output_dir", "inference.output_dir"}


@attrs.frozen(eq=False, repr=False)
class Evaluation:
    """An object compared with a reference: prints as a table of the figures of merit, and shows both in a notebook."""

    comparison: Comparison

    def figures(self) -> dict[str, Any]:
        """All figures of merit as JSON values."""
        return self.comparison.figures()

    def __repr__(self) -> str:
        return table(self.comparison)

    def _repr_html_(self) -> str:
        stream = io.BytesIO()
        comparison_figure(self.comparison).savefig(stream, dpi=70, format="png")
        data = base64.b64encode(stream.getvalue()).decode("ascii")
        return f'<img style="width:100%" alt="{escape(repr(self))}" src="data:image/png;base64,{data}">'


def evaluate(result: ObjectLike, reference: ObjectLike) -> Evaluation:
    """Compare an object with a reference, after both were aligned.

    result, reference: each a `product.h5`, `reconstruction.npz`, NPZ with objectGuess or .npy file, what `reconstruct`,
    `refine` or `simulate` returned, or a complex array `(H, W)`, which is compared around its centre. Raises DataError
    for pixels of different sizes, less than 32 px in common, and a constant reference.

    >>> evaluate("result/reconstruction.npz", "scan.npz").figures()["shape"]
    [..., ...]
    """
    (made,) = compare_several([_place_object(result)], _place_object(reference))
    return Evaluation(made)


def _place_object(one: ObjectLike) -> PlacedObject:
    match one:
        case Reconstruction() | Refinement():
            canvas = one.canvas
            return PlacedObject(one.folder.name, canvas.object, canvas.origin_yx, illumination=canvas.illumination)
        case Simulated():
            return PlacedObject("truth", one.truth, (0, 0))
        case np.ndarray():
            return PlacedObject("array", one)
        case _:
            return read_object(Path(one))


@attrs.frozen(repr=False)
class RunComparison:
    """Runs side by side: their figures of merit, and the options in which they differ.

    runs: names; rows: a name, and a value for each run.
    """

    runs: tuple[str, ...]
    merits: tuple[tuple[str, tuple[str, ...]], ...]
    options: tuple[tuple[str, tuple[str, ...]], ...]

    def _lines(self) -> Iterator[tuple[str, ...]]:
        yield "", *self.runs
        for name, values in (*self.merits, *self.options):
            yield name, *values

    def __repr__(self) -> str:
        lines = list(self._lines())
        widths = [max(len(line[column]) for line in lines) for column in range(len(self.runs) + 1)]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
        )

    def _repr_html_(self) -> str:
        rows = ("".join(f"<td>{escape(cell)}</td>" for cell in line) for line in self._lines())
        return f"<table>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"


def compare(*runs: Path | str | Reconstruction | TrainingRun) -> RunComparison:
    """Compare runs: their figures of merit, and the options in which they differ.

    runs: two or more of one kind, each its folder, or what `reconstruct` or `train` returned. Raises DataError where a
    folder holds no run, or runs are of different kinds.

    >>> compare("result", "result").options
    ()
    """
    found = [_read(run) for run in runs]
    kinds = {kind for _, kind, _, _ in found}
    if len(found) < 2 or len(kinds) > 1:
        names = ", ".join(name for name, _, _, _ in found) or "nothing"
        raise DataError(names, "are not two or more runs of one kind", "compare trainings, or reconstructions")
    merits = list(dict.fromkeys(name for _, _, _, merits in found for name in merits))
    leaves = [{path: repr(value) for path, _, value in leaves_of(configs.config)} for _, _, configs, _ in found]
    paths = [path for path in dict.fromkeys(path for one in leaves for path in one) if path not in _PLACES]
    options = [(path, tuple(one.get(path, "-") for one in leaves)) for path in paths]
    return RunComparison(
        tuple(name for name, _, _, _ in found),
        tuple((name, tuple(one.get(name, "-") for _, _, _, one in found)) for name in merits),
        tuple((path, values) for path, values in options if len(set(values)) > 1),
    )


def _read(run: Path | str | Reconstruction | TrainingRun) -> tuple[str, str, Resolved[Any], dict[str, str]]:
    """Name, kind, configs and figures of merit of a run. Raises DataError."""
    if isinstance(run, Reconstruction):
        folder = run.folder
    else:
        folder = Path(run) if isinstance(run, Path | str) else run.bundle.parent
    kind, configs = list(read_run(folder).items())[-1]
    path = (folder if folder.is_dir() else folder.parent) / "metrics.json"
    check_result(path)
    try:
        record = json.loads(path.read_text(encoding="utf-8"))[kind]
        return folder.name, kind, configs, dict(_merits(record))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(str(path), f"cannot be read: {error}", "repeat the run") from None


def _merits(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if "verdict" in record:
        yield "verdict", str(record["verdict"]["level"])
    for name in _MERITS:
        if name in record:
            yield name, f"{record[name]:.4g}"
    for name, values in record.get("history", {}).items():
        yield f"lowest {name}", f"{min(values):.4g}"
    for name, value in record.get("seconds", {}).items():
        yield f"{name}, s", f"{value:.3g}"
