"""What the schema states of each option: what an inference makes of it, what a resumed training may
change, and that options without a reader are refused."""

from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import attrs
import pytest

from ptycho_config import (
    ConfigError,
    Resolved,
    Sources,
    Transform,
    at,
    config,
    create_inference_payload,
    create_training_payload,
    field,
    fields,
    fingerprint,
)
from ptycho_config.policy import is_settable, refuse_unread, resumable_options
from ptycho_config.schema import InferenceSetup, TrainingSetup
from ptycho_config.schema.fields import FieldSpec
from ptycho_config.schema.paths import get_path, leaves
from ptycho_config.schema.specs import specs
from ptycho_config.short_names import vocabulary_of
from ptycho_config.steps import Step

ROOT = Path(__file__).parents[2]
TRAINING, INFERENCE = dict(leaves(TrainingSetup)), dict(leaves(InferenceSetup))


def _without_policy(root: type) -> list[str]:
    return [path for path, spec in leaves(root) if spec.inference is None]


@pytest.mark.parametrize("root", [TrainingSetup, InferenceSetup])
def test_every_option_has_a_policy(root: type) -> None:
    """Its own, or that of the nearest group above it."""
    assert _without_policy(root) == []


def test_an_option_without_a_policy_would_be_seen() -> None:
    """A group hands its policy down, an option that has none is named."""

    @config
    class _Leaf:
        a: int = field(default=1, doc="a")
        b: int = field(default=1, inference="own", doc="b")

    @config
    class _Root:
        stated: _Leaf = field(default=_Leaf(), inference="fixed", resumable=True, doc="stated")
        open: _Leaf = field(default=_Leaf(), doc="open")

    assert _without_policy(_Root) == ["open.a"]
    policies = {path: (spec.inference, spec.resumable) for path, spec in leaves(_Root)}
    assert policies["stated.a"] == ("fixed", True)
    assert policies["stated.b"] == ("own", True)


@pytest.mark.parametrize("root", [TrainingSetup, InferenceSetup])
def test_a_choice_states_it_for_all_its_members(root: type) -> None:
    """It is carried as a whole, so what a member stated for itself would be lost."""
    members = [m for _, spec in leaves(root) for m in spec.members.values()]
    assert not [name for member in members for name, spec in specs(member).items() if spec.inference]


def _another(spec: FieldSpec) -> Any:
    """An accepted value that is not the default."""
    candidates: list[Any] = [True, False, 2, 3, 0.25, 0.5, "another", "uniform", (1,), (0.25, 0.75), ("probe",)]
    candidates += ["Total_Variation", None]
    if get_origin(spec.annotation) is Literal:
        candidates = [*get_args(spec.annotation)]
    for value in candidates:
        try:
            accepted = spec.accept(value)
        except ValueError:
            continue
        if accepted != spec.default:
            return accepted
    raise AssertionError(f"no other value for {spec.name}")


# Both can have another value in a training of a cnn, and be asked for by an inference.
BASE = create_training_payload(profile=None)[0].config
SHARED = {
    path: path.replace("inference.", "training.", 1)
    for path, spec in INFERENCE.items()
    if path.replace("inference.", "training.", 1) in TRAINING
    and not spec.members
    and not path.startswith(("torch.net.", "torch.forward.", "torch.grouping.neighbors."))
}
# Tied to other options by a constraint, so they cannot change alone; `backend` is this one always.
TIED = {
    *("inference.model.N", "inference.model.architecture", "inference.backend", "torch.labels.loss"),
    *("execution.persistent_workers", "execution.prefetch_factor", "torch.refine.refine_probe"),
    *("torch.refine.refine_positions", "torch.stages.stage_2_epochs", "torch.stages.stage_3_epochs"),
    *("torch.stages.stage_1_epochs", "torch.overlap.partners", "torch.overlap.weight"),
    "inference.model.gridsize",
}


def _infer(trained: TrainingSetup, overrides: dict[str, Any]) -> Resolved[InferenceSetup]:
    sources = Sources(overrides=overrides)
    return create_inference_payload(Path("m"), Path("t.npz"), trained=trained, sources=sources)[0]


