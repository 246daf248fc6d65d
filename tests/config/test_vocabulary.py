"""Foreign spellings: the flat classes in both directions, and short names of options."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptycho_config import ConfigError, parse, resolve
from ptycho_config.schema import Cnn, Fno, InferenceSetup, MinDistance, RefineOptions, TrainingSetup
from ptycho_config.schema.paths import leaves
from ptycho_config.vocabulary import (
    FLAT_CLASSES,
    DataConfig,
    FlatConfigs,
    FlatInferenceConfig,
    FlatModelConfig,
    FlatTrainingConfig,
    aliases,
    destinations,
    from_flat,
    paths_of,
    to_flat,
)
from ptycho_config.vocabulary.translation import words

KNOWN = dict(leaves(TrainingSetup))


@st.composite
def flats(draw: st.DrawFn) -> FlatConfigs:
    """Flat objects that can be meant, over fields of every kind of translation."""
    side = draw(st.integers(1, 2))
    unrolled = draw(st.booleans())
    rule = draw(st.sampled_from(["Nearest", "Min_dist"]))
    loss = draw(st.sampled_from(["Poisson", "MAE"]))
    data = DataConfig(
        N=draw(st.integers(16, 512) if unrolled else st.sampled_from([64, 128])),
        C=side**2,
        grid_size=(side, side),
        K=draw(st.integers(4, 9)),
        nphotons=draw(st.floats(1.0, 1e9)),
        scale_contract_version="legacy_v1",
        measurement_domain="normalized_amplitude",
        neighbor_function=rule,
        max_neighbor_distance=draw(st.floats(1.0, 9.0)) if rule == "Min_dist" else 3.0,
    )
    model = FlatModelConfig(
        mode=draw(st.sampled_from(["Unsupervised", "Supervised"])),
        amp_activation=draw(st.sampled_from(["silu", "sigmoid"])),
        C_model=side**2,
        C_forward=side**2,
        architecture="unrolled" if unrolled else "cnn",
        training_patch_weighting="probe" if unrolled else "central_mask",
        batch_norm=not unrolled and draw(st.booleans()),
        loss_function=loss,
    )
    training = FlatTrainingConfig(
        epochs=draw(st.integers(1, 99)),
        nll=draw(st.booleans()),
        device=draw(st.sampled_from(["cpu", "cuda"])),
        torch_loss_mode="poisson" if loss == "Poisson" else "mae",
        train_data_file=draw(st.none() | st.just("a.npz")),
    )
    inference = FlatInferenceConfig(middle_trim=draw(st.integers(0, min(data.N, 40))))
    return FlatConfigs(data, model, training, inference)


@given(flats())
def test_what_is_lifted_is_shown_again(given_flats: FlatConfigs) -> None:
    """Flat to setup and back is the identity, whatever is set."""
    setup = resolve(TrainingSetup(), from_flat(TrainingSetup, *given_flats)).config
    assert to_flat(setup) == given_flats


def test_a_wrong_translation_would_be_seen() -> None:
    """A word that is read as one and written as another does not survive the round trip."""
    broken = words({"Unsupervised": "pinn", "supervised!": "supervised"}, ("Supervised", "supervised"))
    assert broken.write(broken.read("Supervised")) != "Supervised"


@pytest.mark.parametrize("cls", FLAT_CLASSES)
def test_every_flat_field_has_a_place_or_a_reason(cls: type) -> None:
    """Places exist in one of the setups; what has none says why."""
    for name, place in destinations(cls).items():
        paths = {path for root in (TrainingSetup, InferenceSetup) for path in paths_of(place, root)}
        assert paths or len(place.gone) > 10, name
        assert not paths or paths & (KNOWN.keys() | dict(leaves(InferenceSetup)).keys()), name


def test_defaults_are_lifted_too() -> None:
    """A flat object means all that it holds, where the schema's own default differs as well."""
    setup = resolve(TrainingSetup(), from_flat(TrainingSetup, DataConfig(), FlatModelConfig())).config
    assert setup.training.neighbor_count == 6
    assert setup.training.model.gridsize == 2
    assert setup.torch.grouping.groups_per_centre == 7


GONE: dict[str, tuple[Any, str]] = {
    "channels": (DataConfig(C=9), "follows from gridsize"),
    "framework": (FlatTrainingConfig(framework="Default"), "one route"),
    "folders": (FlatTrainingConfig(training_directories=["a"]), "give a folder"),
    "not square": (DataConfig(grid_size=(2, 3), C=6), "must be equal"),
}


@pytest.mark.parametrize("name", GONE)
def test_a_field_without_a_place_is_refused_when_set(name: str) -> None:
    """Never ignored."""
    flat, sentence = GONE[name]
    with pytest.raises(ConfigError, match=sentence):
        from_flat(TrainingSetup, flat)


