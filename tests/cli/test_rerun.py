"""A run repeats itself from its own record, in another process, to the last bit."""

import json
import shutil
import subprocess
import sys
from contextlib import chdir
from pathlib import Path

import numpy as np
import pytest

from ptycho_torch.api import rerun
from ptycho_torch.cli import main
from ptycho_torch.errors import DataError
from ptycho_torch.files import file_digest
from ptycho_torch.output.bundle import load_bundle
from tests.runs import SMALL


@pytest.fixture(scope="module")
def folder(scan_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training, without a seed of its own, and a reconstruction, each by a command of this process, with a scan of
    their own; what is repeated is repeated by another."""
    place = tmp_path_factory.mktemp("runs")
    shutil.copy(scan_file, place / "scan.npz")
    options = [f"--set={path}={value}" for path, value in {**SMALL, "training.nepochs": 1}.items()]
    command = ["train", "scan.npz", "--output_dir", "run", "--quiet", "--set=training.subsample_seed=null", *options]
    with chdir(place):
        assert main.main(command) == 0
        assert main.main(["infer", "scan.npz", "--model_path", "run", "--output_dir", "object", "--quiet"]) == 0
    return place


def _command(place: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "ptycho_torch.cli.main", *arguments]
    return subprocess.run(command, cwd=place, check=True, capture_output=True, text=True).stdout


def test_a_training_is_repeated_to_the_last_bit(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By a new process, with the seed that was drawn; the config differs by folder and seed alone."""
    out = _command(folder, "rerun", "run", "--quiet")
    old, new = load_bundle(folder / "run"), load_bundle(folder / "run_rerun")
    count = sum(tensor.numel() for tensor in old.weights.values())
    assert out.endswith(f"all {count} values are the same to the last bit\n")
    assert {name: tensor.numpy().tobytes() for name, tensor in old.weights.items()} == {
        name: tensor.numpy().tobytes() for name, tensor in new.weights.items()
    }
    assert old.record.history == new.record.history
    capsys.readouterr()
    with chdir(folder):
        assert main.main(["config", "diff", "run", "run_rerun"]) == 0
    differing = capsys.readouterr().out.splitlines()
    assert {line.partition(":")[0] for line in differing} == {"training.output_dir", "training.subsample_seed"}


def test_a_reconstruction_is_repeated_to_the_last_bit(folder: Path) -> None:
    """Object, illumination and all else that the run wrote as arrays."""
    out = _command(folder, "rerun", "object", "--output_dir", "again", "--quiet")
    assert "are the same to the last bit" in out
    old, new = (np.load(folder / name / "reconstruction.npz") for name in ("object", "again"))
    assert {name: old[name].tobytes() for name in old} == {name: new[name].tobytes() for name in new}


def test_another_result_is_told_with_what_was_different(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A scan that was changed, and another version; status 2."""
    shutil.copytree(folder, tmp_path / "moved")
    monkeypatch.chdir(tmp_path / "moved")
    arrays = dict(np.load("scan.npz"))
    arrays["diff3d"] = arrays["diff3d"] * np.float32(1.5)
    np.savez("scan.npz", **arrays)
    metrics = json.loads(Path("object/metrics.json").read_text())
    metrics["inference"]["versions"]["torch"] = "1.0"
    Path("object/metrics.json").write_text(json.dumps(metrics))
    assert main.main(["rerun", "object"]) == 2
    assert "metrics.json: is not the file that the run in this folder wrote" in capsys.readouterr().err
    Path("object/results.json").unlink()
    assert main.main(["rerun", "object"]) == 2
    error = capsys.readouterr().err
    for part in ("object differs in", "torch was 1.0, is ", "scan.npz is not the file that it was"):
        assert part in error


def test_a_run_is_repeated_in_a_new_folder(folder: Path) -> None:
    """Nothing is written over."""
    with pytest.raises(DataError, match="is not empty"):
        rerun(folder / "run", folder / "object")


def test_a_run_without_its_record_is_not_repeated(folder: Path, tmp_path: Path) -> None:
    """Nothing is computed that could not be compared."""
    shutil.copytree(folder / "object", tmp_path / "object")
    (tmp_path / "object" / "metrics.json").unlink()
    with pytest.raises(DataError, match=r"its metrics\.json and reconstruction\.npz cannot be read"):
        rerun(tmp_path / "object")
    assert not (tmp_path / "object_rerun").exists()


def test_the_record_of_a_run_names_its_files(folder: Path) -> None:
    """With their digests: the scan of a training, scan and bundle of a reconstruction."""
    digest = file_digest(folder / "scan.npz")
    assert load_bundle(folder / "run").record.files == {"scan.npz": digest}
    record = json.loads((folder / "object" / "metrics.json").read_text())["inference"]
    assert record["files"] == {"scan.npz": digest, "run/wts.h5.zip": file_digest(folder / "run" / "wts.h5.zip")}


def test_a_digest_sees_size_and_content(tmp_path: Path) -> None:
    """Also of a file above the size that is read whole."""
    for size in (10, 2**28 + 5):
        file = tmp_path / "a"
        with file.open("wb") as stream:
            stream.truncate(size)
        first = file_digest(file)
        with file.open("r+b") as stream:
            stream.write(b"x")
        second = file_digest(file)
        with file.open("ab") as stream:
            stream.write(b"\0")
        assert len({first, second, file_digest(file)}) == 3
