"""Configs that are not those of this project: the package `tests.beamline` uses all that they can hold."""

import copy
import json
import re
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest

from ptycho_config import (
    ConfigError,
    Problem,
    Transform,
    at,
    config,
    diff,
    dump,
    field,
    fields,
    fingerprint,
    layer,
    load,
    narrow,
    parse,
    replay,
    resolve,
    save,
)
from ptycho_config.schema.paths import get_path, leaves, leaves_of
from tests.beamline import detectors
from tests.beamline.run import Fine, Limits, Mode, Options, Run, Scan, Stage, Tomography

c = fields(Run)
# One change of each kind of place.
CHANGES: dict[str, Transform] = {
    "a field called kind": at(c.kind).put("production"),
    "a choice of a derived class": at(c.scan).put(Tomography(angles=9)),
    "an inherited field": at(narrow(c.scan, Scan).folder).put(Path("runs")),
    "a tuple of paths": at(narrow(c.scan, Scan).darks).put((Path("darks/a.h5"), Path("darks/b.h5"))),
    "a tuple of enums": at(narrow(c.scan, Scan).modes).put((Mode.FLY, Mode.STEP)),
    "a member of equal name": at(c.detector).put(detectors.Options(dead_time=1e-6)),
    "a member with a field called kind": at(c.detector).put(detectors.Options(kind="merlin")),
    "a group switched on": at(c.window).put(detectors.Window(top=5)),
    "a group of a later class": at(c.limits).put(Limits(low=-2)),
    "a nested group switched on": at(c.limits).put(Limits(fine=Fine(high=0.2))),
    "a group switched on by its kind": at(c.limits).put("limits") >> at(narrow(c.limits, Limits).low).put(-3.0),
    "a tuple of configs": at(c.stages).put((Stage(name="align", steps=2), Stage(name="phase"))),
    "an element of a tuple": at(c.stages[0].steps).put(7),
    "a mapping": at(c.weights).put({"mae": 1, "ssim": 0.5}),
    "an element of a mapping": at(c.weights["ssim"]).put(0.25),
    "a computed element": at(c.weights["mae"]).over(abs),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_goes_through_every_form(name: str) -> None:
    """The changed config is read from its document, from steps of a text and of a difference, and has one
    fingerprint and one hash."""
    made = resolve(Run(), layer("a", CHANGES[name]))
    config, text = made.config, json.loads(json.dumps(dump(made.config)))
    assert load(Run, text) == config
    assert parse(Run, text)(Run()) == config
    assert diff(Run(), config)(Run()) == config
    assert replay(Run, json.loads(json.dumps(save(made))), functions=[abs]) == made
    assert copy.deepcopy(config) == config
    assert fingerprint(load(Run, text)) == fingerprint(config)
    assert hash(load(Run, text)) == hash(config)
    assert (config == Run()) == (dump(config) == dump(Run()))


def _apply(change: Callable[[Run], Run], run: Run) -> Run | str:
    try:
        return change(run)
    except ConfigError as error:
        return error.problems[0].message


@pytest.mark.parametrize("name", CHANGES)
def test_changes_compose_and_differ(name: str) -> None:
    """The laws of application, difference and trace, for every pair of places."""
    first = CHANGES[name]
    one = first(Run())
    for second in CHANGES.values():
        both, other = _apply(first >> second, Run()), second(Run())
        assert both == _apply(second, one)
        assert diff(one, other)(one) == other
        if isinstance(both, Run):
            r = resolve(Run(), layer("a", first), layer("b", second))
            last = {change.path: change.new for change in r.explain().changes}
            held = {path: value for path, _, value in leaves_of(both)}
            assert r.config == both
            assert {path: last.get(path, value) for path, value in held.items()} == held


@pytest.mark.parametrize("suffix", ["json", "yaml", "toml"])
def test_files_hold_all_of_it(tmp_path: Path, suffix: str) -> None:
    """Optional groups, tuples of configs, mappings and members of equal name, in every format."""
    texts = {
        "yaml": "window: {top: 5}\nlimits: {fine: {}}\nstages: [{name: align}, {name: phase, steps: 2}]\n"
        "weights: {mae: 2}\ndetector: {$kind: counting, kind: merlin}\nscan.modes: [fly]\n",
        "toml": 'window.top = 5\nlimits.fine = {}\nstages = [{name = "align"}, {name = "phase", steps = 2}]\n'
        'weights.mae = 2\n"scan.modes" = ["fly"]\n[detector]\n"$kind" = "counting"\nkind = "merlin"\n',
    }
    texts["json"] = json.dumps(
        {
            "limits": {"fine": {}},
            "stages": [{"name": "align"}, {"name": "phase", "steps": 2}],
            "weights": {"mae": 2},
            "detector": {"$kind": "counting", "kind": "merlin"},
            "scan.modes": ["fly"],
            "window": {"top": 5},
        }
    )
    (tmp_path / f"a.{suffix}").write_text(texts[suffix])
    assert parse(Run, tmp_path / f"a.{suffix}")(Run()) == Run(
        scan=Scan(modes=(Mode.FLY,)),
        detector=detectors.Options(kind="merlin"),
        window=detectors.Window(top=5),
        limits=Limits(fine=Fine()),
        stages=(Stage(name="align"), Stage(name="phase", steps=2)),
        weights={"mae": 2.0},
    )


def test_texts_address_all_of_it() -> None:
    """Elements, kinds and null."""
    texts = ["window=window", "window.top=5", "stages.0.steps=3", "weights.ssim=.5", "scan=tomography"]
    texts += ["scan:tomography.angles=5", "detector=counting", "detector.kind=merlin", "limits=null"]
    texts += ["stages.1={name: phase, steps: 2}"]
    made = parse(Run, texts)(Run(limits=Limits(), stages=(Stage(name="align"), Stage(name="x"))))
    assert made.window == detectors.Window(top=5)
    assert made.stages == (Stage(name="align", steps=3), Stage(name="phase", steps=2))
    assert dict(made.weights) == {"mae": 1.0, "ssim": 0.5}
    assert made.scan == Tomography(angles=5)
    assert made.detector == detectors.Options(kind="merlin")
    assert made.limits is None
    with pytest.raises(ConfigError, match=r"stages\.0\.name: is required   \[command line\] assignment 1"):
        parse(Run, ["stages.0={steps: 2}"])


def test_a_group_is_switched_on_and_off() -> None:
    """A layer that switches a group off loses the options of a lower one; an option of what is off is an error."""
    on, off = at(c.window).put(detectors.Window(top=5)), at(c.window).put(None)
    r = resolve(Run(), layer("a", on), layer("b", off))
    assert r.config.window is None
    assert str(r.explain(at(c.window))).splitlines() == [
        "window: None -> 'window' [a] test_own_configs.py:" + r.explain("window").rows[0].where.rpartition(":")[2],
        "window: 'window' -> None [b] test_own_configs.py:" + r.explain("window").rows[1].where.rpartition(":")[2],
    ]
    with pytest.raises(ConfigError, match=r"window.top: window is off \(null\), so it has no options   \[b\]"):
        resolve(Run(), layer("a", off), layer("b", at(narrow(c.window, detectors.Window).top).put(3)))
    with pytest.raises(ConfigError, match="fixes it to None, 'b' asks for 'window'"):
        resolve(Run(), layer("a", off, fixed=True), layer("b", on))


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "two problems": ({"kind": 3, "window": 3}, "kind: must be a string, got 3"),
    "an unknown field": ({"knd": "x"}, "knd: unknown field"),
    "an element": ({"stages": [{"name": "a", "steps": 0}]}, "stages.0.steps: must be greater than 0, got 0"),
    "a missing name": ({"stages": [{}]}, "stages.0.name: is required"),
    "a name of a mapping": ({"weights": {"a.b": 1}}, "must have names without '.', ':', '=' and spaces"),
    "a value of a mapping": ({"weights": {"mae": "x"}}, "weights: must be a finite number, got 'x'"),
    "a kind": ({"detector": {"$kind": "count"}}, "must be one of 'counting', 'integrating', got 'count'"),
    "null for what is never off": ({"scan": None}, "scan: must be"),
    "an own check": ({"scan": {"kind": "tomography"}}, "more than 10 angles take too long"),
    "an inherited constraint": (
        {"scan": {"kind": "tomography", "angles": 1, "darks": ["data/x"]}},
        "scan.darks: lie among the scans",
    ),
}


