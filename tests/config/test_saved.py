"""Changes and derivations to JSON and back: what cannot be saved is refused, and a file runs nothing."""

import functools
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from ptycho_config import (
    ConfigError,
    Transform,
    at,
    config,
    create_training_payload,
    diff,
    field,
    fields,
    layer,
    narrow,
    replay,
    resolve,
    save,
)
from ptycho_config.schema import Fno, TrainingSetup, Unrolled
from ptycho_config.steps import Step
from tests.strategies.configs import BASE

c = fields(TrainingSetup)


def doubled(rate: float) -> float:
    """A function that a file can name."""
    return 2 * rate


class Colour(Enum):
    """Two colours."""

    RED = "red"
    BLUE = 2


@config
class Leaf:
    """A member with a path, dates and tuples."""

    place: Path = field(default=Path("a"), doc="a place")
    day: date = field(default=date(2024, 1, 2), doc="a day")
    time: datetime = field(default=datetime(2024, 1, 2, tzinfo=UTC), doc="a time")
    colours: tuple[Colour, ...] = field(default=(Colour.RED,), doc="colours")
    places: tuple[Path, ...] | None = field(default=None, doc="places")


@config
class Stem:
    """Another member."""

    height: float = field(default=1.0, doc="height")


@config
class Plant:
    """A choice and a group."""

    part: Leaf | Stem = field(default=Stem(), doc="a part")
    stem: Stem = field(default=Stem(), doc="a stem")


def through_json(value: Any) -> Any:
    """What a file would hold."""
    return json.loads(json.dumps(save(value), allow_nan=False))


def test_every_type_of_value_comes_back_as_it_was() -> None:
    """Members, paths, dates, enums and tuples are not taken for their text; nor text for them."""
    leaf = Leaf(colours=(Colour.BLUE, Colour.RED), places=(Path("b"), Path("c")))
    p = fields(Plant)
    change = at(p.part).put(leaf) >> at(p.part).put("stem") >> at(narrow(p.part, Leaf).place).put(Path("x"))
    change >>= diff(Plant(part=Leaf()), Plant(part=leaf)) >> at(narrow(p.part, Leaf).colours).put((Colour.BLUE,))
    change >>= Transform((Step("part.place", "put", "text"), Step("part.colours", "put", ["red", 2])))
    change >>= Transform(
        (Step("part.day", "put", date(2024, 2, 3)), Step("part.time", "put", datetime(2024, 2, 3, tzinfo=UTC)))
    )
    replayed = replay(Plant, through_json(change))
    assert [(step.path, type(step.arg)) for step in replayed.steps] == [
        (step.path, type(step.arg)) for step in change.steps
    ]
    assert replayed == change


def test_a_step_by_a_function_needs_that_function() -> None:
    """It is named in the file, and used where the reader passes it or trusts the file."""
    change = at(c.execution.learning_rate).over(doubled)
    saved = through_json(change)
    assert saved["steps"][0]["value"] == f"{__name__}:doubled"
    with pytest.raises(ConfigError, match=r"calls .*:doubled, which is not run unasked"):
        replay(TrainingSetup, saved)
    for how in ({"functions": [doubled]}, {"trust": True}):
        assert replay(TrainingSetup, saved, **how) == change


LOCAL = {
    "lambda": (lambda rate: rate, "a lambda has no name"),
    "partial": (functools.partial(round, ndigits=2), "a partial has no name"),
    "method": ([1.0].count, "is not this function"),
    "class": (float, "a type has no name"),
}


@pytest.mark.parametrize(("function", "reason"), LOCAL.values(), ids=LOCAL.keys())
def test_a_function_that_no_other_program_finds_is_refused_when_it_is_saved(
    function: Callable[[float], float], reason: str
) -> None:
    """The message names the option and the fix; applying it works."""
    change = layer("notebook", at(c.execution.learning_rate).over(function))
    with pytest.raises(ConfigError, match=rf"execution.learning_rate: cannot be saved: .*{reason}.*\[notebook\]"):
        save(change)
    with pytest.raises(ConfigError, match="use a function of a module"):
        save(resolve(BASE, change) if reason.startswith("a lambda") else change)


_PROGRAM = """
from ptycho_config import ConfigError, at, fields, save
from ptycho_config.schema import TrainingSetup

def doubled(rate):
    return 2 * rate

try:
    save(at(fields(TrainingSetup).execution.learning_rate).over(doubled))
except ConfigError as error:
    print(error)
"""


def test_functions_within_functions_and_of_main_are_refused(tmp_path: Path) -> None:
    """Their names lead elsewhere, or nowhere."""

    def within(rate: float) -> float:
        return rate

    with pytest.raises(ConfigError, match="within is defined within another function"):
        save(at(c.execution.learning_rate).over(within))
    program = tmp_path / "program.py"
    program.write_text(_PROGRAM)
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, check=True)
    assert "doubled belongs to __main__" in done.stdout


