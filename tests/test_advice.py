"""What a message advises can be followed: the flags, commands and options that it names are there."""

import argparse
import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from ptycho_config.schema import InferenceSetup, TrainingSetup
from ptycho_config.schema.paths import leaves
from ptycho_torch.cli import main

ROOT = Path(__file__).parent.parent
# Flags of other programs.
OTHERS = {"--index-url", "--ntasks", "--ntasks-per-node"}
FLAG, COMMAND = re.compile(r"(?<![\w-])--[a-z][\w-]+"), re.compile(r"`ptycho ([a-z]+)")
OPTION = re.compile(r"(?<![\w.])((?:torch|training|execution|inference)(?:\.[a-z_0-9]+)+)")
# The functions whose texts people read when something is wrong.
CALLS = {"DataError", "OutputError", "DivergedError", "Problem", "Evidence", "ValueError", "problem"}


def _texts(tree: ast.AST) -> Iterator[str]:
    """Every text in a message: in a call of an error, and values that are called hint, advice or remedy."""
    for node in ast.walk(tree):
        parts: list[ast.AST] = []
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            parts = [node] if name in CALLS else [one.value for one in node.keywords if one.arg in {"hint", "remedy"}]
        elif isinstance(node, ast.Assign):
            named = {part.id for one in node.targets for part in ast.walk(one) if isinstance(part, ast.Name)}
            parts = [node.value] if named & {"hint", "remedy", "advice", "message"} else []
        for part in parts:
            yield from (
                one.value for one in ast.walk(part) if isinstance(one, ast.Constant) and isinstance(one.value, str)
            )


@cache
def _known() -> tuple[set[str], set[str], set[str]]:
    """Flags and commands of `ptycho`, and the paths of its options with those of their groups."""
    umbrella = main.parser()
    (choices,) = (one.choices for one in umbrella._actions if isinstance(one, argparse._SubParsersAction))
    assert choices is not None
    flags = {text for one in choices.values() for action in one._actions for text in action.option_strings}
    paths = {path for root in (TrainingSetup, InferenceSetup) for path, _ in leaves(root)}
    groups = {path[: place.start()] for path in paths for place in re.finditer(r"\.", path)}
    return flags, set(choices), paths | groups


def _wrong(source: str) -> set[str]:
    flags, commands, options = _known()
    found: set[str] = set()
    for text in _texts(ast.parse(source)):
        found |= {one for one in FLAG.findall(text) if one.replace("_", "-") not in flags | OTHERS}
        found |= {f"ptycho {one}" for one in COMMAND.findall(text) if one not in commands}
        found |= {one for one in OPTION.findall(text) if one not in options}
    return found


@pytest.mark.parametrize("package", ["ptycho_config", "ptycho_torch"])
def test_advice_can_be_followed(package: str) -> None:
    """In both packages."""
    sources = sorted((ROOT / package).rglob("*.py"))
    found = {str(path.relative_to(ROOT)): wrong for path in sources if (wrong := _wrong(path.read_text("utf-8")))}
    assert found == {}


def test_advice_that_cannot_be_followed_is_caught() -> None:
    """A flag, a command and an option that there are not, in an error, in a hint and in a remedy."""
    source = """
raise DataError("x", f"{y} is wrong", "give --maks auto")
Problem("a", "b", hint="see `ptycho look`")
remedy = "set torch.refine.pases" if bad else ""
"""
    assert _wrong(source) == {"--maks", "ptycho look", "torch.refine.pases"}
