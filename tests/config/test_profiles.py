"""Profiles: ordinary layers, some of whose values are fixed."""

import json
from pathlib import Path
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion

from ptycho_config import (
    ConfigError,
    Sources,
    create_inference_payload,
    create_training_payload,
    diff,
    dump,
    load,
    parse,
    resolve,
)
from ptycho_config.profiles import PROFILES, RECOMMENDED, profile
from ptycho_config.schema import InferenceSetup, RectangularScaled, TrainingSetup, Unrolled


@pytest.mark.parametrize("name", [*PROFILES, None])
def test_what_a_profile_changes(name: str | None, snapshot: SnapshotAssertion) -> None:
    """Every option that differs from the schema, with the layer that set it."""
    configs, _ = create_training_payload(profile=name)
    changed = {step.path for step in diff(TrainingSetup(), configs.config).steps}
    assert {row.path: (row.value, row.layer) for row in configs.explain().rows if row.path in changed} == snapshot


FIXED = {
    "torch_loss_mode": "mae",
    "loss_function": "MAE",
    "measurement_domain": "normalized_amplitude",
    "scale_contract_version": "legacy_v1",
    "physics_forward_mode": "amplitude",
}


@pytest.mark.parametrize("name", FIXED)
def test_what_ci_fixes_cannot_be_changed(name: str) -> None:
    """Any spelling of a contract field; the error names both sides."""
    with pytest.raises(ConfigError, match=r"'profile' \(ci\) fixes it to .*, 'explicit overrides' asks for"):
        create_training_payload(profile="ci", sources=Sources(overrides={name: FIXED[name]}))


def test_what_ci_suggests_can_be_changed() -> None:
    """Its other values are defaults."""
    overrides = {"rect_s1s2_init": "ones", "rect_s1s2_trainable": False}
    configs, _ = create_training_payload(profile="ci", sources=Sources(overrides=overrides))
    assert configs.config.torch.forward == RectangularScaled(rect_s1s2_trainable=False)


def test_a_profile_can_be_a_transform_of_ones_own() -> None:
    """It enters at the place of a profile."""
    configs, _ = create_training_payload(profile=profile("unrolled"))
    assert str(configs.explain("training.nepochs")).endswith("training.nepochs: 50 -> 2 [profile] unrolled")


def test_an_unknown_profile_names_the_nearest() -> None:
    """With a hint."""
    with pytest.raises(ConfigError, match="did you mean 'unrolled'"):
        create_training_payload(profile="unrolld")


OLD = {
    "$schema": "ptycho.training/1",
    "training": {"model": {"architecture": "primed"}, "nepochs": 3},
    "torch": {"primed": {"width": 4}, "data": {"measurement_domain": "normalized_amplitude"}},
}


def test_a_config_of_the_first_version_is_read() -> None:
    """The network becomes a choice, the domain moves, nothing is lost."""
    setup = load(TrainingSetup, OLD)
    assert setup.torch.net == Unrolled(width=4, stages=3, stitched=False, start="flat")
    assert setup.torch.scale.domain == "normalized_amplitude"
    assert setup.training.nepochs == 3
    assert load(TrainingSetup, json.loads(json.dumps(dump(setup)))) == setup


def test_a_default_network_of_the_first_version_is_read() -> None:
    """Its options belonged to a network that was not chosen, so they are not kept."""
    old = {
        "$schema": "ptycho.training/1",
        "training": {"model": {"architecture": "cnn"}},
        "torch": {"primed": {"width": 4}},
    }
    assert dump(load(TrainingSetup, old)) == dump(TrainingSetup())


def test_the_legacy_view_of_an_inference(snapshot: SnapshotAssertion) -> None:
    """Every key that an inference sets or removes, and the resolved values with their layers."""
    trained = create_training_payload(profile="unrolled")[0].config
    configs, delta = create_inference_payload(Path("model"), Path("scan.npz"), trained=trained)
    assert {"set": dict(delta.set), "unset": sorted(delta.unset)} == snapshot(name="delta")
    rows = {row.path: (row.value, row.layer) for row in configs.explain().rows if row.layer != "schema defaults"}
    assert rows == snapshot(name="values")
    assert isinstance(configs.config, InferenceSetup)


def test_pictures_for_notebooks(snapshot: SnapshotAssertion) -> None:
    """The HTML of a config and of a resolved config, changed rows marked."""
    assert profile("unrolled")(TrainingSetup()).torch.net._repr_html_() == snapshot(name="config")
    made = resolve(TrainingSetup(), profile("ci"))
    rows = [row for row in made._repr_html_().split("<tr") if "<td>ci</td>" in row]
    assert rows == snapshot(name="changed rows of a resolved config")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"torch.overlap.weight": 1.0}, "cut from one object and agree"),
        ({"torch.overlap.merge_weighting": "uniform"}, "cut from one object and agree"),
        ({"torch.net.stitched": False}, "loaded and never compared"),
    ],
)
def test_a_stitched_network_has_no_patches_to_compare(change: dict[str, Any], reason: str) -> None:
    """Options about the agreement of patches are refused beside it, and asked for without it."""
    with pytest.raises(ConfigError, match=reason):
        create_training_payload(profile="unrolled", sources=Sources(overrides=change))


@pytest.mark.parametrize("name", ["cnn", "ffno", "fno", "fno_vanilla", "neuralop_uno"])
def test_another_network_has_its_own_defaults(name: str) -> None:
    """What is recommended for the unrolled network is not mixed into it, wherever it was asked for."""
    asked = [f"architecture={name}", *(["N=128"] if name == "neuralop_uno" else [])]
    flags = Sources(command_line=parse(TrainingSetup, asked))
    chosen, plain = (
        create_training_payload(profile=profile, sources=flags)[0].config for profile in (RECOMMENDED, None)
    )
    assert chosen == plain
    assert chosen.training.model.architecture == name


def test_the_recommended_profile_is_primed_where_no_other_network_is_named() -> None:
    """Also where a later layer goes back to it."""
    unrolled = create_training_payload(profile="unrolled")[0].config
    assert create_training_payload(profile=RECOMMENDED)[0].config == unrolled
    there = parse(TrainingSetup, ["architecture=fno"])
    back = parse(TrainingSetup, ["architecture=unrolled"])
    sources = Sources(config_file=there, command_line=back)
    assert create_training_payload(profile=RECOMMENDED, sources=sources)[0].config == unrolled


def test_a_former_name_still_works_and_the_trace_shows_it() -> None:
    """`primed` as a value, a choice or a profile is `unrolled`."""
    named = parse(TrainingSetup, ["architecture=primed", "torch.net.width=8"], "command line")
    configs = create_training_payload(profile=None, sources=Sources(command_line=named))[0]
    assert configs.config.torch.net == Unrolled(width=8)
    assert str(configs.explain("training.model.architecture")).endswith(
        "'cnn' -> 'unrolled' [command line] assignment 1 as 'architecture' as 'primed'"
    )
    former, present = (create_training_payload(profile=name)[0] for name in ("primed", "unrolled"))
    assert former.config == present.config
    assert str(former.explain("training.nepochs")) == "training.nepochs: 50 -> 2 [profile] unrolled as 'primed'"
