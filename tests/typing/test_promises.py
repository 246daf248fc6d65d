"""Two type checkers find the mistakes of users, and nothing in what is right."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
FILES = ("promises.py", "mistakes.py")
VERBS = ("verbs.py",)
MARK = re.compile(r"  # (both|mypy|pyright|neither): ")


def _marked(*marks: str, file: str = "mistakes.py") -> set[tuple[str, int]]:
    lines = enumerate((HERE / file).read_text().splitlines(), 1)
    return {(file, n) for n, line in lines if (found := MARK.search(line)) and found[1] in marks}


def _mypy(names: Sequence[str] = FILES) -> set[tuple[str, int]]:
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", *(str(HERE / name) for name in names)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    return {(name, int(line)) for name, line in re.findall(r"(\w+\.py):(\d+): error", done.stdout)}


def _pyright(names: Sequence[str] = FILES) -> set[tuple[str, int]]:
    files = [str(HERE / name) for name in names]
    command = [sys.executable, "-m", "basedpyright", "--level", "error", "--outputjson", *files]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    found = json.loads(done.stdout)["generalDiagnostics"]
    errors = (one for one in found if one["severity"] == "error")
    return {(Path(one["file"]).name, one["range"]["start"]["line"] + 1) for one in errors}


@pytest.mark.parametrize(("check", "name"), [(_mypy, "mypy"), (_pyright, "pyright")], ids=["mypy", "pyright"])
def test_mistakes_are_reported_and_nothing_else(check: Callable[[], set[tuple[str, int]]], name: str) -> None:
    """The reported lines are the marked lines: at least 28 of the 33 mistakes."""
    assert len(_marked("both", "mypy", "pyright", "neither")) == 33
    expected = _marked("both", name)
    assert len(expected) >= 28
    assert check() == expected


@pytest.mark.slow
@pytest.mark.parametrize("check", [_mypy, _pyright], ids=["mypy", "pyright"])
def test_scripts_of_users_are_typed(check: Callable[[Sequence[str]], set[tuple[str, int]]]) -> None:
    """All verbs and what they return: the marked lines are reported, and no other."""
    assert check(VERBS) == _marked("both", file="verbs.py")
