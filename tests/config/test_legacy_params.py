"""The legacy store: defaults, derived sizes, writes that are checked first, a seal that seals."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ptycho_config import LegacyDelta, update_legacy_dict
from ptycho_config.legacy import DEFAULTS, LegacyParams, SealedError, legacy_delta
from ptycho_config.schema import TrainingConfig

PUBLISHED = json.loads((Path(__file__).parent / "published_legacy.json").read_text())


def test_the_defaults_are_the_published_ones() -> None:
    """Keys, order and values."""
    assert list(DEFAULTS.items()) == list(PUBLISHED.items())


def test_sizes_are_derived_and_never_stale() -> None:
    """`bigN` follows N at once and is not stored."""
    params = LegacyParams()
    assert (params.read("bigN"), params.padding_size, params.padded_size) == (132, 14, 142)
    params.write("N", 64)
    assert params["bigN"] == params.read("bigN") == params.snapshot()["bigN"] == 68
    assert "bigN" not in params


READS: dict[str, Callable[[LegacyParams], Any]] = {
    "bigN": lambda params: params["bigN"],
    "big_n": lambda params: params.big_n,
    "padding_size": lambda params: params.padding_size,
    "padded_size": lambda params: params.padded_size,
    "check": lambda params: params.check(),
    "snapshot": lambda params: params.snapshot(),
    "read": lambda params: params.read("N"),
}


def _stored_by(read: Callable[[LegacyParams], Any]) -> dict[str, Any]:
    """What reading leaves in an empty sealed store."""
    params = LegacyParams()
    params.clear()
    params.seal()
    read(params)
    return dict(params)


@pytest.mark.parametrize("name", READS)
def test_reading_writes_nothing_past_the_seal(name: str) -> None:
    """The defaults count and are not stored."""
    assert _stored_by(READS[name]) == {}


def test_a_read_that_stores_would_be_seen() -> None:
    """The store as it is left is what the test above looks at."""
    assert _stored_by(lambda params: params.data.update(DEFAULTS)) == DEFAULTS


def test_putting_defaults_back_is_a_write() -> None:
    """The seal refuses it."""
    params = LegacyParams()
    params.clear()
    params.seal()
    with pytest.raises(SealedError, match="gridsize"):
        params.ensure_defaults()


def test_missing_keys_are_errors_unless_a_default_is_given() -> None:
    """None is a default too."""
    params = LegacyParams()
    assert params.read("nope", None) is None
    with pytest.raises(KeyError, match="nope"):
        params.read("nope")


def test_defaults_come_back_after_a_clear() -> None:
    """Reading through the store never finds it empty."""
    params = LegacyParams()
    params.clear()
    assert "N" not in params
    assert params.read("N") == 128
    assert "batch_size" in params


@pytest.mark.parametrize(("key", "value"), [("data_source", "bogus"), ("realspace_mae_weight", 0.5)])
def test_a_bad_value_is_refused_before_it_is_stored(key: str, value: Any) -> None:
    """The old value stays."""
    params = LegacyParams()
    with pytest.raises(ValueError, match=key):
        params.write(key, value)
    assert params == DEFAULTS


def _writes(params: LegacyParams) -> dict[str, Any]:
    delta = legacy_delta(TrainingConfig())
    return {
        "write": lambda: params.write("gridsize", 1),
        "item": lambda: params.__setitem__("gridsize", 1),
        "update": lambda: params.update(gridsize=1, probe=2),
        "pop": lambda: params.pop("gridsize"),
        "del": lambda: params.__delitem__("gridsize"),
        "ior": lambda: params.__ior__({"gridsize": 1}),
        "clear": params.clear,
        "delta": lambda: update_legacy_dict(params, delta),
    }


@pytest.mark.parametrize("way", _writes(LegacyParams()))
def test_a_sealed_store_refuses_every_way_of_writing(way: str) -> None:
    """Nothing changes, and unsealing allows it again."""
    params = LegacyParams()
    params.seal()
    with pytest.raises(SealedError, match=r"gridsize.*unseal"):
        _writes(params)[way]()
    assert params == DEFAULTS
    params.unseal()
    _writes(params)[way]()
    assert params != DEFAULTS


def test_what_is_found_while_running_passes_the_seal() -> None:
    """The intensity scale, the probe and the time."""
    params = LegacyParams()
    params.seal()
    for key in ("intensity_scale", "probe", "timestamp"):
        params.write(key, 1)
    assert params["probe"] == 1


def test_the_compatible_view_keeps_older_values() -> None:
    """A change without its removals writes as the replaced system did."""
    delta = LegacyDelta({"a": 1}, frozenset("b"))
    cfg = {"b": 2}
    update_legacy_dict(cfg, LegacyDelta(delta.set))
    assert cfg == {"a": 1, "b": 2}