def test_fields_that_contradict_each_other_are_a_conflict() -> None:
    """Two flat fields for one option, both set: the error names both values."""
    both = (FlatModelConfig(loss_function="MAE"), FlatTrainingConfig(torch_loss_mode="poisson"))
    assert resolve(TrainingSetup(), from_flat(TrainingSetup, *both)).config.training.torch_loss_mode == "mae"
    data = DataConfig(scale_contract_version="legacy_v1", measurement_domain="normalized_amplitude")
    scale = resolve(TrainingSetup(), from_flat(TrainingSetup, data)).config.torch.scale
    assert scale.domain == "normalized_amplitude"
    with pytest.raises(ConfigError, match=r"set to 2.*and to 3"):
        resolve(TrainingSetup(), parse(TrainingSetup, {"gridsize": 2, "grid_size": (3, 3)}, "notes"))


@pytest.mark.parametrize("root", [TrainingSetup, InferenceSetup])
def test_every_short_name_means_an_option(root: type) -> None:
    """No name leads nowhere; what is gone says why."""
    known = dict(leaves(root))
    for name, alias in aliases(root).items():
        assert alias.gone or alias.paths, name
        assert set(alias.paths) <= known.keys(), name


SPELLINGS = {
    "K": ("training.neighbor_count", 7, 7),
    "neighbor_count": ("training.neighbor_count", 7, 7),
    "max_epochs": ("training.nepochs", 3, 3),
    "seed": ("training.subsample_seed", 3, 3),
    "epochs": ("training.nepochs", 3, 3),
    "nepochs": ("training.nepochs", 3, 3),
    "mode": ("training.model.model_type", "Supervised", "supervised"),
    "model_type": ("training.model.model_type", "Supervised", "supervised"),
    "amp_activation": ("training.model.amp_activation", "SiLU", "swish"),
    "grid_size": ("training.model.gridsize", (2, 2), 2),
    "loss_function": ("training.torch_loss_mode", "MAE", "mae"),
    "scale_contract_version": ("torch.scale.domain", "legacy_v1", "normalized_amplitude"),
    "nll": ("training.nll_weight", False, 0.0),
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_the_trace_says_which_spelling_was_used(name: str) -> None:
    """Canonical and torch names arrive at one option, with the name that was written."""
    path, value, ours = SPELLINGS[name]
    resolved = resolve(TrainingSetup(), parse(TrainingSetup, {name: value}, "notes"))
    assert resolved.explain(path).changes[-1].new == ours
    assert str(resolved.explain(path)).endswith(f"[notes] as '{name}'")


def test_one_name_can_set_what_belongs_together() -> None:
    """The architecture and the network; the order of the entries does not matter."""
    written = parse(TrainingSetup, {"batch_norm": True, "architecture": "cnn"}, "notes")
    assert resolve(TrainingSetup(), written).config.torch.net == Cnn(batch_norm=True)
    rule = parse(TrainingSetup, {"max_neighbor_distance": 5, "neighbor_function": "Min_dist"}, "notes")
    expected = MinDistance(max_neighbor_distance=5.0)
    assert resolve(TrainingSetup(), rule).config.torch.grouping.neighbors == expected


def test_short_names_work_on_a_command_line() -> None:
    """Text is read as the option wants it, in the foreign spelling too."""
    made = parse(TrainingSetup, ["architecture=fno", "nphotons=1e6", "mode=Unsupervised", "N=128"])
    config = resolve(TrainingSetup(), made).config
    assert (config.training.nphotons, config.training.model.N) == (1e6, 128)
    assert config.torch.net == Fno()
    assert config.training.model.architecture == "fno"


@pytest.mark.parametrize(
    ("given_names", "message"),
    [
        ({"C": 4}, "follows from gridsize"),
        ({"edge_pad": 3}, "had no effect"),
        ({"grid_size": (2, 3)}, "both sides of the grid must be equal"),
        ({"batchsize": 3}, "did you mean 'training.batch_size'"),
        ({"training.model.model_type": "Supervised"}, "must be one of 'pinn', 'supervised'"),
    ],
)
def test_a_name_that_cannot_be_meant_is_an_error(given_names: dict[str, Any], message: str) -> None:
    """With the reason or the nearest name; full paths take canonical values only."""
    with pytest.raises(ConfigError, match=message):
        resolve(TrainingSetup(), parse(TrainingSetup, given_names, "notes"))


@pytest.mark.parametrize(
    ("root", "given", "hint"),
    [
        (InferenceSetup, "nepochs=3", "it belongs to training (training.nepochs)"),
        (InferenceSetup, "max_epochs=3", "it belongs to training (training.nepochs)"),
        (InferenceSetup, "training.nepochs=3", "it belongs to training (training.nepochs)"),
        (TrainingSetup, "model_path=out", "it belongs to inference (inference.model_path)"),
        (InferenceSetup, "training.n_groups=3", "did you mean 'inference.n_groups'?"),
        (InferenceSetup, "nepoch=3", ""),
        (RefineOptions, "nepochs=3", ""),
    ],
)
def test_an_option_of_the_other_run_is_said_to_be_one(root: type, given: str, hint: str) -> None:
    """Where the name is known there and not here; a misspelled one is not."""
    with pytest.raises(ConfigError) as caught:
        parse(root, [given])
    (problem,) = caught.value.problems
    assert (problem.message, problem.hint) == ("unknown field", hint)
