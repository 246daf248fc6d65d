"""Nothing that a run has left is written over unless that was allowed."""

import json
import webbrowser
from pathlib import Path

import pytest

from ptycho_torch.api import TrainingRun
from ptycho_torch.cli import main
from ptycho_torch.cli.output_folder import TRAINED
from ptycho_torch.training.checkpoints import LAST
from tests.runs import SMALL

Output = pytest.CaptureFixture[str]


def test_results_are_refused_replaced_or_numbered(
    trained: TrainingRun, scan_file: Path, tmp_path: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that was named is refused, with `--overwrite` it is written again; the default gets a number, which
    the derivation of the run knows. The browser shows a report where that was said."""
    monkeypatch.chdir(tmp_path)
    command = ["infer", str(scan_file), "--model-path", str(trained.bundle), "--quiet"]
    for folder in ("inference_outputs", "inference_outputs_2"):
        assert main.main(command) == 0
        # With `--quiet` all that is said is where the report is.
        assert capsys.readouterr() == (f"{folder}/report.html\n", "")
    made = tmp_path / "inference_outputs" / "metrics.json"
    before = made.stat().st_mtime_ns
    for more in ([], ["--dry-run"]):
        assert main.main([*command, "--output-dir", "inference_outputs", *more]) == 2
        assert "holds reconstruction.npz of an earlier run (--overwrite replaces it" in capsys.readouterr().err
    assert made.stat().st_mtime_ns == before
    opened = list[str]()
    # In place of the browser of the machine.
    monkeypatch.setattr(webbrowser, "open", opened.append)
    assert main.main([*command, "--output-dir", "inference_outputs", "--overwrite", "--report"]) == 0
    assert made.stat().st_mtime_ns > before
    assert opened == [(tmp_path / "inference_outputs" / "report.html").as_uri()]
    assert main.main(["config", "show", "inference_outputs_2"]) == 0
    (line,) = [one for one in capsys.readouterr().out.splitlines() if one.startswith("inference.output_dir")]
    assert "since inference_outputs holds results" in line


def test_a_stopped_training_is_not_lost(scan_file: Path, tmp_path: Path, capsys: Output) -> None:
    """Its checkpoint counts as a result, and `--resume` is named."""
    assert str(LAST) == TRAINED[1]
    (tmp_path / LAST).parent.mkdir()
    (tmp_path / LAST).touch()
    command = ["train", str(scan_file), "--output-dir", str(tmp_path), *(f"--set={k}={v}" for k, v in SMALL.items())]
    assert main.main(command) == 2
    assert "--resume goes on with it, --overwrite replaces it" in capsys.readouterr().err


def test_a_refinement_takes_the_config_of_an_inference(scan_file: Path, tmp_path: Path, capsys: Output) -> None:
    """Options that it does not read are refused with their place; what it prints as a config is one."""
    config = tmp_path / "run.yaml"
    config.write_text("torch: {refine: {passes: 3, alpha: 0.2}}\n")
    command = ["refine", str(scan_file), "--config", str(config)]
    assert main.main([*command, "--explain", "torch.refine.passes"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "torch.refine.passes: 'auto' -> 6 [profile] refine",
        f"torch.refine.passes: 6 -> 3 [config file] {config.name}:1",
    ]
    assert main.main([*command, "--print-config"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["torch"]["refine"]["alpha"] == 0.2
    assert "stitch" not in printed["torch"]
    (tmp_path / "all.json").write_text(json.dumps(printed))
    assert main.main(["refine", str(scan_file), "--config", str(tmp_path / "all.json"), "--print-config"]) == 0
    assert json.loads(capsys.readouterr().out) == printed
    config.write_text("torch: {stitch: {window: 3}}\n")
    assert main.main([*command, "--explain"]) == 2
    error = capsys.readouterr().err
    assert "torch.stitch.window: would have no effect: a refinement does not read it" in error
    assert "run.yaml:1" in error
