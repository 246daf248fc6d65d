"""The results of a sweep as a table and as a picture."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
from matplotlib.figure import Figure

from ptycho_torch.output.figures import save_figure
from ptycho_torch.output.run_records import TrialRecord, from_json, to_json
from ptycho_torch.sweep.plan import Trial
from ptycho_torch.sweep.run import RESULT, is_finished


@attrs.frozen
class Row:
    """A trial with its result, None where it has none yet."""

    trial: Trial
    result: TrialRecord | None


def read_rows(trials: Sequence[Trial]) -> list[Row]:
    """The trials in their order, with the results that they wrote."""
    return [Row(trial, _read_result(trial.folder / RESULT) if is_finished(trial) else None) for trial in trials]


def _read_result(path: Path) -> TrialRecord:
    return from_json(TrialRecord, json.loads(path.read_text(encoding="utf-8"))["result"], path)


def flat_record(row: Row) -> dict[str, Any]:
    """One flat record of a row: options of the axes, result, and the name of the trial's folder."""
    return {**row.trial.values, **(to_json(row.result) if row.result else {}), "trial": row.trial.key}


def table(rows: Sequence[Row]) -> str:
    """One line a trial, the best loss first; trials without a result at the end."""
    done = sorted((row for row in rows if row.result), key=_loss)
    records = [flat_record(row) for row in done]
    names = list(records[0]) if records else []
    cells = [[_format(record.get(name)) for name in names] for record in records]
    widths = [max(map(len, column)) for column in zip(names, *cells, strict=True)] if records else []
    lines = ["  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) for line in cells]
    head = ["  ".join(name.ljust(width) for name, width in zip(names, widths, strict=True))] if names else []
    missing = [f"no result: {' '.join(row.trial.point)}" for row in rows if row.result is None]
    return "\n".join([*head, *lines, *missing])


def _loss(row: Row) -> float:
    assert row.result is not None
    return row.result.loss


def _format(value: Any) -> str:
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def draw_sweep(path: Path, rows: Sequence[Row]) -> None:
    """Draw the loss over each axis, one point a finished trial of `rows`, as a PNG at `path`."""
    done = [row for row in rows if row.result]
    names = list(rows[0].trial.values)
    figure = Figure(figsize=(4.2 * len(names), 3.6), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        texts = [_format(row.trial.values[name]) for row in done]
        axes.plot(texts, [_loss(row) for row in done], "o")
        axes.set(xlabel=name, ylabel="loss of the kept epoch")
        axes.grid(visible=True, alpha=0.3)
    save_figure(path, figure)
