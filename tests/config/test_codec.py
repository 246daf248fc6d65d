"""Configs as plain data: round trips, files, and errors that come all at once."""

import json
from datetime import UTC, date, datetime
from enum import Enum
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptycho_config import ConfigError, Transform, at, config, dump, field, fields, fingerprint, load, parse, resolve
from ptycho_config.schema import TrainingSetup, Unrolled
from tests.strategies.configs import BASE, puts


@given(puts())
def test_what_is_dumped_loads_back(change: Transform) -> None:
    """Through real JSON text, nothing is lost."""
    config = change(BASE)
    assert load(TrainingSetup, json.loads(json.dumps(dump(config)))) == config


@given(puts(), puts())
def test_equal_configs_and_only_they_share_a_fingerprint(a: Transform, b: Transform) -> None:
    """The fingerprint sees every field but the paths of files."""
    forget = at(fields(TrainingSetup).training.train_data_file).put(None)
    x, y = (a >> forget)(BASE), (b >> forget)(BASE)
    assert (fingerprint(x) == fingerprint(y)) == (x == y)


def test_where_results_go_is_not_what_they_are() -> None:
    """Paths are outside the fingerprint."""
    moved = at(fields(TrainingSetup).training.output_dir).put(Path("elsewhere"))(BASE)
    assert fingerprint(moved) == fingerprint(BASE)


@given(puts())
def test_the_text_of_a_put_parses_back(change: Transform) -> None:
    """What a config prints as can be given on a command line."""
    data = json.loads(json.dumps(dump(change(BASE))))
    texts = []
    for step in change.steps:
        node = data
        for name in step.path.split("."):
            node = node[name]
        texts.append(f"{step.path}={json.dumps(node)}")
    assert parse(TrainingSetup, texts)(BASE) == change(BASE)


def test_bare_words_are_strings_where_strings_belong() -> None:
    """`scheduler=WarmupCosine` needs no quotes."""
    change = parse(TrainingSetup, ["training.scheduler=WarmupCosine", "training.output_dir=a/b"])
    config = change(BASE)
    assert (config.training.scheduler, config.training.output_dir) == ("WarmupCosine", Path("a/b"))


def test_a_wrong_document_lists_everything_that_is_wrong() -> None:
    """Unknown keys, wrong types and wrong ranges in one error."""
    document = {"training": {"nepochs": 1.5, "model": {"N": 15, "gridsze": 2}}, "torc": {}, "execution": 3}
    with pytest.raises(ConfigError) as caught:
        load(TrainingSetup, document)
    problems = {problem.path: problem for problem in caught.value.problems}
    assert set(problems) == {"training.nepochs", "training.model.N", "training.model.gridsze", "torc", "execution"}
    assert problems["training.model.gridsze"].hint == "did you mean 'gridsize'?"


def test_a_document_of_another_schema_is_refused_by_name() -> None:
    """Newer files are not half-read."""
    with pytest.raises(ConfigError, match=r"ptycho\.training/9"):
        load(TrainingSetup, {"$schema": "ptycho.training/9"})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.yaml", "training.nphotons: 1e9\ntorch.record.notes: no\n"),
        ("a.json", '{"training": {"nphotons": 1e9}, "torch.record.notes": "no"}'),
        ("a.toml", 'training.nphotons = 1e9\ntorch.record.notes = "no"\n'),
    ],
)
def test_config_files_read_alike(tmp_path: Path, name: str, text: str) -> None:
    """`1e9` is a number and `no` is a word in every format."""
    (tmp_path / name).write_text(text)
    steps = {step.path: step.arg for step in parse(TrainingSetup, tmp_path / name).steps}
    assert steps == {"training.nphotons": 1e9, "torch.record.notes": "no"}


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("a.yaml", "training: [", "is not valid yaml"),
        ("a.json", "{", "is not valid json"),
        ("a.toml", "=", "is not valid toml"),
        ("a.ini", "", "cannot read '.ini' files"),
        ("a.yaml", "- 1", "must hold a table"),
        ("a.yaml", "training: {nepoch: 3}", "did you mean 'training.nepochs'"),
        ("a.yaml", "training: 3", "is a group of options, got 3"),
    ],
)
def test_a_broken_config_file_is_named(tmp_path: Path, name: str, text: str, reason: str) -> None:
    """The message holds the file and the reason."""
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match=reason) as caught:
        parse(TrainingSetup, tmp_path / name)
    assert name in str(caught.value)