@pytest.mark.parametrize("path", sorted(SHARED.keys() - TIED - vocabulary_of(InferenceSetup).moved.keys()))
def test_what_an_inference_makes_of_a_trained_value(path: str) -> None:
    """Fixed: the bundle's, and nothing else. Suggested: the bundle's, and others. Ignored and own: not
    the bundle's."""
    spec, value = INFERENCE[path], _another(TRAINING[SHARED[path]])
    trained = Transform((Step(SHARED[path], "put", value),))(BASE)
    found = get_path(_infer(trained, {}).config, path)
    if path == "execution.inference_batch_size":
        assert get_path(_infer(BASE, {}).config, path) == BASE.training.batch_size
    assert (found == value) == (spec.inference in ("fixed", "suggested"))
    if spec.inference == "fixed":
        with pytest.raises(ConfigError, match=r"'bundle' \(m\) fixes it to"):
            _infer(trained, {path: spec.default})
        return
    asked = _infer(BASE, {path: value})
    assert get_path(asked.config, path) == value
    if spec.unread or spec.inference == "ignored":
        with pytest.raises(ConfigError, match="would have no effect") as caught:
            refuse_unread(asked)
        assert [(problem.path, problem.layer) for problem in caught.value.problems] == [(path, "explicit overrides")]
        assert not is_settable(InferenceSetup, path)
    else:
        refuse_unread(asked)
        assert is_settable(InferenceSetup, path)


UNREAD = {path for path, spec in TRAINING.items() if spec.unread}


@pytest.mark.parametrize("path", sorted(UNREAD - vocabulary_of(TrainingSetup).moved.keys()))
def test_an_option_that_nothing_reads_is_refused(path: str) -> None:
    """Setting it ends in the sentence of its field, with the layer that asked."""
    asked = {path: _another(TRAINING[path])}
    if path == "training.realspace_mae_weight":
        asked["training.realspace_weight"] = 0.5
    configs, _ = create_training_payload(profile="unrolled", sources=Sources(overrides=asked))
    with pytest.raises(ConfigError) as caught:
        refuse_unread(configs)
    problem = next(problem for problem in caught.value.problems if problem.path == path)
    assert TRAINING[path].unread in problem.message
    assert problem.layer == "explicit overrides"


def test_the_recommended_profile_is_not_refused() -> None:
    """Nothing that the backend or the profile sets is held against the user."""
    refuse_unread(create_training_payload(profile="unrolled")[0])


def test_a_learned_probe_fixes_the_size_and_an_unrolled_network_suggests_it() -> None:
    """The rule that is no loop: the same option, by what was trained."""
    unrolled = create_training_payload(profile="unrolled")[0].config
    learned = at(fields(TrainingSetup).training.probe_trainable).put(True)
    assert _infer(unrolled, {"inference.model.N": 96}).config.inference.model.N == 96
    with pytest.raises(ConfigError, match="fixes it to 64"):
        _infer(learned(unrolled), {"inference.model.N": 96})


def test_the_neighbour_rule_comes_with_the_bundle() -> None:
    """With its options, and another can be asked for; the part of the scan that was trained on does not."""
    rule = {"architecture": "cnn", "gridsize": 2, "torch.grouping.neighbors": "4_quadrant"}
    more = {"torch.grouping.neighbors.K_quadrant": 12, "torch.grouping.x_bounds": (0.0, 0.5)}
    trained = create_training_payload(sources=Sources(overrides={**rule, **more}))[0].config
    carried = _infer(trained, {})
    assert carried.config.torch.grouping == attrs.evolve(
        trained.torch.grouping, x_bounds=(0.0, 1.0), groups_per_centre=1
    )
    assert str(carried.explain("torch.grouping.neighbors")) == (
        "torch.grouping.neighbors: 'nearest' -> '4_quadrant' [bundle] m"
    )
    refuse_unread(_infer(trained, {"torch.grouping.neighbors": "nearest"}))
    with pytest.raises(ConfigError, match="so gridsize is 2, not 1"):
        _infer(BASE, {"torch.grouping.neighbors": "4_quadrant"})


def test_a_checkpoint_agrees_in_all_but_the_resumable_options() -> None:
    """Length of the training and use of the machine; not what changes the steps themselves."""
    steps = {"execution.learning_rate", "execution.accum_steps", "execution.precision"}
    machine = {path for path in TRAINING if path.startswith("execution.")}
    assert resumable_options() == machine - steps | {"training.nepochs"}

    def identity(path: str, value: Any) -> str:
        return fingerprint(Transform((Step(path, "put", value),))(BASE), without=resumable_options())

    plain = fingerprint(BASE, without=resumable_options())
    assert identity("training.nepochs", 99) == identity("execution.num_workers", 3) == plain
    assert plain not in (identity("execution.accum_steps", 2), identity("training.batch_size", 2))