def test_a_file_runs_nothing_unasked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The module that a step names is not even imported; trusted, it must have a function of this name."""
    (tmp_path / "evil_module.py").write_text("raise SystemExit('ran')\n")
    monkeypatch.syspath_prepend(tmp_path)
    step = {"path": "execution.learning_rate", "op": "over", "fixed": False, "where": ""}
    with pytest.raises(ConfigError, match="evil_module:run, which is not run unasked"):
        replay(TrainingSetup, {"steps": [{**step, "value": "evil_module:run"}]}, functions=[doubled])
    assert "evil_module" not in sys.modules
    for name in ("os:environ.clear", "builtins:float", "functools:partial", "json:nothing", "no_such_module:run"):
        with pytest.raises(ConfigError, match=f"calls {name}, which"):
            replay(TrainingSetup, {"steps": [{**step, "value": name}]}, trust=True)


def test_the_derivation_of_a_training_is_replayed() -> None:
    """With profile, choices and functions."""
    network = at(c.training.model.architecture).put("fno") >> at(c.torch.net).put(Fno())
    rate = at(c.execution.learning_rate).over(doubled)
    resolved, _ = create_training_payload(Path("scan.npz"), Path("out"), profile=network >> rate)
    assert replay(TrainingSetup, through_json(resolved), functions=[doubled]) == resolved


def _changed(change: Callable[[Any], None]) -> Any:
    saved = through_json(resolve(BASE, layer("user", at(c.training.nepochs).put(3))))
    change(saved)
    return saved


WRONG = {
    "other config": (lambda d: d["config"]["training"].update(nepochs=9), "the steps give 3, the file holds 9"),
    "other fingerprint": (lambda d: d.update(fingerprint="0"), "fingerprint: is not that of the config"),
    "no base": (lambda d: d.pop("base"), "base: is required"),
    "layers": (lambda d: d.update(layers={}), "layers: must be a list"),
    "layer": (lambda d: d.update(layers=[3]), "must be tables with 'layer'"),
    "steps": (lambda d: d["layers"][0].update(steps=3), "steps: must be a list"),
    "step": (lambda d: d["layers"][0].update(steps=[3]), "step 1 cannot be read"),
    "no path": (lambda d: d["layers"][0]["steps"][0].pop("path"), "step 1 has no 'path'"),
    "no text": (lambda d: d["layers"][0]["steps"][0].update(path=3), "path and layer must be text, got 3"),
    "no name": (lambda d: d["layers"][0]["steps"][0].update(op="over", value=3), "3 is no 'module:name'"),
    "no module": (lambda d: d["layers"][0]["steps"][0].update(op="over", value=".a:b"), "is no 'module:name'"),
    "unknown key": (lambda d: d["layers"][0]["steps"][0].update(run="x"), "unknown key 'run'"),
    "op": (lambda d: d["layers"][0]["steps"][0].update(op="call"), "op must be put, over or reset"),
    "value": (lambda d: d["layers"][0]["steps"][0].update(value={"$pickle": "x"}), "is no value of a config"),
    "member": (
        lambda d: d["layers"][0]["steps"][0].update(path="torch.net", value={"$kind": "unroled"}),
        "there is no 'unroled' here. did you mean 'unrolled'",
    ),
    "option of a member": (
        lambda d: d["layers"][0]["steps"][0].update(path="torch.net", value={"$kind": "unrolled", "widht": 3}),
        "widht: unknown field",
    ),
}


@pytest.mark.parametrize(("change", "reason"), WRONG.values(), ids=WRONG.keys())
def test_a_changed_file_is_refused_with_a_reason(change: Callable[[Any], None], reason: str) -> None:
    """Never a traceback, never a guess."""
    with pytest.raises(ConfigError, match=reason):
        replay(TrainingSetup, _changed(change))


def test_other_arguments_are_one_clear_error() -> None:
    """A config, a class that is none, and a function without a name."""
    with pytest.raises(TypeError, match="a config is written by dump"):
        save(BASE)  # type: ignore[call-overload] # the mistake
    with pytest.raises(TypeError, match="is not a config class"):
        replay(int, {"steps": []})
    with pytest.raises(ConfigError, match="functions: a lambda has no name"):
        replay(TrainingSetup, {"steps": []}, functions=[lambda rate: rate])


def test_a_change_that_no_config_could_hold_is_refused() -> None:
    """When it is saved."""
    with pytest.raises(ConfigError, match=r"training.nepochs: cannot be saved: .* is no value of a config"):
        save(Transform((Step("training.nepochs", "put", object()),)))


def test_members_that_were_written_by_their_kind_alone_are_read() -> None:
    """As former versions did."""
    old = {
        "steps": [
            {"path": "torch.net", "op": "put", "value": {"kind": "unrolled", "width": 8}, "fixed": False, "where": ""}
        ]
    }
    assert replay(TrainingSetup, old) == Transform((Step("torch.net", "put", Unrolled(width=8)),))