@pytest.mark.parametrize("case", WRONG)
@pytest.mark.parametrize("read", [lambda data: load(Run, data), lambda data: parse(Run, data)(Run())])
def test_a_wrong_document_names_the_place(case: str, read: Callable[[Any], Any]) -> None:
    """By `load` and by `parse`."""
    data, message = WRONG[case]
    with pytest.raises(ConfigError) as caught:
        read(data)
    assert message in str(caught.value)


def test_constructors_report_all_at_once() -> None:
    """As reading a document does: refused, unknown and missing fields, those of a group too."""
    with pytest.raises(ConfigError) as caught:
        Stage(stesp=1, steps=0)  # type: ignore[call-arg]
    assert [str(problem) for problem in caught.value.problems] == [
        "stesp: unknown field   did you mean 'steps'?",
        "name: is required",
        "steps: must be greater than 0, got 0",
    ]
    with pytest.raises(ConfigError, match="more than 10 angles"):
        Tomography()


def test_names_of_this_project_mean_nothing_elsewhere() -> None:
    """`offset` and `K` are names of ptychography."""
    for name in ("offset", "K", "nepochs"):
        with pytest.raises(ConfigError, match=f"{name}: unknown field"):
            parse(Run, [f"{name}=1"])


def test_equal_numbers_of_different_types_are_different() -> None:
    """Their JSON is."""

    @config
    class Ambiguous:
        value: int | float | bool = field(default=1, doc="a number")
        choice: Literal[1, True] = field(default=1, doc="a choice")

    one, other = Ambiguous(value=1), Ambiguous(value=1.0)
    assert one != other
    assert fingerprint(one) != fingerprint(other)
    assert diff(one, other)(one) == other
    assert Ambiguous(choice=True) != Ambiguous(choice=1)


