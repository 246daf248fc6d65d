"""The commands as processes: help at once, one sentence for every mistake, nothing half-written."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from syrupy.assertion import SnapshotAssertion

from ptycho_torch.api import TrainingRun
from ptycho_torch.cli import infer as inference
from ptycho_torch.cli import main as umbrella
from ptycho_torch.cli import train


@pytest.fixture
def arguments(scan_file: Path, tmp_path: Path) -> list[str]:
    """A training command that would work."""
    return ["--train_data_file", str(scan_file), "--output_dir", str(tmp_path / "out"), "--quiet"]


@pytest.mark.parametrize("module", [train, inference], ids=["train", "inference"])
def test_help_texts(module: Any, snapshot: SnapshotAssertion, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every flag, explained by the schema."""
    monkeypatch.setenv("COLUMNS", "100")
    assert module.parser().format_help() == snapshot


def test_help_imports_no_torch() -> None:
    """`--help` answers before anything heavy is loaded."""
    code = (
        "import sys; sys.argv = ['ptycho_train', '--help']\n"
        "from ptycho_torch.cli.train import main\n"
        "try: main()\n"
        "except SystemExit: print([m for m in ('torch', 'numpy', 'lightning') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.splitlines()[-1] == "[]"


def test_a_training_command_runs_from_a_config_file(arguments: list[str], tmp_path: Path) -> None:
    """File and flags together, as a process; progress is lines on standard error."""
    (tmp_path / "run.yaml").write_text("training: {nepochs: 9, batch_size: 8}\ntorch: {net: {width: 4, stages: 1}}\n")
    command = [sys.executable, "-m", "ptycho_torch.cli.train", *arguments[:-1], "--max_epochs", "1"]
    command += ["--config", str(tmp_path / "run.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("trained 1 epochs")
    assert "epoch 1/1  train_loss" in done.stderr
    assert (tmp_path / "out" / "wts.h5.zip").exists()


MISTAKES = {
    "unknown option": (["--set", "training.nepoch=3"], "did you mean 'training.nepochs'?"),
    "no equals sign": (["--set", "training.nepochs"], "must read PATH=VALUE"),
    "wrong value": (["--max_epochs", "many"], "must be an integer, got 'many'   [command line] --max-epochs"),
    "contradicts the data": (["--set", "training.model.N=128"], "'command line' asks for 128"),
    "two values": (["--max_epochs", "3", "--set", "training.nepochs=4"], "in the same layer"),
    "no config file": (["--config", "none.yaml"], "cannot be read"),
    "no such device": (["--accelerator", "mps"], "'mps' has no double precision"),
    "no validation scan": (["--test_data_file", "none.npz"], "no such file"),
    "nothing to watch": (
        ["--set", "training.scheduler=ReduceLROnPlateau", "--set", "torch.data.validation_fraction=0"],
        "watches a validation loss; there is none",
    ),
    "not available": (["--set", "training.mae_weight=0.5"], "is read by the TensorFlow backend only"),
    "too many groups": (["--n_groups", "9999"], "n_groups is 9999, but there are"),
    "too few neighbours": (["--set", "torch.overlap.partners=40"], "raise neighbor_count to 40"),
}


@pytest.mark.parametrize(("more", "sentence"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_ends_with_one_message(
    arguments: list[str], more: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit status 2, the sentence on standard error, no traceback."""
    assert train.main([*arguments, *more]) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert "Traceback" not in error


def test_debug_shows_where_an_error_arose(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """`--debug` adds the traceback."""
    assert train.main([*arguments, "--debug", "--max_epochs", "0"]) == 2
    assert "Traceback" in capsys.readouterr().err


def _damaged(path: Path, **changes: Any) -> Path:
    arrays = dict(np.load(path, allow_pickle=False))
    arrays.update(changes)
    np.savez(path.parent / "damaged.npz", **{k: v for k, v in arrays.items() if v is not None})
    return path.parent / "damaged.npz"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"probeGuess": None}, "has no probeGuess"),
        ({"probeGuess": np.ones((32, 32), np.complex64)}, "32 x 32 pixels"),
        ({"diff3d": np.ones((36, 12, 12)), "probeGuess": np.ones((12, 12), complex)}, "must be 16 or greater, got 12"),
        ({"xcoords": np.ones(3), "ycoords": np.ones(3)}, "3 positions for"),
        ({"ycoords": np.full(36, np.nan), "xcoords": np.ones(36)}, "hold NaN"),
    ],
)
def test_bad_data_leaves_nothing_behind(
    scan_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], sentence: str
) -> None:
    """The output folder does not exist after a refused scan."""
    wrong = _damaged(scan_file, **changes)
    assert train.main(["--train_data_file", str(wrong), "--output_dir", str(tmp_path / "out")]) == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_training_that_diverges_saves_nothing(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A loss that is not a number ends with advice, and no bundle is written."""
    wild = ["--set", "training.optimizer=sgd", "--set", "execution.learning_rate=1e30"]
    calm = ["--set", "training.gradient_clip_val=null", "--set", "torch.net.width=4", "--max_epochs", "2"]
    assert train.main([*arguments, *wild, *calm]) == 2
    assert "training diverged" in capsys.readouterr().err
    assert not (tmp_path / "out" / "wts.h5.zip").exists()


def test_a_folder_that_cannot_be_written_is_named(
    scan_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file in the place of the folder."""
    (tmp_path / "taken").write_text("")
    assert train.main(["--train_data_file", str(scan_file), "--output_dir", str(tmp_path / "taken")]) == 2
    assert "cannot write here" in capsys.readouterr().err


def test_a_missing_training_file_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    """Neither flag nor config file names a scan."""
    assert train.main(["--quiet"]) == 2
    assert "training.train_data_file: is required" in capsys.readouterr().err


def test_inference_refuses_what_it_cannot_use(
    trained: TrainingRun, scan_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No bundle, no scan, another network than the trained one."""
    out = ["--output_dir", str(tmp_path / "out")]
    assert inference.main(["--model_path", str(tmp_path), "--test_data", str(scan_file), *out]) == 2
    assert "there is no wts.h5.zip" in capsys.readouterr().err
    model = ["--model_path", str(trained.bundle)]
    assert inference.main([*model, "--test_data", str(tmp_path / "none.npz"), *out]) == 2
    assert "no such file" in capsys.readouterr().err
    usable = [*model, "--test_data", str(scan_file), *out]
    assert inference.main([*usable, "--set", "torch.net.width=8"]) == 2
    assert "'bundle' (wts.h5.zip) fixes it to 4" in capsys.readouterr().err
    assert inference.main([*usable, "--set", "execution.learning_rate=1"]) == 2
    assert "it belongs to training" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_folder_is_not_one_scan(scan_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is said what is needed, though the folder holds a scan; nothing is written."""
    out = tmp_path / "out"
    assert umbrella.main(["refine", str(scan_file.parent), "--output_dir", str(out), "--quiet"]) == 2
    expected = f"error: {scan_file.parent}: is a folder, one scan file is needed (give one of the files in it)\n"
    assert capsys.readouterr().err.endswith(expected)
    assert not out.exists()


def test_without_torch_the_package_says_how_to_get_it() -> None:
    """A RuntimeError with the command to run (POLICY-001)."""
    code = (
        "import sys, importlib.abc\n"
        "class NoTorch(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'torch': raise ModuleNotFoundError(name)\n"
        "import importlib.util as u\n"
        "sys.path = [p for p in sys.path if 'site-packages' not in p]\n"
        "import ptycho_torch"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, cwd=root, check=False)
    assert done.returncode == 1
    assert "RuntimeError: ptycho_torch needs PyTorch" in done.stderr
    assert "pip install torch" in done.stderr
