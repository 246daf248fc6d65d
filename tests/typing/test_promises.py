"""mypy and pyright report every mistake that the algebra promises to catch, and nothing else."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROMISES = Path(__file__).parent / "promises.py"


def _marked(mark: str) -> set[int]:
    return {
        n for n, line in enumerate(PROMISES.read_text().splitlines(), 1) if line.strip() and mark in line.split("`")[0]
    }


def _mypy() -> set[int]:
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", str(PROMISES)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    return {int(line) for line in re.findall(r"promises\.py:(\d+): error", done.stdout)}


def _pyright() -> set[int]:
    command = [sys.executable, "-m", "basedpyright", "--level", "error", "--outputjson", str(PROMISES)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    found = json.loads(done.stdout)["generalDiagnostics"]
    return {one["range"]["start"]["line"] + 1 for one in found if one["severity"] == "error"}


@pytest.mark.parametrize(
    ("check", "marks"), [(_mypy, ("# wrong:", "# wrong for mypy:")), (_pyright, ("# wrong:",))], ids=["mypy", "pyright"]
)
def test_every_mistake_is_reported_and_nothing_else(check: Callable[[], set[int]], marks: tuple[str, ...]) -> None:
    """The reported lines are the marked lines."""
    expected = set().union(*map(_marked, marks))
    assert len(expected) >= 9
    assert check() == expected
