"""Foreign spellings of single values: a reading and a writing for each kind."""

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from ptycho_config.schema import ScaleOptions


def _same(value: Any) -> Any:
    return value


@attrs.frozen
class Translation:
    """`read` turns the foreign value into ours, `write` ours into the foreign one.

    A value that `read` does not know passes unchanged, so the field's own check refuses it
    and lists what there is. `read` raises ValueError where the value cannot be meant.
    """

    read: Callable[[Any], Any] = _same
    write: Callable[[Any], Any] = _same


def words(ours: Mapping[str, str], *synonyms: tuple[str, str]) -> Translation:
    """Foreign word to our word; `synonyms` are read and never written."""
    reading: dict[Any, str] = {**ours, **dict(synonyms)}
    writing = {our: foreign for foreign, our in ours.items()}

    def read(value: Any) -> Any:
        return reading.get(value, value) if isinstance(value, str) else value

    return Translation(read, lambda value: writing.get(value, value))


def _side(value: Any) -> Any:
    if not isinstance(value, (tuple, list)):
        return value
    if len(value) != 2 or value[0] != value[1]:
        raise ValueError(f"groups are square: both sides of the grid must be equal, got {tuple(value)!r}")
    return value[0]


def _weight(value: Any) -> Any:
    return float(value) if isinstance(value, bool) else value


SAME = Translation()
SQUARE = Translation(_side, lambda side: (side, side))
SWITCH = Translation(_weight, lambda weight: weight > 0)
TEXT = Translation(write=lambda path: None if path is None else str(path))
MODE = words({"Unsupervised": "pinn", "Supervised": "supervised"})
ACTIVATION = words({"silu": "swish"}, ("SiLU", "swish"))
LOSS = words({"Poisson": "poisson", "MAE": "mae"})
NEIGHBORS = words({"Nearest": "nearest", "Min_dist": "min_dist", "4_quadrant": "4_quadrant"})
CONTRACT = words({version: domain for domain, version in ScaleOptions.CONTRACTS.items()})
DEVICE = Translation(lambda name: "auto" if name == "cuda" else name, lambda name: "cpu" if name == "cpu" else "cuda")
