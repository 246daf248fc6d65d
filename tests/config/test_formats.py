"""Files of options: JSON, TOML and YAML 1.2, each key with its line, each error a ConfigError."""

import contextlib
import json
import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ptycho_config import ConfigError, parse
from ptycho_config.formats import read_document
from ptycho_config.formats.document import FormatError
from ptycho_config.formats.yaml_text import read_yaml
from ptycho_config.schema import TrainingSetup

SCALARS: dict[str, Any] = {
    "010": 10,
    "0o7": 7,
    "0x1F": 31,
    "-3": -3,
    "+3": 3,
    "1:30": "1:30",
    "12:30": "12:30",
    "1_000": "1_000",
    "2024-01-02": "2024-01-02",
    "1e9": 1e9,
    "1.": 1.0,
    ".001": 0.001,
    "-.5E-3": -0.0005,
    ".inf": math.inf,
    "-.INF": -math.inf,
    "true": True,
    "True": True,
    "FALSE": False,
    "yes": "yes",
    "no": "no",
    "on": "on",
    "off": "off",
    "y": "y",
    "null": None,
    "~": None,
    "None": "None",
    "": None,
    "=": "=",
    "<<": "<<",
    "0b1": "0b1",
    "-0o7": "-0o7",
    '"010"': "010",
    "!!str 010": "010",
    "!!float 3": 3.0,
    "!!int '12'": 12,
    "! 12": "12",
}


@pytest.mark.parametrize("text", SCALARS)
@pytest.mark.parametrize("parser", [yaml.CSafeLoader, yaml.SafeLoader])
def test_yaml_scalars_are_those_of_its_core_schema(text: str, parser: type) -> None:
    """Whichever parser reads them."""
    value = read_yaml(f"a: {text}", parser).data["a"]
    assert (type(value), value) == (type(SCALARS[text]), SCALARS[text])


def test_not_a_number_is_one_in_yaml() -> None:
    """`.nan` equals nothing."""
    assert math.isnan(read_yaml("a: .nan").data["a"])


# JSON writes what lies above as two escapes, which YAML refuses.
PLANE = st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"])
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(PLANE)
DATA = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(PLANE, max_size=4), inner, max_size=3)
)


@given(st.dictionaries(st.text(PLANE, max_size=4), DATA, max_size=4))
def test_json_is_yaml(data: dict[str, Any]) -> None:
    """What JSON writes is read as the same by both parsers, with the same lines."""
    text = json.dumps(data, indent=1)
    read = [read_yaml(text, parser) for parser in (yaml.CSafeLoader, yaml.SafeLoader)]
    assert [one.data for one in read] == [data, data]
    assert read[0].lines == read[1].lines


def _outcome(text: str, parser: type) -> Any:
    try:
        document = read_yaml(text, parser)
    except FormatError:
        return None
    return document.data, document.lines, document.texts


@given(st.text("ab:{}[],-&*!#'\"|>? \n01.x", max_size=40))
def test_both_yaml_parsers_agree(text: str) -> None:
    """On the value of any text; a few are broken to one of them only."""
    fast, slow = (_outcome(text, parser) for parser in (yaml.CSafeLoader, yaml.SafeLoader))
    assert fast == slow or None in (fast, slow)


LINES = {
    "a.json": '{"training":\n  {"nepochs": 3,\n\t"model": {\n"N": 64}},\n'
    '"execution": {"devices": [1,\n2], "strategy": "a:b{"}}',
    "a.yaml": "training:\n  nepochs: 3\n\n  model:\n    N: 64\nexecution: {devices: [1,\n  2], strategy: 'a:b{'}",
    "a.toml": "# b = {\ntraining.nepochs = 3\n[training.model] # c\nN = 64\n[ execution ]\n"
    "devices = [1,\n2]\n'strategy' = '''a\nb{'''\nlog = { \"x\" = [{ y = 1 }], z = 2 }",
}
EXPECTED = {
    "a.json": {"training": 1, "training.nepochs": 2, "training.model": 3, "training.model.N": 4, "execution": 5}
    | {"execution.devices": 5, "execution.strategy": 6},
    "a.yaml": {"training": 1, "training.nepochs": 2, "training.model": 4, "training.model.N": 5, "execution": 6}
    | {"execution.devices": 6, "execution.strategy": 7},
    "a.toml": {"training": 2, "training.nepochs": 2, "training.model": 3, "training.model.N": 4, "execution": 5}
    | {"execution.devices": 6, "execution.strategy": 8, "execution.log": 10, "execution.log.x": 10}
    | {"execution.log.x.y": 10, "execution.log.z": 10},
}


