"""The JSON Schema that editors use says what the reader says."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptycho_config import ConfigError, dump, parse
from ptycho_config.json_schema import json_schema
from ptycho_config.schema import TrainingSetup
from ptycho_config.vocabulary import aliases
from tests.beamline.run import Run
from tests.strategies.configs import VALUES


@cache
def _validator(cls: type) -> Any:
    schema = json_schema(cls)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(json.loads(json.dumps(schema)))


def _is_valid(cls: type, data: Any) -> bool:
    return not [error.message for error in _validator(cls).iter_errors(data)]


@st.composite
def _documents(draw: st.DrawFn) -> dict[str, Any]:
    """Options of random values, each nested to a random depth and dotted below, or under its short name."""
    found: dict[str, Any] = {}
    for path in draw(st.lists(st.sampled_from(sorted(VALUES)), unique=True, max_size=6)):
        value = json.loads(json.dumps(draw(VALUES[path]), default=str))
        names = [name for name, alias in aliases(TrainingSetup).items() if alias.paths == (path,)]
        if names and draw(st.booleans()):
            found[draw(st.sampled_from(names))] = value
            continue
        *groups, last = path.split(".")
        depth, place = draw(st.integers(0, len(groups))), found
        for group in groups[:depth]:
            place = place.setdefault(group, {})
        if isinstance(place, dict):
            place[".".join([*groups[depth:], last])] = value
    return found


@given(_documents())
def test_what_the_reader_accepts_is_valid(data: dict[str, Any]) -> None:
    """Partial, nested and dotted, under other names."""
    try:
        parse(TrainingSetup, data)(TrainingSetup())
    except ConfigError:
        return
    assert _is_valid(TrainingSetup, data)


ACCEPTED: dict[str, tuple[type, dict[str, Any]]] = {
    "nothing": (TrainingSetup, {}),
    "everything": (TrainingSetup, dump(TrainingSetup())),
    "an address": (TrainingSetup, {"$schema": "./training.schema.json", "schema": "ptycho.training/5"}),
    "an older version": (TrainingSetup, {"schema": "ptycho.training/1", "torch": {"primed": {"width": 32}}}),
    "the version where it stood": (TrainingSetup, {"$schema": "ptycho.training/3"}),
    "a kind": (TrainingSetup, {"torch": {"net": "unrolled"}}),
    "a member": (TrainingSetup, {"torch.net": {"kind": "unrolled", "width": 32}}),
    "an option of the present member": (TrainingSetup, {"torch": {"forward": {"kind": "rectangular_scaled"}}}),
    "a demanded kind": (TrainingSetup, {"torch.net:unrolled.width": 32, "torch": {"net": "unrolled"}}),
    "a foreign value": (TrainingSetup, {"mode": "Unsupervised", "grid_size": [2, 2], "neighbor_count": 40}),
    "a foreign table": (TrainingSetup, {"data_config": {"K": 6}, "model": {"N": 64}, "sampling.n_groups": 3}),
    "a former value": (TrainingSetup, {"torch.net": "unrolled", "training.model.architecture": "primed"}),
    "a number as text": (TrainingSetup, {"torch.record.notes": 5}),
    "all kinds of places": (Run, {"window": {"top": 5}, "limits": {"fine": {}}, "stages": [{"name": "a"}]}),
    "a group that is off": (Run, {"window": None, "limits": "limits", "weights": {"mae": 1}}),
    "elements": (Run, {"stages.0.steps": 3, "weights.mae": 2, "scan:scan.darks.0": "a"}),
    "members of equal name": (Run, {"detector": {"$kind": "counting", "kind": "merlin"}, "scan": {"angles": 3}}),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_document_is_valid(name: str) -> None:
    """What the reader accepts, in each of its forms."""
    cls, data = ACCEPTED[name]
    text = json.loads(json.dumps(data))
    assert list(_validator(cls).iter_errors(text)) == []
    if name != "a number as text":
        parse(cls, text)


def test_text_without_quotes_is_valid(tmp_path: Path) -> None:
    """As YAML reads it."""
    (tmp_path / "a.yaml").write_text("torch.record.notes: 5\n")
    assert [step.arg for step in parse(TrainingSetup, tmp_path / "a.yaml").steps] == ["5"]


def test_each_option_is_described() -> None:
    """With unit, default and range, and with the sentence of one that nothing reads."""
    described = json_schema(TrainingSetup)["$defs"]
    stage = json_schema(Run)["$defs"]["tests.beamline.run.Stage.steps of an element"]
    assert stage == {"description": "how often it runs", "default": 1, "type": "integer", "exclusiveMinimum": 0}
    assert described["ptycho_config.schema.model.ModelConfig.N"]["description"].endswith("(px)")
    assert described["ptycho_config.schema.training.TrainingConfig.n_images"]["deprecated"] is True


REFUSED: list[tuple[type, dict[str, Any]]] = [
    (TrainingSetup, {"training": {"nepochs": 0}}),
    (TrainingSetup, {"training.nepochs": "3"}),
    (TrainingSetup, {"nepochs": 0}),
    (TrainingSetup, {"torch": {"data": {"validation_fraction": 1}}}),
    (TrainingSetup, {"training": {"model": {"gridsize": 4}}}),
    (TrainingSetup, {"training": {"nepochz": 3}}),
    (TrainingSetup, {"training": 3}),
    (TrainingSetup, {"schema": "ptycho.training/99"}),
    (TrainingSetup, {"torch": {"net": {"kind": "fno", "stages": 3}}}),
    (TrainingSetup, {"torch": {"net": "resnet"}}),
    (TrainingSetup, {"mode": "Sometimes"}),
    (TrainingSetup, {"data_config": {"K": "many"}}),
    (TrainingSetup, {"model": {"Nn": 64}}),
    (Run, {"stages": [{"steps": 3}]}),
    (Run, {"stages": [{"name": "a", "steps": 0}]}),
    (Run, {"weights": {"mae": "x"}}),
    (Run, {"scan": None}),
    (Run, {"detector": {"kind": "counting"}, "scan": {"kind": "none"}}),
]


@pytest.mark.parametrize(("cls", "data"), REFUSED, ids=lambda one: json.dumps(one) if isinstance(one, dict) else "")
def test_a_mistake_is_marked(cls: type, data: dict[str, Any]) -> None:
    """Ranges, types, names and kinds."""
    assert not _is_valid(cls, data)
    with pytest.raises(ConfigError):
        parse(cls, data)(cls())
