"""Curves as SVG: small, sharp at any size, in the colours of the page around them."""

import math
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    # Whoever draws only this need not wait for torch.
    from ptycho_torch.output.run_records import Losses

_WIDTH, _HEIGHT = 480, 270
_LEFT, _RIGHT, _TOP, _BOTTOM = 72, 12, 14, 44
# Legible on white and on black.
_COLOURS = ("#3b82c4", "#d9772b", "#3a9d5d", "#a35fc4")
_DECADE = 10.0
_MOST_TICKS = 6
Point = tuple[float, float]


@attrs.frozen
class Series:
    """A curve: its name and its points (x, y); values that are not finite leave a gap. dashed: for a threshold."""

    name: str
    points: tuple[Point, ...]
    dashed: bool = False


@attrs.frozen
class _Axis:
    """The values from low to high along an axis, on screen from start to stop."""

    low: float
    high: float
    start: float
    stop: float
    logarithmic: bool = False

    def at(self, value: float) -> float:
        low, high = self.low, self.high
        if self.logarithmic:
            low, high, value = (math.log10(one) for one in (low, high, value))
        return self.start + (self.stop - self.start) * (value - low) / (high - low)

    def ticks(self) -> list[float]:
        if not self.logarithmic:
            return linear_ticks(self.low, self.high)
        decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        factors = (1, 2, 5) if len(decades) <= 3 else (1,)
        step = max(1, len(decades) // _MOST_TICKS)
        found = [factor * _DECADE**decade for decade in decades[::step] for factor in factors]
        return [value for value in found if self.low <= value * (1 + 1e-9) and value <= self.high * (1 + 1e-9)]


def linear_ticks(low: float, high: float) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten from low to high, at most seven."""
    raw = (high - low) / _MOST_TICKS
    decade = _DECADE ** math.floor(math.log10(raw))
    step = next(factor * decade for factor in (1, 2, 5, 10) if factor * decade >= raw * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [step * number for number in range(first, last + 1)]


def _limits(values: Sequence[float], *, logarithmic: bool) -> tuple[float, float]:
    low, high = min(values), max(values)
    if logarithmic:
        return low / 1.15, high * 1.15
    room = 0.06 * (high - low) or 0.05 * abs(high) or 1.0
    return low - room, high + room


def line_chart(series: Sequence[Series], xlabel: str, ylabel: str, *, whole_x: bool = False) -> str:
    """An SVG of curves over a common x; logarithmic where all values are positive and span a decade.

    series: one or more, each with a point that is finite, for a chart that shows something; xlabel, ylabel: with units;
    whole_x: x counts something.
    """
    points = [point for one in series for point in one.points if all(map(math.isfinite, point))]
    xs, ys = [x for x, _ in points] or [0.0], [y for _, y in points] or [0.0]
    logarithmic = min(ys) > 0 and max(ys) / min(ys) >= _DECADE
    x_limits = (min(xs) - 0.5, max(xs) + 0.5) if whole_x or min(xs) == max(xs) else (min(xs), max(xs))
    across = _Axis(*x_limits, _LEFT, _WIDTH - _RIGHT)
    up = _Axis(*_limits(ys, logarithmic=logarithmic), _HEIGHT - _BOTTOM, _TOP, logarithmic)
    parts = [*_x_axis(across, xlabel, whole=whole_x), *_y_axis(up, ylabel)]
    for number, one in enumerate(series):
        parts += _curve(one, across, up, _COLOURS[number % len(_COLOURS)])
        parts.append(_legend(one, number))
    body = "".join(parts)
    return (
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(ylabel)} over '
        f'{escape(xlabel)}" font-size="12" fill="currentColor" xmlns="http://www.w3.org/2000/svg">{body}</svg>'
    )


def _x_axis(axis: _Axis, label: str, *, whole: bool) -> list[str]:
    ticks = [tick for tick in axis.ticks() if not whole or tick == round(tick)]
    floor = _HEIGHT - _BOTTOM
    lines = [
        f'<line x1="{axis.at(t):.1f}" y1="{_TOP}" x2="{axis.at(t):.1f}" y2="{floor}" stroke="currentColor" '
        f'stroke-opacity=".15"/><text x="{axis.at(t):.1f}" y="{floor + 16}" text-anchor="middle">{t:.4g}</text>'
        for t in ticks
    ]
    middle = (axis.start + axis.stop) / 2
    return [*lines, f'<text x="{middle}" y="{_HEIGHT - 8}" text-anchor="middle">{escape(label)}</text>']


def _y_axis(axis: _Axis, label: str) -> list[str]:
    lines = [
        f'<line x1="{_LEFT}" y1="{axis.at(t):.1f}" x2="{_WIDTH - _RIGHT}" y2="{axis.at(t):.1f}" stroke="currentColor" '
        f'stroke-opacity=".15"/><text x="{_LEFT - 6}" y="{axis.at(t) + 4:.1f}" text-anchor="end">{t:.4g}</text>'
        for t in axis.ticks()
    ]
    middle = (axis.start + axis.stop) / 2
    turned = f'transform="rotate(-90 14 {middle})"'
    return [*lines, f'<text x="14" y="{middle}" text-anchor="middle" {turned}>{escape(label)}</text>']


def _curve(one: Series, across: _Axis, up: _Axis, colour: str) -> list[str]:
    pieces: list[list[str]] = [[]]
    for x, y in one.points:
        if math.isfinite(x) and math.isfinite(y):
            pieces[-1].append(f"{across.at(x):.1f},{up.at(y):.1f}")
        elif pieces[-1]:
            pieces.append([])
    dashes = ' stroke-dasharray="5 4"' if one.dashed else ""
    style = f'fill="none" stroke="{colour}" stroke-width="2"{dashes}'
    lines = [f'<polyline points="{" ".join(piece)}" {style}/>' for piece in pieces if len(piece) > 1]
    alone = [piece[0].split(",") for piece in pieces if len(piece) == 1]
    return [*lines, *(f'<circle cx="{x}" cy="{y}" r="4" fill="{colour}"/>' for x, y in alone)]


def _legend(one: Series, number: int) -> str:
    y, colour = _TOP + 12 + 16 * number, _COLOURS[number % len(_COLOURS)]
    right = _WIDTH - _RIGHT - 8
    return (
        f'<text x="{right - 24}" y="{y + 4}" text-anchor="end">{escape(one.name)}</text>'
        f'<line x1="{right - 18}" y1="{y}" x2="{right}" y2="{y}" stroke="{colour}" stroke-width="2"/>'
    )


def loss_chart(history: "Losses") -> str:
    """An SVG of the losses of a history over the epochs from 1."""
    named = {"training": history.train_loss, "validation": history.val_loss}
    series = [Series(name, tuple(enumerate(values, 1))) for name, values in named.items() if values]
    return line_chart(series, "epoch", "loss", whole_x=True)
