"""Commands that look and do not touch: explain, print, dry run, and the `ptycho config` family."""

import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from syrupy.assertion import SnapshotAssertion

from ptycho_config import load
from ptycho_config.schema import TrainingSetup
from ptycho_torch.api import TrainingRun
from ptycho_torch.cli import infer as inference
from ptycho_torch.cli import main as umbrella
from ptycho_torch.cli import train

Output = pytest.CaptureFixture[str]


@pytest.fixture
def command(scan_file: Path, tmp_path: Path) -> list[str]:
    """A training command that would write `tmp_path/out`."""
    return ["--train_data_file", str(scan_file), "--output_dir", str(tmp_path / "out"), "--max_epochs", "3"]


def test_explain_tells_the_history_of_an_option(command: list[str], capsys: Output) -> None:
    """One option with its history, or all of them as a table."""
    assert train.main([*command, "--explain", "training.nepochs"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == "training.nepochs: 50 -> 2 [profile] unrolled"
    assert second == "training.nepochs: 2 -> 3 [command line] --max-epochs"
    assert train.main([*command, "--explain"]) == 0
    assert "training.model.N " in capsys.readouterr().out


def test_the_printed_config_is_the_config(command: list[str], capsys: Output, tmp_path: Path) -> None:
    """It loads, and as a config file it gives itself."""
    assert train.main([*command, "--print-config"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert load(TrainingSetup, printed).training.nepochs == 3
    (tmp_path / "all.json").write_text(json.dumps(printed))
    assert train.main(["--config", str(tmp_path / "all.json"), "--print-config"]) == 0
    assert json.loads(capsys.readouterr().out) == printed


def test_a_dry_run_checks_everything_and_writes_nothing(
    command: list[str], scan_file: Path, capsys: Output, tmp_path: Path
) -> None:
    """The work is put in sentences; bad values in the data are found; no folder appears."""
    small = ["--set=torch.net.width=4", "--set=torch.net.stages=1", "--accelerator", "cpu"]
    assert train.main([*command, *small, "--dry-run"]) == 0
    said = capsys.readouterr().out
    for part in ("36 patterns of 64 x 64 px: 3 epochs of 17 steps", "On the CPU", "in about ", " GB of memory"):
        assert part in said
    assert "Nothing has been written" in said
    arrays = dict(np.load(scan_file))
    arrays["diff3d"] = -arrays["diff3d"]
    np.savez(tmp_path / "bad.npz", **arrays)
    assert train.main([*command[2:], "--train_data_file", str(tmp_path / "bad.npz"), "--dry-run"]) == 2
    assert "negative values" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("below", ["", "deeper/still"])
@pytest.mark.parametrize("main", [train.main, inference.main], ids=["train", "infer"])
def test_a_dry_run_finds_a_file_in_the_place_of_the_folder(
    main: Callable[[list[str]], int], below: str, scan_file: Path, tmp_path: Path, capsys: Output
) -> None:
    """What the run itself would say, above the folder too; the file is as it was and alone."""
    taken = tmp_path / "taken"
    taken.write_text("kept")
    command = [str(scan_file), "--output_dir", str(taken / below), "--quiet"]
    said = []
    for more in (["--dry-run"], []):
        assert main([*command, *more]) == 2
        said.append(capsys.readouterr().err)
    reason = f"cannot write here: {taken} is no folder (choose another output_dir)"
    assert said == [f"error: {taken / below}: {reason}\n"] * 2
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
    assert taken.read_text() == "kept"


def test_inference_can_be_looked_at_too(trained: TrainingRun, scan_file: Path, tmp_path: Path, capsys: Output) -> None:
    """What the bundle decides is explained; nothing is written."""
    command = ["--model_path", str(trained.bundle), "--test_data", str(scan_file)]
    command += ["--output_dir", str(tmp_path / "out")]
    assert inference.main([*command, "--explain", "torch.net.width"]) == 0
    assert "[bundle] wts.h5.zip" in capsys.readouterr().out
    assert inference.main([*command, "--print-legacy"]) == 0
    assert json.loads(capsys.readouterr().out)["set"]["test_data_file_path"] == str(scan_file)
    assert inference.main([*command, "--dry-run", "--refine-passes", "3"]) == 0
    assert "Would reconstruct scan.npz: 36 patterns of 64 x 64 px" in capsys.readouterr().out
    assert umbrella.main(["refine", str(scan_file), "--dry-run", "--output-dir", str(tmp_path / "out")]) == 0
    sentence = "Would refine scan.npz: 36 patterns of 64 x 64 px, from a coarse object, in 6 passes"
    assert sentence in capsys.readouterr().out
    assert not (tmp_path / "out").exists()


def test_the_umbrella_command_inspects_files_and_configs(scan_file: Path, tmp_path: Path, capsys: Output) -> None:
    """`ptycho inspect` and every `ptycho config` command."""
    (tmp_path / "a.yaml").write_text("training: {nepochs: 3}\n")
    assert umbrella.main(["inspect", "--json", str(scan_file)]) == 0
    assert json.loads(capsys.readouterr().out)["n_patterns"] == 36
    assert umbrella.main(["config", "validate", str(tmp_path / "a.yaml")]) == 0
    assert capsys.readouterr().out.endswith("a.yaml: valid\n")
    assert umbrella.main(["config", "show", str(tmp_path / "a.yaml")]) == 0
    assert "config file" in capsys.readouterr().out
    for kind, number in (("training", 5), ("inference", 4)):
        assert umbrella.main(["config", "schema", kind]) == 0
        assert json.loads(capsys.readouterr().out)["title"] == f"ptycho.{kind}/{number}"
    assert umbrella.main(["config", "migrate", str(tmp_path / "a.yaml")]) == 0
    assert json.loads(capsys.readouterr().out)["schema"] == "ptycho.training/5"


def test_configs_are_compared_option_by_option(tmp_path: Path, capsys: Output) -> None:
    """`ptycho config diff` prints what changed and from what."""
    for name, epochs in (("a", 3), ("b", 4)):
        (tmp_path / f"{name}.json").write_text(json.dumps({"training": {"nepochs": epochs}}))
    assert umbrella.main(["config", "diff", str(tmp_path / "a.json"), str(tmp_path / "b.json")]) == 0
    assert capsys.readouterr().out == "training.nepochs: 3 -> 4\n"


def test_the_umbrella_command_delegates_and_refuses(capsys: Output, tmp_path: Path) -> None:
    """`ptycho train` is `ptycho_train`; mistakes end with status 2."""
    assert umbrella.main(["train", "--quiet"]) == 2
    assert "training.train_data_file: is required" in capsys.readouterr().err
    assert umbrella.main(["config", "validate", str(tmp_path / "none.yaml")]) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_the_version_is_that_of_the_package(capsys: Output) -> None:
    """As the package metadata have it, and nothing else."""
    with pytest.raises(SystemExit) as ended:
        umbrella.main(["--version"])
    assert (ended.value.code, capsys.readouterr().out) == (0, f"{version('ptycho')}\n")


def test_help_of_the_umbrella_command(snapshot: SnapshotAssertion, monkeypatch: pytest.MonkeyPatch) -> None:
    """What there is."""
    monkeypatch.setenv("COLUMNS", "100")
    assert umbrella.parser().format_help() == snapshot


def test_all_that_is_wrong_is_said_at_once(scan_file: Path, tmp_path: Path, capsys: Output) -> None:
    """What contradicts the scan, what is out of range, and what does not fit together; the last where it
    stands in the file."""
    config = tmp_path / "run.yaml"
    config.write_text("execution:\n  prefetch_factor: 2\n")
    wrong = ["--config", str(config), "--max_epochs", "0", "--set", "training.model.N=128", "--dry-run"]
    assert umbrella.main(["train", str(scan_file), *wrong]) == 2
    error = capsys.readouterr().err
    assert "3 problems" in error
    for part in ("fixes it to 64", "must be greater than 0, got 0", f"{config.name}:2"):
        assert part in error
