"""An option that is given counts, also where its value is the default's: every way in which options are given."""

import copy
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from ptycho_config import Sources, create_training_payload, parse
from ptycho_config.factory import put_given
from ptycho_config.schema import ModelConfig, PyTorchExecutionConfig, TrainingConfig, TrainingSetup
from ptycho_config.schema.given import given_names
from ptycho_config.schema.replace import replace
from ptycho_config.schema.specs import specs

DEFAULT = specs(PyTorchExecutionConfig)["learning_rate"].default
WAYS = {
    "flag or --set": Sources(command_line=parse(TrainingSetup, [f"learning_rate={DEFAULT}"])),
    "mapping": Sources(overrides={"execution.learning_rate": DEFAULT}),
    "config file": Sources(config_file=parse(TrainingSetup, {"execution": {"learning_rate": DEFAULT}})),
    "execution config": Sources(execution=PyTorchExecutionConfig(learning_rate=DEFAULT)),
    "changed copy": Sources(execution=attrs.evolve(PyTorchExecutionConfig(), learning_rate=DEFAULT)),
}


@pytest.mark.parametrize("sources", WAYS.values(), ids=WAYS.keys())
def test_the_value_of_the_default_counts_over_the_profile(sources: Sources) -> None:
    """The profile has another learning rate; the one that is given is used, and the trace says so."""
    plain, _ = create_training_payload(profile="unrolled")
    given, _ = create_training_payload(profile="unrolled", sources=sources)
    assert plain.config.execution.learning_rate != DEFAULT
    assert given.config.execution.learning_rate == DEFAULT


def test_what_an_execution_config_was_not_given_is_left_to_the_layers_below() -> None:
    """Naming a device does not take the learning rate of the profile back."""
    sources = Sources(execution=PyTorchExecutionConfig(accelerator="cpu"))
    made, _ = create_training_payload(profile="unrolled", sources=sources)
    assert made.config.execution.learning_rate == 4e-3
    assert made.config.execution.accelerator == "cpu"


def test_a_replaced_copy_was_given_its_changes_too() -> None:
    """And nothing else."""
    made = replace(PyTorchExecutionConfig, PyTorchExecutionConfig(accelerator="cpu"), learning_rate=DEFAULT)
    assert given_names(made) == {"accelerator", "learning_rate"}


@pytest.mark.parametrize("name", specs(PyTorchExecutionConfig))
def test_every_execution_option_is_given_by_its_default_too(name: str) -> None:
    """One step for what is named, and no other."""
    default = specs(PyTorchExecutionConfig)[name].default
    made = put_given(PyTorchExecutionConfig(**{name: default}), "execution")
    assert [(step.path, step.arg) for step in made.steps] == [(f"execution.{name}", default)]


def test_groups_below_are_asked_for_what_they_were_given() -> None:
    """A group that is given brings its own options and not the others."""
    steps = put_given(TrainingConfig(neighbor_count=4, model=ModelConfig(N=64)), "training").steps
    assert {step.path: step.arg for step in steps} == {"training.model.N": 64, "training.neighbor_count": 4}


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_copy_was_given_the_same(copied: Callable[[Any], Any]) -> None:
    """By the protocol that also carries a config to another process; equality asks for the values alone."""
    made = PyTorchExecutionConfig(learning_rate=DEFAULT)
    assert given_names(copied(made)) == {"learning_rate"}
    assert copied(made) == made == PyTorchExecutionConfig()
    assert hash(made) == hash(PyTorchExecutionConfig())
