"""Foreign spellings of single values: a reading and a writing for each kind."""

from collections.abc import Mapping
from typing import Any

from ptycho_config.schema import ScaleOptions
from ptycho_config.short_names import Translation


def words(ours: Mapping[str, str], *synonyms: tuple[str, str]) -> Translation:
    """Foreign word to our word; `synonyms` are read and never written."""
    reading: dict[Any, str] = {**ours, **dict(synonyms)}
    writing = {our: foreign for foreign, our in ours.items()}

    def read(value: Any) -> Any:
        return reading.get(value, value) if isinstance(value, str) else value

    return Translation(read, lambda value: writing.get(value, value), ({"enum": list(reading)},))


def _side(value: Any) -> Any:
    if not isinstance(value, (tuple, list)):
        return value
    if len(value) != 2 or value[0] != value[1]:
        raise ValueError(f"groups are square: both sides of the grid must be equal, got {tuple(value)!r}")
    return value[0]


def _weight(value: Any) -> Any:
    return float(value) if isinstance(value, bool) else value


SQUARE = Translation(_side, lambda side: (side, side), ({"enum": [[side, side] for side in (1, 2, 3)]},))
SWITCH = Translation(_weight, lambda weight: weight > 0, ({"type": "boolean"},))
TEXT = Translation(write=lambda path: None if path is None else str(path))
MODE = words({"Unsupervised": "pinn", "Supervised": "supervised"})
ACTIVATION = words({"silu": "swish"}, ("SiLU", "swish"))
LOSS = words({"Poisson": "poisson", "MAE": "mae"})
NEIGHBORS = words({"Nearest": "nearest", "Min_dist": "min_dist", "4_quadrant": "4_quadrant"})
CONTRACT = words({version: domain for domain, version in ScaleOptions.CONTRACTS.items()})
DEVICE = Translation(
    lambda name: "auto" if name == "cuda" else name,
    lambda name: "cpu" if name == "cpu" else "cuda",
    ({"const": "cuda"},),
)
