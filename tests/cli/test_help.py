"""Help, suggestions and completion: a newcomer finds the flag."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ptycho_torch.cli import main as umbrella

COMMANDS = ["train", "infer", "refine", "simulate", "sweep", "inspect", "evaluate", "convert", "rerun"]
COMMANDS += ["prepare", "export", "pretrain", "watch", "completion", "config", "config show", "config schema", ""]


def _help(*words: str) -> None:
    with pytest.raises(SystemExit):
        umbrella.main(words)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_a_screen(command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Less than 60 lines of 80 columns, with the name of the command."""
    monkeypatch.setenv("COLUMNS", "80")
    _help(*command.split(), "--help")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"usage: ptycho {command}")
    assert len(lines) < 60
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("command", ["train", "infer", "refine"])
def test_the_common_flags_have_groups_defaults_and_an_example(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--help-all` has the others too."""
    monkeypatch.setenv("COLUMNS", "80")
    _help(command, "--help")
    common = capsys.readouterr().out
    _help(command, "--help-all")
    everything = capsys.readouterr().out
    for part in ("Scan and results:", "[default: ", f"example:  ptycho {command} scan.npz", "--seed N", "--overwrite"):
        assert part in common
    assert "--print-legacy" in everything
    assert "--print-legacy" not in common


def test_a_flag_is_the_same_with_underscores_and_dashes() -> None:
    """Of every command, also before `=`; what follows `--` is no flag."""
    parser = umbrella.parser()
    for spelling in (["--output-dir", "a"], ["--output_dir", "a"], ["--output_dir=a"]):
        assert parser.parse_args(["evaluate", "x", "y", *spelling]).output_dir == Path("a")
    assert parser.parse_args(["inspect", "--", "--a_b"]).file == Path("--a_b")


MISSES = {
    "a typing error": ("train a --bach-size 3", "did you mean '--batch-size'?"),
    "the beginning": ("infer a --out b", "did you mean '--output-dir'?"),
    "two beginnings": ("infer a --refine", "did you mean '--refine-passes' or '--refine-probe'"),
    "a command": ("trian a", "there is no command 'trian'; did you mean 'train'?"),
    "a command of config": ("config shwo", "did you mean 'show'?"),
    "a choice": ("inspect a --mask fiel", "did you mean 'file'?"),
    "no command": ("", "COMMAND"),
}


@pytest.mark.parametrize("name", MISSES)
def test_a_near_miss_is_answered_with_a_suggestion(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One line, status 2."""
    line, sentence = MISSES[name]
    with pytest.raises(SystemExit) as end:
        umbrella.main(line.split())
    error = capsys.readouterr().err
    assert end.value.code == 2
    assert sentence in error
    assert len(error.splitlines()) == 1


def test_help_answers_at_once() -> None:
    """Within half a second of processor time, of which Python itself takes a part."""
    before = os.times()
    subprocess.run([sys.executable, "-m", "ptycho_torch.cli.main", "train", "--help"], check=True, capture_output=True)
    after = os.times()
    assert after.children_user + after.children_system - before.children_user - before.children_system < 0.5


COMPLETED = {
    "a choice": ("ptycho train --mask ", {"file", "auto"}),
    "a network": ("ptycho train --architecture ff", {"ffno"}),
    "a flag": ("ptycho infer --refine-p", {"--refine-passes", "--refine-probe", "--refine-positions"}),
    "a command": ("ptycho conf", {"config"}),
    "a path": ("ptycho infer sca", {"scan.npz"}),
    "a path after a flag": ("ptycho refine --start sca", {"scan.npz"}),
    "an option": (
        "ptycho infer scan.npz --set torch.refine.pass",
        {"torch.refine.passes=", "torch.refine.passes=auto"},
    ),
    "an option and its values": (
        "ptycho train --set training.model.model",
        {"training.model.model_type=", "training.model.model_type=pinn", "training.model.model_type=supervised"},
    ),
    "a value": ("ptycho train --set training.model.model_type=su", {"supervised"}),
    "what follows a value": ("ptycho train --set training.nepochs=3 --res", {"--resume"}),
    "an option to explain": ("ptycho refine scan.npz --explain torch.refine.pass", {"torch.refine.passes"}),
    "no option of a training": ("ptycho infer --set execution.learning", {""}),
}


@pytest.fixture(scope="module")
def script() -> str:
    """The completion script of bash."""
    command = [sys.executable, "-m", "ptycho_torch.cli.main", "completion", "bash"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("name", COMPLETED)
def test_a_shell_completes_values(name: str, script: str, tmp_path: Path) -> None:
    """By the script, in bash."""
    line, expected = COMPLETED[name]
    (tmp_path / "scan.npz").touch()
    # As bash splits it.
    words = re.findall(r"=|[^ =]+|(?<= )$", line)
    quoted = " ".join(f"'{word}'" for word in words)
    ask = f"COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; $(complete -p ptycho | sed 's/.*-F //'); "
    # A program in an argument may have 128 KiB.
    (tmp_path / "completion").write_text(f"{script}\n{ask}printf '%s\\n' \"${{COMPREPLY[@]}}\"")
    done = subprocess.run(["/bin/bash", "completion"], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert {word.rstrip() for word in done.stdout.split("\n")[:-1]} == expected