@config
class _Needy:
    low: int = field(doc="no default")
    high: int = field(default=9, doc="a default")


@config(constraints=(lambda one: [Problem("needy", "is low")] if one.needy and one.needy.low < 0 else [],))
class _Holder:
    needy: _Needy | None = field(default=None, doc="off")


def test_a_group_with_required_options_is_switched_on_with_them() -> None:
    """In any order; without them it is incomplete, and an option of the present one keeps the others."""
    assert parse(_Holder, {"needy": {"low": 1}})(_Holder()) == _Holder(needy=_Needy(low=1))
    assert parse(_Holder, ["needy.low=1", "needy=_needy"])(_Holder()).needy == _Needy(low=1)
    assert parse(_Holder, {"needy": {"high": 8}})(_Holder(needy=_Needy(low=1))).needy == _Needy(low=1, high=8)
    for data in ({"needy": {}}, {"needy": {"high": 8}}):
        with pytest.raises(ConfigError, match=r"needy\.low: is required"):
            parse(_Holder, data)(_Holder())
    with pytest.raises(ConfigError, match="needy: is low"):
        parse(_Holder, {"needy": {"low": -1}})(_Holder())
    h = fields(_Holder)
    with pytest.raises(ConfigError, match=r"needy\.low: is required"):
        at(h.needy).over(lambda _: "_needy")(_Holder())  # type: ignore[arg-type,return-value] # the kind
    with pytest.raises(ConfigError, match=r"needy\.low: has no value yet"):
        (parse(_Holder, ["needy=_needy"]) >> at(narrow(h.needy, _Needy).low).over(abs))(_Holder())
    r = resolve(_Holder(), parse(_Holder, {"needy": {"low": 1}}))
    assert str(r.explain("needy.low")) == "needy.low: None -> 1 [explicit overrides]"


