"""Fields: strict values, messages that name the fix, and the published defaults."""

import json
from pathlib import Path

import attrs
import pytest
from syrupy.assertion import SnapshotAssertion

from ptycho_config import ConfigError, config, field
from ptycho_config.schema import (
    InferenceConfig,
    InferenceSetup,
    ModelConfig,
    PyTorchExecutionConfig,
    TrainingConfig,
    TrainingSetup,
)
from ptycho_config.schema.paths import leaves
from ptycho_config.schema.replace import replace


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"N": 15, "architecture": "unrolled"}, "must be 16 or greater, got 15"),
        ({"N": 64.0}, "must be an integer, got 64.0"),
        ({"N": 63}, "the network 'cnn' takes patterns of 64, 128 or 256 px, got 63"),
        ({"gridsize": True}, "must be an integer, got True"),
        ({"gridsize": 10**400}, "must be an integer of at most 64 bits"),
        ({"gridsize": 4}, "must lie between 1 and 3, got 4"),
        ({"probe_scale": float("nan")}, "must be a finite number, got nan"),
        ({"probe_scale": 0}, "must be greater than 0, got 0"),
        ({"probe_mask": 1}, "must be true or false, got 1"),
        ({"probe_mask_diameter": "4"}, "must be a finite number or null, got '4'"),
        ({"architecture": "resnet"}, "must be one of 'cnn', 'ffno'"),
    ],
)
def test_a_wrong_value_is_refused_with_its_reason(changes: dict[str, object], reason: str) -> None:
    """The error names the field, the rule and the value."""
    with pytest.raises(ConfigError) as caught:
        ModelConfig(**changes)
    (problem,) = caught.value.problems
    assert problem.path == next(iter(changes))
    assert reason in problem.message


@pytest.mark.parametrize("architecture", ["cnn", "ffno", "fno", "fno_vanilla", "neuralop_uno"])
def test_sizes_that_a_network_does_not_take_are_refused_with_what_does(architecture: str) -> None:
    """All but the unrolled network keep the sizes of the replaced system; the message says what to do."""
    with pytest.raises(ConfigError, match="set architecture=unrolled, which takes every size, crop or bin"):
        ModelConfig(architecture=architecture, N=96)  # type: ignore[arg-type] # a Literal
    assert ModelConfig(architecture="unrolled", N=96).N == 96


def test_numbers_have_one_form() -> None:
    """Equal configs have equal JSON: floats store floats and there is no negative zero."""
    made = ModelConfig(probe_scale=2, gaussian_smoothing_sigma=-0.0)
    assert json.dumps([made.probe_scale, made.gaussian_smoothing_sigma]) == "[2.0, 0.0]"


def test_paths_may_be_text() -> None:
    """A path given as text is a Path."""
    assert TrainingConfig(train_data_file="a.npz").train_data_file == Path("a.npz")  # type: ignore[arg-type]


def test_configs_cannot_be_changed() -> None:
    """Writing to a field is an error."""
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        ModelConfig().N = 128  # type: ignore[misc]


def test_fields_that_contradict_each_other_are_refused() -> None:
    """A constraint names the field and the fix."""
    with pytest.raises(ConfigError, match="needs loader processes"):
        PyTorchExecutionConfig(persistent_workers=True)
    with pytest.raises(ConfigError, match="realspace_weight"):
        TrainingConfig(realspace_mae_weight=0.5)


def test_a_config_class_holds_no_arrays_and_no_undocumented_fields() -> None:
    """What cannot be serialised or explained cannot be declared."""
    with pytest.raises(TypeError, match="cannot be a config field"):

        @config
        class _WithList:
            values: list[int] = field(default=(), doc="no")

    with pytest.raises(TypeError, match=r"field\(doc=...\)"):

        @config
        class _Undocumented:
            value: int = 3


PUBLISHED = json.loads((Path(__file__).parent / "published_fields.json").read_text())


@pytest.mark.parametrize(
    "cls", [ModelConfig, TrainingConfig, InferenceConfig, PyTorchExecutionConfig], ids=lambda cls: cls.__name__
)
def test_every_published_field_exists_with_its_default(cls: type) -> None:
    """Names, order and defaults are those of the system this one replaces."""
    ours = {
        a.name: str(a.default) if isinstance(a.default, Path) else a.default
        for a in attrs.fields(cls)
        if a.name != "model"
    }
    required = {name: None if value is attrs.NOTHING else value for name, value in ours.items()}
    assert list(required.items()) == list(PUBLISHED[cls.__name__].items())


def test_the_schema_changes_only_on_purpose(snapshot: SnapshotAssertion) -> None:
    """Path, type, default, unit and doc of every option."""
    table = {
        f"{cls.SCHEMA} {path}": f"{spec.type_name} = {spec.default!r} {spec.unit}".strip()
        for cls in (TrainingSetup, InferenceSetup)
        for path, spec in leaves(cls)
    }
    assert table == snapshot


def test_replace_gives_a_checked_copy_of_the_same_class() -> None:
    """Other fields stay; a refused value, a field that is not there and another class are errors."""
    model = ModelConfig(N=128)
    assert replace(ModelConfig, model, gridsize=2) == ModelConfig(N=128, gridsize=2)
    with pytest.raises(ConfigError, match="N: must be"):
        replace(ModelConfig, model, N=-1)
    with pytest.raises(ConfigError, match=r"gridsze: unknown field   did you mean 'gridsize'"):
        replace(ModelConfig, model, gridsze=2)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="give the class of the config"):
        replace(TrainingConfig, model)  # type: ignore[misc]