@pytest.mark.parametrize("name", LINES)
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_every_key_has_its_line(tmp_path: Path, name: str, mark: str, end: str) -> None:
    """With a byte order mark too, and whatever ends a line."""
    (tmp_path / name).write_bytes((mark + LINES[name].replace("\n", end)).encode())
    document = read_document(tmp_path / name)
    assert {".".join(keys): line for keys, line in document.lines.items()} == EXPECTED[name]
    assert document.data["training"]["model"] == {"N": 64}


def _deep(open_: str, close: str, depth: int) -> str:
    return open_ * depth + close * depth


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
BROKEN: dict[str, tuple[str, str | bytes, str]] = {
    "no YAML": ("a.yaml", "a: 1\nb: [", "a.yaml:3 is not valid yaml"),
    "no JSON": ("a.json", '{\n"a": 1,\n}', "a.json:3 is not valid json"),
    "no TOML": ("a.toml", "a = 1\nb = \n", "a.toml:2 is not valid toml"),
    "no such format": ("a.ini", "a = 1", "cannot read '.ini' files"),
    "empty": ("a.json", " \n", "a.json is empty"),
    "empty YAML": ("a.yaml", "\ufeff", "a.yaml is empty"),
    "bytes": ("a.yaml", b"\xff\xfe\x00a", "is not UTF-8 text"),
    "control characters": ("a.yaml", "a: \x01", "is not valid yaml"),
    "a list": ("a.yaml", "- 1", "must hold a table of options, not a list"),
    "a number": ("a.json", "3", "must hold a table of options, not a number"),
    "a key twice": ("a.yaml", "a: 1\nb:\n  c: 1\n  d: 2\n  c: 1", "'c' is given twice, in lines 3 and 5"),
    "a key twice in JSON": ("a.json", '{"a": [{"c": 1,\n"\\u0063": 1}]}', "'c' is given twice, in lines 1 and 2"),
    "a key twice in TOML": ("a.toml", "a = 1\na = 2\nb = 3", "a.toml:2 is not valid toml: Cannot overwrite a value"),
    "a list as key": ("a.yaml", "a: 1\n[1]: 2", "a.yaml:2 is not valid yaml: a key must be text"),
    "an alias as key": ("a.yaml", "a: &x [1]\n*x : 2", "a.yaml:2 is not valid yaml: a key must be text"),
    "no anchor": ("a.yaml", "a: *x", "anchor"),
    "an anchor in itself": ("a.yaml", "a: &x\n  b: *x", "a.yaml:2 is not valid yaml: the anchor 'x' contains itself"),
    "a bomb": ("a.yaml", BOMB, "a.yaml:5 is not valid yaml: its anchors stand for more than"),
    "deep JSON": ("a.json", f'{{"a":\n{_deep("[", "]", 900)}}}', "a.json:2 is not valid json: nests more than 64 deep"),
    "deeper JSON": ("a.json", f'{{"a": {_deep("[", "]", 99_999)}}}', "nests too deep"),
    "deep YAML": ("a.yaml", f"a:\n {_deep('[', ']', 99_999)}", "a.yaml:2 is not valid yaml: nests more than 64 deep"),
    "deep TOML": ("a.toml", f"a = {_deep('[', ']', 99_999)}", "nests too deep"),
    "deep keys": ("a.toml", "a = 1\n" + ".".join("b" * 99) + " = 1", "a.toml:2 is not valid toml: nests more than"),
    "two documents": ("a.yaml", "a: 1\n---\nb: 2", "a.yaml:2 is not valid yaml: has more than one document"),
    "a merge key": ("a.yaml", "a: 1\nb:\n  <<: 1", "a.yaml:3 is not valid yaml: YAML 1.2 has no merge keys"),
    "a foreign tag": ("a.yaml", "a: !!python/object:os.system x", "is not read"),
    "a foreign table": ("a.yaml", "a: !mine {b: 1}", "the tag '!mine' is not read"),
    "a wrong tag": ("a.yaml", "a: !!int x", "'x' with the tag"),
    "many digits": ("a.yaml", "a: " + "9" * 5000, "a.yaml:1 is not valid yaml: a number of 5000 digits"),
    "many digits of JSON": ("a.json", '{"a": ' + "9" * 5000 + "}", "is not valid json"),
    "many digits of TOML": ("a.toml", "a = 0x" + "f" * 5000, "a.toml:1 is not valid toml: a number of 5002 digits"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_named_with_its_line(tmp_path: Path, case: str) -> None:
    """One ConfigError, no traceback of a library."""
    name, content, message = BROKEN[case]
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigError) as caught:
        read_document(tmp_path / name)
    (problem,) = caught.value.problems
    assert message in f"{problem.where} {problem.message}"


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    """A folder, and a file that is not there."""
    (tmp_path / "a.yaml").mkdir()
    for name in ("a.yaml", "b.json"):
        with pytest.raises(ConfigError, match="cannot be read"):
            read_document(tmp_path / name)


def test_a_file_of_comments_sets_nothing(tmp_path: Path) -> None:
    """It is not empty: somebody has written it so."""
    (tmp_path / "a.yaml").write_text("# training:\n")
    assert not parse(TrainingSetup, tmp_path / "a.yaml")


def test_elements_without_quotes_are_no_text_of_their_list(tmp_path: Path) -> None:
    """A list is refused where text is meant."""
    (tmp_path / "a.yaml").write_text("torch.record.notes: [1, 2]\n")
    with pytest.raises(ConfigError, match=r"must be a string, got \[1, 2\]"):
        parse(TrainingSetup, tmp_path / "a.yaml")(TrainingSetup())


def test_an_assignment_may_be_a_table() -> None:
    """As in a file."""
    texts = ["training={nepochs: 3, model: {gridsize: 2}}", "torch.data={mask: file}"]
    assert parse(TrainingSetup, texts) == parse(TrainingSetup, ["nepochs=3", "gridsize=2", "torch.data.mask=file"])


@pytest.mark.parametrize("source", ["nepochs=3", [3], [("nepochs", "3")], [("nepochs", 3, "here")], None])
def test_what_is_no_source_is_one_clear_error(source: Any) -> None:
    """It is a mistake of the program."""
    with pytest.raises(TypeError, match="give a list of assignments, a mapping or a Path, got"):
        parse(TrainingSetup, source)


WORDS = ("training", "model", "N", "torch", "net", "kind", "fno", "schema", "$schema", "ptycho.training/1", "4", "null")
MARKS = (
    "{",
    "}",
    "[",
    "]",
    ":",
    ": ",
    ",",
    "=",
    "\n",
    "\n  ",
    '"',
    "'",
    "&a ",
    "*a",
    "!!int ",
    "- ",
    "#",
    ".",
    "1e9",
    "\\",
)
PIECES = st.sampled_from(WORDS + MARKS)


@pytest.mark.parametrize("suffix", ["json", "yaml", "toml"])
@given(pieces=st.lists(PIECES | st.text(max_size=2), max_size=25))
def test_only_config_errors_leave_the_reader(tmp_path_factory: Any, suffix: str, pieces: list[str]) -> None:
    """Whatever the file holds."""
    path = tmp_path_factory.getbasetemp() / f"any.{suffix}"
    path.write_bytes("".join(pieces).encode("utf-8", "surrogatepass"))
    with contextlib.suppress(ConfigError):
        parse(TrainingSetup, path)


NAMES = st.sampled_from(["training", "model", "N", "torch", "net", "kind", "nepochs", "execution", "K", "scale", "x"])
VERSIONS = st.sampled_from([f"ptycho.training/{number}" for number in range(7)]) | LEAVES


@given(
    st.dictionaries(
        NAMES, st.recursive(LEAVES | st.lists(LEAVES, max_size=2), lambda one: st.dictionaries(NAMES, one)), max_size=3
    ),
    st.dictionaries(st.sampled_from(["schema", "$schema"]), VERSIONS),
)
def test_only_config_errors_leave_a_document(tables: dict[str, Any], versions: dict[str, Any]) -> None:
    """Whatever the tables hold, in whatever version they are."""
    with contextlib.suppress(ConfigError):
        parse(TrainingSetup, {**versions, **tables})(TrainingSetup())
