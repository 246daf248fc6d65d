"""The flags of the commands: all of the replaced system's, and what they mean together."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from ptycho_config import Sources
from ptycho_config.schema import TrainingSetup
from ptycho_torch.api import TrainingRun
from ptycho_torch.cli import infer as inference
from ptycho_torch.cli import main as umbrella
from ptycho_torch.cli import train
from ptycho_torch.cli.common import parse_arguments, sources_from
from ptycho_torch.cli.flags import INFERENCE, TRAINING

FACTS = json.loads((Path(__file__).parent / "upstream_flags.json").read_text())


@pytest.mark.parametrize(("command", "name"), [(command, flag) for command, flags in FACTS.items() for flag in flags])
def test_every_flag_of_the_replaced_system_exists(command: str, name: str) -> None:
    """Under the same name, with dashes for its underscores, which both are understood."""
    parser = {"train": train.parser, "inference": inference.parser}[command]()
    assert name.replace("_", "-") in {text for action in parser._actions for text in action.option_strings}


def _steps(*argv: str) -> dict[str, Any]:
    arguments = parse_arguments(train.parser(), argv)
    sources: Sources = sources_from(arguments, TrainingSetup)
    return {step.path: step.arg for step in sources.command_line.steps if "progress" not in step.path}


TOGETHER = {
    "a switch": (["--probe-mask"], {"training.model.probe_mask": True}),
    "its opposite": (["--no-deterministic"], {"execution.deterministic": False}),
    "the last switch counts": (["--probe-mask", "--no-probe-mask"], {"training.model.probe_mask": False}),
    "a word": (["--logger", "none"], {"execution.logger_backend": None}),
    "two paths": (["--architecture", "fno"], {"torch.net": "fno", "training.model.architecture": "fno"}),
    "an older flag": (["--device", "cuda"], {"execution.accelerator": "gpu"}),
    "the newer flag counts": (["--device", "cpu", "--accelerator", "mps"], {"execution.accelerator": "mps"}),
    "mlflow is off": (["--disable_mlflow", "--logger", "csv"], {"execution.logger_backend": None}),
    "a number": (["--learning-rate", "2e-3"], {"execution.learning_rate": 2e-3}),
    "the contract": (["--scale-contract-version", "legacy_v1"], {"torch.scale.domain": "normalized_amplitude"}),
}


@pytest.mark.parametrize("name", TOGETHER)
def test_what_flags_mean(name: str) -> None:
    """One option each; nothing that was not given is set."""
    argv, expected = TOGETHER[name]
    assert _steps(*argv) == expected


def test_a_deprecated_flag_says_what_to_use(capsys: pytest.CaptureFixture[str]) -> None:
    """One line on standard error; a flag that was not given says nothing."""
    _steps("--device", "cpu")
    expected = "warning: --device is deprecated: use --accelerator, which counts where both are given\n"
    assert capsys.readouterr().err == expected
    _steps("--accelerator", "cpu")
    assert capsys.readouterr().err == ""


def test_one_value_given_twice_is_a_conflict(scan_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two names of one option that disagree are not resolved by order."""
    argv = ["--train_data_file", str(scan_file), "--ptycho_dir", "elsewhere", "--print-config"]
    assert train.main(argv) == 2
    assert "in the same layer" in capsys.readouterr().err


def test_a_scan_needs_no_flag(scan_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As for inference; the same file by name too is no conflict, another one is, and both are named."""
    ask = ["--explain", "training.train_data_file"]
    assert train.main([str(scan_file), *ask]) == 0
    assert capsys.readouterr().out.endswith(f"{str(scan_file)!r}) [command line] SCAN\n")
    assert train.main(["--train_data_file", str(scan_file), str(scan_file), *ask]) == 0
    assert train.main([str(scan_file), "--train_data_file", "elsewhere.npz"]) == 2
    error = capsys.readouterr().err
    assert f"set to {str(scan_file)!r} SCAN and to 'elsewhere.npz' in the same layer" in error
    assert "[command line] --train-data-file" in error


def test_a_file_can_be_the_profile(scan_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It stands below every other layer."""
    (tmp_path / "ours.yaml").write_text("nepochs: 11\nbatch_size: 8\n")
    argv = ["--train_data_file", str(scan_file), "--profile", str(tmp_path / "ours.yaml")]
    assert train.main([*argv, "--max_epochs", "12", "--explain", "training.nepochs"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "training.nepochs: 50 -> 11 [profile] ours.yaml:1 as 'nepochs'",
        "training.nepochs: 11 -> 12 [command line] --max-epochs",
    ]


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_shells_can_complete(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The script knows the commands and their flags."""
    assert umbrella.main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert "--max-epochs" in script
    assert "--varpro-scaling" in script


NO_EFFECT = {
    "--num-workers": (["2"], r"execution\.num_workers: 2 would have no effect: it belongs to training; leave it out"),
    "--probe-mask": ([], r"probe_mask: 'bundle' \(wts\.h5\.zip\) fixes it to False, 'command line' asks for True"),
    "--probe-mask-sigma": (["2"], r"probe_mask_sigma: 'bundle' \(wts\.h5\.zip\) fixes it to 1\.0"),
    "--probe-mask-diameter": (["9"], r"probe_mask_diameter: 'bundle' \(wts\.h5\.zip\) fixes it to None"),
}


@pytest.mark.parametrize("name", NO_EFFECT)
def test_a_flag_that_cannot_work_is_refused_and_in_no_help(
    name: str, trained: TrainingRun, scan_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An inference cannot change it; the help of a training shows it."""
    values, message = NO_EFFECT[name]
    argv = ["--model_path", str(trained.bundle), str(scan_file), "--output_dir", str(tmp_path), "--dry-run"]
    assert inference.main([*argv, name, *values]) == 2
    assert re.search(message, capsys.readouterr().err)
    assert f" {name} " not in inference.parser().format_help(everything=True)
    assert f" {name} " in train.parser().format_help(everything=True)


def test_the_flags_that_work_are_in_the_help() -> None:
    """All the others, each under its first name."""
    text = inference.parser().format_help(everything=True)
    hidden = {flag.names[0] for flag in INFERENCE if f"  {flag.names[0]} " not in text}
    assert hidden == NO_EFFECT.keys() | {"--no-probe-mask"}


def test_inference_has_no_training_flags() -> None:
    """Each command has what it reads."""
    training_only = {flag.path for flag in TRAINING if flag.path.startswith("training.")}
    assert not training_only & {flag.path for flag in INFERENCE}
