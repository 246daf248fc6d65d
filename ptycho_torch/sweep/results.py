"""The results of a sweep as tables and as a picture; repetitions with other seeds as mean and spread."""

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
from matplotlib.figure import Figure

from ptycho_torch.output.figures import save_figure
from ptycho_torch.output.run_records import TrialRecord, from_json, to_json
from ptycho_torch.sweep.plan import Trial
from ptycho_torch.sweep.ready import LABELS, SEED
from ptycho_torch.sweep.run import RESULT, is_finished

_SEEDS = {SEED, "training.subsample_seed"}
_FIGURES = {
    "loss": "loss of the kept epoch",
    "R": "R of the reconstruction",
    "contrast": "contrast against the truth",
    "detail": "detail against the truth",
    "phase_mae": "error of phase, mean (rad)",
}
# Values that span more are drawn over their logarithm.
_WIDE = 20


@attrs.frozen
class Row:
    """A trial with its result, None where it has none yet."""

    trial: Trial
    result: TrialRecord | None


@attrs.frozen
class Summary:
    """A point of a sweep over its seeds.

    values: the options of its axes but for the seed; trials: how many have a result; mean, spread: of each figure that
    all of them have, spread the standard deviation `sqrt(sum (v - mean)^2 / (n - 1))`, 0 for one trial.
    """

    values: dict[str, Any]
    trials: int
    mean: dict[str, float]
    spread: dict[str, float]


def read_rows(trials: Sequence[Trial]) -> list[Row]:
    """The trials in their order, with the results that they wrote."""
    return [Row(trial, _read_result(trial.folder / RESULT) if is_finished(trial) else None) for trial in trials]


def _read_result(path: Path) -> TrialRecord:
    return from_json(TrialRecord, json.loads(path.read_text(encoding="utf-8"))["result"], path)


def flat_record(row: Row) -> dict[str, Any]:
    """One flat record of a row: options of the axes, result, and the name of the trial's folder."""
    return {**row.trial.values, **(to_json(row.result) if row.result else {}), "trial": row.trial.key}


def summarise(rows: Sequence[Row]) -> list[Summary]:
    """The points that have results, in the order of the rows, each over its seeds."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        if row.result is not None:
            groups.setdefault(json.dumps(_point(row), default=str), []).append(row)
    return [_summary(group) for group in groups.values()]


def _point(row: Row) -> dict[str, Any]:
    return {name: value for name, value in row.trial.values.items() if name not in _SEEDS}


def _summary(group: Sequence[Row]) -> Summary:
    known = {name: [getattr(row.result, name) for row in group] for name in _FIGURES}
    found = {name: values for name, values in known.items() if None not in values}
    mean = {name: statistics.fmean(values) for name, values in found.items()}
    spread = {name: statistics.stdev(values) if len(values) > 1 else 0.0 for name, values in found.items()}
    return Summary(_point(group[0]), len(group), mean, spread)


def flat_summary(summary: Summary) -> dict[str, Any]:
    """One flat record of a summary: options, number of trials, mean and spread of each figure."""
    figures: dict[str, float] = {}
    for name, mean in summary.mean.items():
        figures |= {name: mean, f"{name}_spread": summary.spread[name]}
    return {**summary.values, "trials": summary.trials, **figures}


def table(rows: Sequence[Row]) -> str:
    """One line a trial, the best loss first, or one a point with mean and spread where seeds are repeated; trials
    without a result at the end."""
    done = sorted((row for row in rows if row.result), key=_loss)
    points = summarise(done)
    records = [flat_record(row) for row in done]
    if len(points) < len(done):
        records = [{**one.values, "trials": one.trials, **_mean_and_spread(one)} for one in points]
    missing = [f"no result: {row.trial}" for row in rows if row.result is None]
    return "\n".join([*_lines(records), *missing])


def _mean_and_spread(summary: Summary) -> dict[str, str]:
    return {name: f"{mean:.4g} +- {summary.spread[name]:.2g}" for name, mean in summary.mean.items()}


def _lines(records: Sequence[Mapping[str, Any]]) -> list[str]:
    if not records:
        return []
    names = [name for name in records[0] if any(record.get(name) is not None for record in records)]
    cells = [names, *([_format(record.get(name)) for name in names] for record in records)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) for line in cells]


def _loss(row: Row) -> float:
    assert row.result is not None
    return row.result.loss


def _format(value: Any) -> str:
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def draw_sweep(path: Path, rows: Sequence[Row]) -> None:
    """Draw every figure over each axis but that of seeds, a point with its spread for each point of the sweep that has
    results in rows, a line for each combination of the other axes, as a PNG at path."""
    points = summarise(rows)
    names = list(_point(rows[0])) or ["all"]
    figures = [name for name in _FIGURES if all(name in point.mean for point in points)]
    figure = Figure(figsize=(1.5 + 4.2 * len(names), 0.6 + 2.9 * len(figures)), layout="constrained")
    grid = figure.subplots(len(figures), len(names), squeeze=False)
    for column, name in zip(grid.T, names, strict=True):
        for axes, measure in zip(column, figures, strict=True):
            _draw_axis(axes, points, name, measure)
        column[-1].set_xlabel(LABELS.get(name, name))
    for axes, measure in zip(grid[:, 0], figures, strict=True):
        axes.set_ylabel(_FIGURES[measure])
    save_figure(path, figure)


def _draw_axis(axes: Any, points: Sequence[Summary], name: str, measure: str) -> None:
    lines: dict[str, list[Summary]] = {}
    for point in points:
        others = (f"{key}={_format(value)}" for key, value in point.values.items() if key != name)
        lines.setdefault(" ".join(others), []).append(point)
    numeric = all(isinstance(point.values.get(name), int | float) for point in points)
    for label, line in lines.items():
        held = sorted(line, key=lambda point: point.values[name]) if numeric else line
        place = [point.values[name] if numeric else _format(point.values.get(name, "")) for point in held]
        means, spreads = ([getattr(point, kind)[measure] for point in held] for kind in ("mean", "spread"))
        axes.errorbar(place, means, spreads, fmt="o-" if numeric else "o", capsize=3, label=label or None)
    values = [point.values[name] for point in points] if numeric else []
    if values and min(values) > 0 and max(values) > _WIDE * min(values):
        axes.set_xscale("log")
    axes.grid(visible=True, alpha=0.3)
    if 1 < len(lines) <= 8:
        axes.legend(fontsize="x-small")
