"""The scripts in `benchmarks/` say what they do before they do it."""

import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = sorted((Path(__file__).parent.parent / "benchmarks").glob("*.py"))
# No script: what others of the folder have in common.
SHARED = {"config_peers.py", "pair.py"}


@pytest.mark.parametrize("script", [path for path in SCRIPTS if path.name not in SHARED], ids=lambda p: p.name)
def test_help_is_shown_and_nothing_runs(
    script: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--help` begins what follows the usage with the first line of the docstring, and ends with 0."""
    # A process for each, which imports torch, would take half a minute in all.
    monkeypatch.setattr(sys, "argv", [str(script), "--help"])
    monkeypatch.syspath_prepend(script.parent)
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(script), run_name="__main__")
    assert ended.value.code in {None, 0}
    first = script.read_text(encoding="utf-8").splitlines()[0].removeprefix('"""')
    assert first in capsys.readouterr().out.replace("\n", " ")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "learned"),
    [(["--cases", "fno"], "2 of 2"), (["--cases", "cnn swish", "--limit", "20", "--torch-weights"], "0 of 2")],
)
def test_a_network_of_images_learns_from_every_seed(options: list[str], learned: str) -> None:
    """More than the mean pattern, within a minute; with the first weights of torch alone the cnn would not."""
    script = next(path for path in SCRIPTS if path.name == "traps.py")
    command = [sys.executable, str(script), "--seeds", "0", "1", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    (row,) = json.loads(done.stdout.splitlines()[-1])
    assert row["learned"] == learned