def _declare(annotation: Any, **more: Any) -> type:
    return config(type("Made", (), {"__annotations__": {"value": annotation}, "value": field(doc="any", **more)}))


class _Odd(Enum):
    A = object()


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        (dict[str, int], "Mapping"),
        (Mapping[int, int], "the names in a mapping are text"),
        (Fine | int, "config classes can only be alternatives to each other"),
        (detectors.Options | type("Options", (Options,), {"KIND": "counting"}), "only be alternatives"),
        (_Odd, "must be text or numbers"),
        (list[int], "cannot be a config field"),
    ],
)
def test_what_a_config_cannot_hold_is_refused_where_it_is_declared(annotation: Any, message: str) -> None:
    """With what it can hold."""
    with pytest.raises(TypeError, match=message):
        _declare(annotation)


def test_the_version_of_a_document_is_no_option() -> None:
    """One of the two would be lost."""
    with pytest.raises(TypeError, match="whose documents state it there"):

        @config
        class _Both:
            SCHEMA: ClassVar[str] = "both/1"
            schema: str = field(default="", doc="a scheme")


def test_two_members_of_one_kind_are_refused() -> None:
    """They could not be told apart in a file."""

    @config
    class Other:
        KIND: ClassVar[str] = "counting"

    with pytest.raises(TypeError, match="KIND: ClassVar"):
        _declare(detectors.Options | Other)


def test_an_annotation_that_names_nothing_is_named() -> None:
    """When the class is first used."""
    made = _declare("Nowhere | None", default=None)
    with pytest.raises(TypeError, match=r"Made.value is declared as 'Nowhere \| None', but name 'Nowhere'"):
        made(value=None)


def test_a_class_that_contains_itself_is_refused() -> None:
    """Its options would have no end."""

    @config
    class Tree:
        below: "Tree | None" = field(default=None, doc="a tree")

    with pytest.raises(TypeError, match="Tree contains itself at below"):
        parse(Tree, ["below=tree"])


def test_constraints_of_every_base_hold() -> None:
    """Those of a second base too, which has no fields."""

    @config(constraints=(lambda one: [Problem("steps", "is odd")] if one.steps % 2 else [],))
    class Even:
        pass

    @config
    class Both(Stage, Even):
        pass

    assert Both(name="a", steps=2).steps == 2
    with pytest.raises(ConfigError, match="steps: is odd"):
        Both(name="a", steps=3)


def test_identity_counts_within_elements_and_for_groups() -> None:
    """Where results go is no part of what they are, wherever it stands."""

    @config
    class Output:
        folder: str = field(default="a", identity=False, doc="folder")

    @config
    class Holder:
        outputs: tuple[Output, ...] = field(default=(Output(),), doc="several")
        log: Output | None = field(default=None, identity=False, doc="one")

    h = fields(Holder)
    assert fingerprint(Holder()) == fingerprint(at(h.outputs[0].folder).put("b")(Holder()))
    assert fingerprint(Holder()) == fingerprint(Holder(log=Output(folder="b")))
    assert fingerprint(Holder()) != fingerprint(Holder(outputs=()))


PAGE = Path(__file__).parents[2] / "docs" / "own_configs.md"


def test_the_example_of_the_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """As it stands there."""
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    exec(compile(example, str(PAGE), "exec"), {"__name__": "own_configs"})  # noqa: S102 - of this repository
    printed = capsys.readouterr().out
    assert re.search(r"scan.angles +9 +explicit overrides", printed)
    assert re.search(r"window +'window' +explicit overrides", printed)


def test_every_leaf_is_found_once() -> None:
    """Those of optional groups too."""
    paths = [path for path, _ in leaves(Run)]
    assert {"window", "window.top", "limits.fine.high", "weights", "scan.angles"} <= set(paths)
    assert get_path(Run(), "stages.0.name") == "align"
