"""Every command that a page shows is one: it parses, and those of the README run, in their order."""

import argparse
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ptycho_torch import read_scan
from ptycho_torch.cli import evaluate, infer, main, train

ROOT = Path(__file__).parent.parent
PAGES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md"]
ALONE = {"ptycho_train": train, "ptycho_inference": infer, "ptycho_evaluate": evaluate}
COMMAND = re.compile(r"^(?:\$ )?((?:ptycho|ptycho_train|ptycho_inference|ptycho_evaluate) [^`#|>&;\n]*)", re.MULTILINE)
INLINE = re.compile(r"`((?:ptycho|ptycho_train|ptycho_inference|ptycho_evaluate) [a-z][^`]*)`")
# Words in capitals stand for what a user has, `A|B` for a choice.
PLACEHOLDER = re.compile(r"[A-Z_]{3,}|\||\.\.\.|<")


def _commands(text: str) -> Iterator[str]:
    for block in re.findall(r"^```(?:bash)?\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        yield from (one.strip() for one in COMMAND.findall(block.replace("\\\n", " ")))
    yield from (one for one in INLINE.findall(text) if not PLACEHOLDER.search(one))


def _parse(command: str) -> argparse.Namespace:
    name, *words = shlex.split(command)
    parser = ALONE[name].parser() if name in ALONE else main.parser()
    return parser.parse_args(words)


def _wrong(text: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The commands of a text that do not parse."""
    found = []
    for command in _commands(text):
        try:
            _parse(command)
        except SystemExit as end:
            said = capsys.readouterr().err
            # A sentence may name a command without what it works on.
            if end.code and "arguments are required" not in said:
                found.append(f"{command}: {said}")
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_of_a_page_parse(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the flags that there are."""
    assert _wrong(page.read_text(encoding="utf-8"), capsys) == []


def test_a_command_that_there_is_not_is_caught(capsys: pytest.CaptureFixture[str]) -> None:
    """In a block and in a line."""
    text = "```\nptycho infer scan.npz --ouptut-dir a\n```\nand `ptycho look scan.npz` too"
    assert len(_wrong(text, capsys)) == 2


@pytest.mark.slow
def test_the_commands_of_the_readme_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In an empty folder with the demo scan, one after the other, with status 0: all but the help, and those
    with a name in capitals."""
    monkeypatch.chdir(tmp_path)
    # The browser that a training opens its page in.
    monkeypatch.setenv("BROWSER", "true")
    shutil.copy(ROOT / "tests" / "data" / "siemens_star_64.npz", "scan.npz")
    Path("base.yaml").write_text(
        "training: {train_data_file: scan.npz, nepochs: 1, n_groups: 8}\ntorch: {net: {stages: 1, width: 4}}\n"
    )
    commands = [one for one in _commands((ROOT / "README.md").read_text(encoding="utf-8")) if "--help" not in one]
    assert len(commands) > 12
    for command in commands:
        assert main.main(shlex.split(command)[1:]) == 0, command
        capsys.readouterr()


def test_the_script_of_the_quickstart_writes_a_scan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the frames of a detector and the stage: patterns around the beam, positions in pixels of the object."""
    monkeypatch.chdir(tmp_path)
    rng, spot = np.random.default_rng(0), (slice(250, 271), slice(234, 255))
    frames = np.zeros((12, 340, 330), np.uint16)
    frames[:, *spot] = rng.poisson(50, (12, 21, 21))
    stage_m = 1e-7 * np.stack([np.arange(12) // 4, np.arange(12) % 4], axis=1)
    np.save("frames.npy", frames)
    np.save("stage.npy", stage_m)
    script = re.findall(
        r"^```python\n(.*?)^```", (ROOT / "docs" / "quickstart.md").read_text(), re.MULTILINE | re.DOTALL
    )
    exec(compile(script[0], "quickstart.md", "exec"), {})  # noqa: S102 - the script of the page is what is tested
    found = read_scan("scan.npz")
    assert found.pixel_m is not None
    assert np.ptp(found.position_yx, axis=0) * found.pixel_m == pytest.approx(np.ptp(stage_m, axis=0), rel=1e-6)
    assert found.intensity.shape == (12, 128, 128)
    assert (found.intensity[np.arange(12)][:, 54:75, 54:75] == frames[:, *spot]).all()
