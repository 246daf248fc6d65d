"""The legacy dict: a pure projection, one effect, and its inverse."""

from collections import UserDict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptycho_config import LegacyDelta, update_legacy_dict
from ptycho_config.legacy import legacy_delta, legacy_values
from ptycho_config.schema import ModelConfig, PyTorchExecutionConfig, TrainingConfig

KEYS = st.sampled_from(["a", "b", "c", "d"])


@st.composite
def deltas(draw: st.DrawFn) -> LegacyDelta:
    """Any delta over a few keys."""
    values = draw(st.dictionaries(KEYS, st.integers(0, 9)))
    return LegacyDelta(values, draw(st.frozensets(KEYS)) - values.keys())


@given(st.dictionaries(KEYS, st.integers(0, 9)), deltas())
def test_the_inverse_restores_the_dict(cfg: dict[str, int], delta: LegacyDelta) -> None:
    """Updating and undoing is doing nothing."""
    changed = dict(cfg)
    update_legacy_dict(changed, update_legacy_dict(changed, delta))
    assert changed == cfg


@given(st.dictionaries(KEYS, st.integers(0, 9)), deltas(), deltas(), deltas())
def test_deltas_are_a_monoid_that_acts_in_order(
    cfg: dict[str, int], a: LegacyDelta, b: LegacyDelta, c: LegacyDelta
) -> None:
    """Composing deltas is applying them one after the other."""
    one, both = dict(cfg), dict(cfg)
    update_legacy_dict(one, a)
    update_legacy_dict(one, b)
    update_legacy_dict(both, a >> b)
    assert one == both
    assert (a >> b) >> c == a >> (b >> c)
    assert LegacyDelta() >> a == a == a >> LegacyDelta()


def test_fields_appear_under_their_legacy_names() -> None:
    """Renamed keys are renamed, paths are text, the model is flat."""
    delta = legacy_delta(TrainingConfig(train_data_file=Path("a.npz"), model=ModelConfig(N=128, object_big=False)))
    assert delta.set["N"] == 128
    assert delta.set["object.big"] is False
    assert delta.set["train_data_file_path"] == "a.npz"
    assert delta.set["output_prefix"] == "training_outputs"
    assert "object_big" not in delta.set


def test_nothing_leaks_from_an_earlier_run() -> None:
    """A field that is None removes its key."""
    cfg: dict[str, object] = {"test_data_file_path": "old.npz", "label": "kept"}
    update_legacy_dict(cfg, legacy_delta(TrainingConfig()))
    assert "test_data_file_path" not in cfg
    assert cfg["label"] == "kept"


def test_execution_settings_have_no_legacy_form() -> None:
    """The execution config is refused by type (CONFIG-002)."""
    with pytest.raises(TypeError, match="has no legacy form"):
        legacy_delta(PyTorchExecutionConfig())  # type: ignore[arg-type]


def test_a_key_cannot_be_set_and_unset() -> None:
    """A delta that contradicts itself cannot be built."""
    with pytest.raises(ValueError, match="both set and unset: a"):
        LegacyDelta({"a": 1}, frozenset("a"))


class Checked(UserDict[str, int]):
    """A mapping that refuses a key."""

    def __setitem__(self, key: str, value: int) -> None:
        if key == "refused":
            raise ValueError("refused")
        super().__setitem__(key, value)


def test_a_mapping_that_refuses_a_key_is_as_it_was() -> None:
    """All or nothing, whatever the mapping does with what it is given."""
    cfg = Checked({"a": 1, "b": 2})
    with pytest.raises(ValueError, match="refused"):
        update_legacy_dict(cfg, LegacyDelta({"a": 5, "c": 6, "refused": 7}, frozenset({"b"})))
    assert dict(cfg) == {"a": 1, "b": 2}


def test_the_values_of_a_failed_run_are_taken_back() -> None:
    """Those of one that succeeds stay."""
    cfg = {"a": 1}
    with pytest.raises(KeyboardInterrupt), legacy_values(cfg, LegacyDelta({"a": 2, "b": 3})):
        raise KeyboardInterrupt
    assert cfg == {"a": 1}
    with legacy_values(cfg, LegacyDelta({"b": 3}, frozenset({"a"}))):
        pass
    assert cfg == {"b": 3}
