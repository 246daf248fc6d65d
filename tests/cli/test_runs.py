"""What a run leaves is a configuration: its folder, its `config.json` and its bundle, for every command."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from ptycho_config import Sources, at, fields, load, parse
from ptycho_config.schema import TrainingSetup
from ptycho_torch.api import Reconstruction, TrainingRun, reconstruct, refine, train
from ptycho_torch.cli import infer, main
from ptycho_torch.cli import train as training
from tests.runs import SMALL

Output = pytest.CaptureFixture[str]
c = fields(TrainingSetup)


@pytest.fixture(scope="module")
def reconstructed(trained: TrainingRun, scan_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Reconstruction:
    """A reconstruction with an option of its own."""
    sources = Sources(overrides={"execution.inference_batch_size": 3})
    return reconstruct(scan_file, tmp_path_factory.mktemp("object"), model=trained.bundle, sources=sources, legacy={})


PLACES = {"folder": "", "config.json": "config.json", "bundle": "wts.h5.zip"}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES.keys())
def test_a_training_can_be_configured_as_another_one_was(
    trained: TrainingRun, place: str, scan_file: Path, capsys: Output
) -> None:
    """The options of the run count, on top of the profile and below the flags; where it wrote does not."""
    command = [str(scan_file), "--config", str(trained.bundle.parent / place), "--batch_size", "4", "--print-config"]
    assert training.main(command) == 0
    setup = json.loads(capsys.readouterr().out)
    expected = at(c.training.batch_size).put(4) >> at(c.training.output_dir).put(TrainingSetup().training.output_dir)
    assert load(TrainingSetup, setup) == expected(trained.configs.config)
    assert training.main([*command[:-1], "--explain", "torch.net.width"]) == 0
    assert f"[config file] {trained.bundle.parent / place}".rstrip("/") in capsys.readouterr().out


def test_an_inference_can_be_configured_as_another_one_was(
    trained: TrainingRun, reconstructed: Reconstruction, scan_file: Path, capsys: Output
) -> None:
    """Its own options count; bundle and scan are those of the command. The run of a training has none."""
    command = [str(scan_file), "--model_path", str(trained.bundle), "--config"]
    assert infer.main([*command, str(reconstructed.folder), "--explain", "execution.inference_batch_size"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("execution.inference_batch_size: 64 -> 3 [config file]")
    assert infer.main([*command, str(reconstructed.folder), "--print-config"]) == 0
    assert json.loads(capsys.readouterr().out)["inference"]["test_data_file"] == str(scan_file)
    assert infer.main([*command, str(trained.bundle.parent), "--print-config"]) == 2
    assert "give it as --model_path" in capsys.readouterr().err


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES.keys())
def test_the_config_of_a_run_is_shown_and_checked(trained: TrainingRun, place: str, capsys: Output) -> None:
    """With the layers that set its values, as the run had them."""
    path = str(trained.bundle.parent / place)
    assert main.main(["config", "show", path]) == 0
    shown = {line.split()[0]: line.split() for line in capsys.readouterr().out.splitlines()}
    assert shown["training.nepochs"][1:] == ["2", "epochs", "explicit", "overrides"]
    assert shown["training.weight_decay"][-2:] == ["profile", "unrolled"]
    assert main.main(["config", "validate", path]) == 0
    assert capsys.readouterr().out.endswith(": valid\n")
    assert main.main(["config", "migrate", path]) == 0
    assert load(TrainingSetup, json.loads(capsys.readouterr().out)) == trained.configs.config


def test_what_a_reconstruction_decided_is_shown(reconstructed: Reconstruction, capsys: Output) -> None:
    """After its options: what was estimated, and the misfits that decided."""
    assert reconstructed.metrics.choices
    assert main.main(["config", "show", str(reconstructed.folder)]) == 0
    assert capsys.readouterr().out.splitlines()[-len(reconstructed.metrics.choices) :] == [
        *reconstructed.metrics.choices
    ]


def test_what_a_refinement_decided_is_shown(scan_file: Path, tmp_path: Path, capsys: Output) -> None:
    """With its options, which are all that it has for a config."""
    made = refine(scan_file, tmp_path / "refined", passes=3)
    assert made.metrics.choices
    assert main.main(["config", "show", str(made.folder)]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[-len(made.metrics.choices) :] == [*made.metrics.choices]
    assert next(line for line in shown if line.startswith("passes")).split()[1] == "3"


def test_two_runs_are_compared_with_the_layers_of_both(
    trained: TrainingRun, reconstructed: Reconstruction, scan_file: Path, tmp_path: Path, capsys: Output
) -> None:
    """A training with another, and with the one that a reconstruction knows."""
    others = {**SMALL, "training.nepochs": 1, "torch.net.width": 6}
    train(scan_file, tmp_path / "b", sources=Sources(overrides=others), legacy={})
    assert main.main(["config", "diff", str(trained.bundle.parent), str(tmp_path / "b")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "training.nepochs: 2 [explicit overrides] -> 1 [explicit overrides]" in lines
    assert {line.partition(":")[0] for line in lines} == {"training.nepochs", "torch.net.width", "training.output_dir"}
    assert main.main(["config", "diff", str(trained.bundle), str(reconstructed.folder)]) == 0
    assert capsys.readouterr().out == ""


def _bundle_with(bundle: Path, copy: Path, **entries: str | None) -> None:
    """A copy of a bundle whose manifest has other entries; those that are None are left out."""
    with zipfile.ZipFile(bundle) as old, zipfile.ZipFile(copy, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "manifest.json":
                manifest = {key: value for key, value in (json.loads(data) | entries).items() if value is not None}
                data = json.dumps(manifest).encode()
            new.writestr(name, data)


def test_files_that_are_no_run_say_so(trained: TrainingRun, tmp_path: Path, capsys: Output) -> None:
    """An empty folder, none, a changed config, and another archive: one message, status 2."""
    (tmp_path / "empty").mkdir()
    changed = json.loads((trained.bundle.parent / "config.json").read_text())
    changed["training"]["config"]["training"]["nepochs"] = 99
    (tmp_path / "config.json").write_text(json.dumps(changed))
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("a.txt", "a")
    (tmp_path / "broken.zip").write_bytes(b"PK")
    _bundle_with(trained.bundle, tmp_path / "newer.zip", schema="ptycho.bundle/9")
    _bundle_with(trained.bundle, tmp_path / "headless.zip", config_sha256=None)
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "config.json").write_text(json.dumps({"training": {"config": 3, "layers": []}}))
    for name, reason in (
        ("empty", "is no run: it has neither a config.json of one nor a wts.h5.zip"),
        ("none.zip", "no such file or folder"),
        ("config.json", "training.nepochs: the steps give 2, the file holds 99"),
        ("other.zip", "is not a bundle of this project; it holds a.txt"),
        ("broken.zip", "is damaged"),
        ("newer.zip", "this version reads 'ptycho.bundle/2'"),
        ("headless.zip", "is damaged: 'config_sha256'"),
        ("deep/config.json", "unknown field"),
    ):
        assert main.main(["config", "show", str(tmp_path / name)]) == 2
        assert reason in capsys.readouterr().err


def test_a_run_by_a_function_is_read_without_running_it(scan_file: Path, tmp_path: Path, capsys: Output) -> None:
    """Its config counts; its reasons are not replayed."""
    halved = at(c.execution.learning_rate).over(half)
    small = {**SMALL, "training.nepochs": 1}
    train(scan_file, tmp_path / "a", sources=Sources(overrides=parse(TrainingSetup, small) >> halved), legacy={})
    assert main.main(["config", "show", str(tmp_path / "a")]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("execution.learning_rate")]
    assert line.split()[1:] == ["0.002", "1/step", "record", "of", "the", "run"]


def half(rate: float) -> float:
    """A function of a module."""
    return rate / 2


def test_looking_at_a_run_does_not_load_torch(trained: TrainingRun) -> None:
    """It answers at once."""
    code = "import sys; from ptycho_torch.cli.main import main; main(sys.argv[1:]); sys.exit('torch' in sys.modules)"
    command = [sys.executable, "-c", code, "config", "show", str(trained.bundle)]
    subprocess.run(command, check=True, capture_output=True)
