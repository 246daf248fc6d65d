"""The scripts in `benchmarks/` say what they do before they do it."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = sorted((Path(__file__).parent.parent / "benchmarks").glob("*.py"))
# No script: what others of the folder have in common.
SHARED = {"config_peers.py", "pair.py"}


@pytest.mark.parametrize("script", [path for path in SCRIPTS if path.name not in SHARED], ids=lambda p: p.name)
def test_help_is_shown_and_nothing_runs(script: Path) -> None:
    """`--help` begins what follows the usage with the first line of the docstring, and ends with 0."""
    command = [sys.executable, str(script), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    first = script.read_text(encoding="utf-8").splitlines()[0].removeprefix('"""')
    assert first in done.stdout.replace("\n", " ")
