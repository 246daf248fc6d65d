"""Options that nothing reads are refused with their sentence, whoever sets them."""

from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest

from ptycho_config import (
    Amplitude,
    ConfigError,
    DataOptions,
    GroupingOptions,
    ModelConfig,
    OverlapOptions,
    PyTorchExecutionConfig,
    RecordOptions,
    RegularisationOptions,
    ScaleOptions,
    Sources,
    StageOptions,
    StitchOptions,
    TrainingConfig,
    create_training_payload,
)
from ptycho_config.schema import FieldSpec, specs
from ptycho_torch.unconsumed import UNCONSUMED, refuse_unconsumed

ROOT = Path(__file__).parents[2]


def _refused(overrides: dict[str, Any], profile: str | None = "unrolled") -> ConfigError:
    configs, _ = create_training_payload(profile=profile, sources=Sources(overrides=overrides))
    with pytest.raises(ConfigError) as caught:
        refuse_unconsumed(configs)
    return caught.value


def _another(spec: FieldSpec) -> Any:
    """An accepted value that is not the default."""
    candidates = [True, False, 2, 3, 0.25, 0.5, "another", (1,), (0.25, 0.75)]
    if get_origin(spec.annotation) is Literal:
        candidates = [*get_args(spec.annotation)]
    for value in [*candidates, "Total_Variation"]:
        try:
            accepted = spec.accept(value)
        except ValueError:
            continue
        if accepted != spec.default:
            return accepted
    raise AssertionError(f"no other value for {spec.name}")


PREFIXES = {
    ModelConfig: "training.model",
    TrainingConfig: "training",
    PyTorchExecutionConfig: "execution",
    DataOptions: "torch.data",
    ScaleOptions: "torch.scale",
    GroupingOptions: "torch.grouping",
    Amplitude: "torch.forward",
    OverlapOptions: "torch.overlap",
    RegularisationOptions: "torch.regularisation",
    StageOptions: "torch.stages",
    StitchOptions: "torch.stitch",
    RecordOptions: "torch.record",
}
# What the backend sets itself, so that the canonical default is what a person would have to ask for.
IMPLIED = {"amp_activation": "relu", "intensity_scale_trainable": True}
# Refused earlier, by a constraint of their class.
ELSEWHERE = {"realspace_mae_weight", "stage_2_epochs", "stage_3_epochs"}


@pytest.mark.parametrize(
    ("cls", "name"),
    [(cls, name) for cls in PREFIXES for name in UNCONSUMED.get(cls, ()) if name not in ELSEWHERE],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_an_option_that_nothing_reads_is_refused(cls: type, name: str) -> None:
    """Setting it ends in the sentence of the table, with the layer that asked."""
    path = f"{PREFIXES[cls]}.{name}"
    (problem,) = _refused({path: IMPLIED.get(name, _another(specs(cls)[name]))}).problems
    assert problem.path == path
    assert UNCONSUMED[cls][name] in problem.message
    assert problem.layer == "explicit overrides"


def test_every_table_is_tested() -> None:
    """Whatever class has refused options is among those above, but for the inference config."""
    assert {cls.__name__ for cls in UNCONSUMED} - {cls.__name__ for cls in PREFIXES} <= {"InferenceConfig"}


def test_the_recommended_profile_is_not_refused() -> None:
    """Nothing that the backend or the profile sets is held against the user."""
    refuse_unconsumed(create_training_payload(profile="unrolled")[0])


def test_the_page_of_open_questions_lists_every_refused_option() -> None:
    """Documentation and table agree."""
    page = (ROOT / "docs" / "open_questions.md").read_text()
    for cls, sentences in UNCONSUMED.items():
        for name, sentence in sentences.items():
            assert f"| `{cls.__name__}.{name}` | {sentence} |" in page
