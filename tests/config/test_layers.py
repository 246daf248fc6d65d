"""Layers by name: the declared orders are walked, complete, and stand in one place."""

import ast
from itertools import permutations
from pathlib import Path

import pytest

from ptycho_config import (
    ConfigError,
    Sources,
    at,
    create_inference_payload,
    create_training_payload,
    fields,
    layer,
    parse,
    resolve,
)
from ptycho_config.facts import DatasetFacts
from ptycho_config.layers import BASE, INFERENCE, TRAINING, Layer
from ptycho_config.schema import PyTorchExecutionConfig, TrainingSetup

ROOT = Path(__file__).parents[2]
EPOCHS = at(fields(TrainingSetup).training.nepochs)
FACTS = DatasetFacts(name="scan.npz", n_patterns=9, n_pixels=64, probe_modes=1, nphotons=2e5)


def _sources() -> Sources:
    """Every layer that users provide, under names of their own where they can have one."""
    given = parse(TrainingSetup, {"execution.middle_trim": 2}, "inner name")
    return Sources(
        client=given,
        config_file=given,
        execution=PyTorchExecutionConfig(middle_trim=3),
        command_line=given,
        overrides=given,
    )


def test_a_trace_shows_declared_layers_in_their_order() -> None:
    """All of them, for either factory, and no other."""
    training, _ = create_training_payload(profile="unrolled", facts=FACTS, sources=_sources())
    inference, _ = create_inference_payload(
        Path("m"), Path("t.npz"), trained=training.config, facts=FACTS, sources=_sources()
    )
    for resolved, order in ((training, TRAINING), (inference, INFERENCE)):
        assert (BASE, *(one.name for one in resolved.layers)) == order
        assert list(dict.fromkeys(change.layer for change in resolved.explain().changes)) == [*order[1:]]


def test_layers_may_be_given_in_any_order() -> None:
    """The declared one counts."""
    given = [Layer("low", EPOCHS.put(1)), Layer("middle", EPOCHS.put(2)), Layer("high", EPOCHS.put(3))]
    order = ("low", "middle", "high")
    made = {resolve(TrainingSetup(), *some, order=order).layers for some in permutations(given)}
    assert made == {tuple(given)}


def test_a_layer_without_a_place_is_an_error() -> None:
    """Named, with those that there are."""
    with pytest.raises(ConfigError, match=r"no layer 'notebook'.*there is schema defaults, pytorch backend"):
        resolve(TrainingSetup(), layer("notebook", EPOCHS.put(1)), order=TRAINING)


def test_another_name_of_a_step_is_kept_in_its_place() -> None:
    """As the profile's name is."""
    study = layer("study 3", EPOCHS.put(7))
    configs, _ = create_training_payload(profile="ci", sources=Sources(overrides=study))
    explained = str(configs.explain(EPOCHS))
    assert explained.startswith("training.nepochs: 50 -> 7 [explicit overrides] study 3 test_layers.py:")
    assert str(configs.explain("torch.scale.domain")).endswith("[profile] ci")


def test_one_argument_can_hold_two_layers() -> None:
    """They do not contradict each other; within one layer they would."""
    both = layer("a", EPOCHS.put(1)) >> layer("b", EPOCHS.put(2))
    assert resolve(TrainingSetup(), both).config.training.nepochs == 2
    with pytest.raises(ConfigError, match="in the same layer"):
        resolve(TrainingSetup(), layer("a", EPOCHS.put(1)), layer("a", EPOCHS.put(2)))


def _layer_names(text: str) -> set[str]:
    """Names of layers that a module spells out; those of one word mean other things too."""
    spelled = {node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)}
    return {name for name in (*TRAINING, *INFERENCE) if " " in name and name in spelled}


def test_the_names_stand_in_one_place() -> None:
    """No other module writes a name of a layer, let alone an order of them."""
    modules = [path for name in ("ptycho_config", "ptycho_torch") for path in (ROOT / name).rglob("*.py")]
    spelled = {path.name: names for path in modules if (names := _layer_names(path.read_text()))}
    assert spelled.keys() == {"layers.py"}