def test_yaml_options_know_their_line(tmp_path: Path) -> None:
    """A wrong option is found at once."""
    (tmp_path / "run.yaml").write_text("# comment\ntraining:\n  model:\n    N: 15\n  nepochs: 3\n")
    with pytest.raises(ConfigError) as caught:
        resolve(BASE, parse(TrainingSetup, tmp_path / "run.yaml"))
    (problem,) = caught.value.problems
    assert (problem.path, problem.layer, problem.where) == ("training.model.N", "config file", "run.yaml:4")


def test_nested_and_dotted_keys_mean_the_same() -> None:
    """Overrides may be written flat or deep."""
    flat = parse(TrainingSetup, {"training.nepochs": 3}, "x")
    assert flat == parse(TrainingSetup, {"training": {"nepochs": 3}}, "x")


def test_what_is_left_out_has_its_default() -> None:
    """A complete table and one without a field are the same config, and all their wrong values are named."""
    whole = dump(BASE)
    partial = {**whole, "training": {k: v for k, v in whole["training"].items() if k != "nepochs"}}
    assert load(TrainingSetup, whole) == load(TrainingSetup, partial) == BASE
    for table in (whole, partial):
        wrong = {**table, "execution": {**table["execution"], "num_workers": -1, "accum_steps": True}}
        with pytest.raises(ConfigError) as caught:
            load(TrainingSetup, wrong)
        assert [problem.path for problem in caught.value.problems] == ["execution.accum_steps", "execution.num_workers"]


class Colour(Enum):
    """A choice of values."""

    RED = "red"
    BLUE = "blue"


@config
class Kinds:
    """Values that JSON has no form for."""

    day: date = field(doc="a day")
    moment: datetime | None = field(default=None, doc="a moment")
    days: tuple[date, ...] = field(default=(), doc="days")
    files: tuple[Path, ...] = field(default=(), doc="files")
    pair: tuple[Colour, Path] = field(default=(Colour.RED, Path("a")), doc="a pair")


@given(
    st.builds(
        Kinds,
        day=st.dates(),
        moment=st.none() | st.datetimes(),
        days=st.lists(st.dates(), max_size=2),
        files=st.lists(st.sampled_from(["a", "b/c"]), max_size=2),
        pair=st.tuples(st.sampled_from(Colour), st.just("d")),
    )
)
def test_dates_paths_and_enums_survive_json_inside_tuples_too(kinds: Kinds) -> None:
    """Written as text, read as what they were."""
    assert load(Kinds, json.loads(json.dumps(dump(kinds)))) == kinds


def test_wrong_dates_and_enums_are_named() -> None:
    """Each by its field, with its form; what is missing as well."""
    wrong = {"moment": 3, "days": ["2024-13-01"], "pair": ["green", "a"], "file": []}
    with pytest.raises(ConfigError) as caught:
        load(Kinds, wrong)
    found = {problem.path: problem.message + problem.hint for problem in caught.value.problems}
    assert found.keys() == {*wrong, "day"}
    assert found["day"] == "is required"
    assert found["days"] == "must be a date, as 2024-12-31, got '2024-13-01'"
    assert found["pair"] == "must be one of 'red', 'blue', got 'green'"
    assert "did you mean 'files'" in found["file"]


def test_a_moment_is_no_day() -> None:
    """Though Python's class of the one is a subclass of the other."""
    with pytest.raises(ConfigError, match="must be a date, as"):
        Kinds(day=datetime(2024, 1, 2, 3, tzinfo=UTC))


def test_no_passes_of_an_older_training_become_those_that_the_scan_asks_for() -> None:
    """0 was the default, which every document wrote; an inference, and a number that was chosen, stay."""

    def passes(version: int, number: int) -> object:
        document = {"schema": f"ptycho.training/{version}", "torch": {"refine": {"passes": number}}}
        return load(TrainingSetup, document).torch.refine.passes

    assert [passes(4, 0), passes(4, 3), passes(5, 0)] == ["auto", 3, 0]


def test_a_primed_network_of_an_older_document_stays_what_it_was() -> None:
    """Patch by patch, from a flat start, with three stages unless it says otherwise."""
    old = {"$schema": "ptycho.training/2", "training": {"model": {"architecture": "primed"}}}
    net = {"kind": "primed", "width": 8}
    made = load(TrainingSetup, {**old, "torch": {"net": net, "overlap": {"partners": 1, "weight": 1.0}}})
    assert made.torch.net == Unrolled(width=8, stages=3, stitched=False, start="flat")
    kept = load(TrainingSetup, {**old, "torch": {"net": {**net, "stages": 5}}})
    assert kept.torch.net == Unrolled(width=8, stages=5, stitched=False, start="flat")
