"""PtychoPINN's names of options as flags, and flags that nobody knows."""

from pathlib import Path
from typing import Any

import pytest

from ptycho_config.schema import InferenceSetup, TrainingSetup
from ptycho_torch.cli import evaluate, train
from ptycho_torch.cli import infer as inference
from ptycho_torch.cli import main as umbrella
from ptycho_torch.cli.common import sources_from

TRAINING: dict[str, tuple[str, dict[str, Any]]] = {
    "epochs": ("--nepochs 7", {"training.nepochs": 7}),
    "subsample": ("--n_subsample 20", {"training.n_subsample": 20}),
    "seed": ("--subsample_seed 3", {"training.subsample_seed": 3}),
    "order": ("--sequential_sampling", {"training.sequential_sampling": True}),
    "a truth with its value": ("--sequential_sampling False", {"training.sequential_sampling": False}),
    "backend": ("--backend pytorch", {"training.backend": "pytorch"}),
    "device": ("--torch-accelerator cpu", {"execution.accelerator": "cpu"}),
    "logger": ("--torch-logger none", {"execution.logger_backend": None}),
    "learning rate": ("--torch-learning-rate 1e-4", {"execution.learning_rate": 1e-4}),
    "schedule": ("--torch-scheduler ReduceLROnPlateau", {"training.scheduler": "ReduceLROnPlateau"}),
    "workers": ("--torch-num-workers 2", {"execution.num_workers": 2}),
    "kernels": ("--torch-deterministic", {"execution.deterministic": True}),
    "checkpoints": ("--torch-enable-checkpointing", {"execution.enable_checkpointing": True}),
    "dashes": ("--train-data-file a.npz", {"training.train_data_file": "a.npz"}),
    "a word of theirs": ("--model_type Unsupervised", {"training.model.model_type": "pinn"}),
    "older name": ("--n_images=9", {"training.n_groups": 9}),
}


def _options(module: Any, cls: type, argv: list[str]) -> dict[str, Any]:
    sources = sources_from(module.parser().parse_args(argv), cls)
    assert not sources.problems
    return {step.path: step.arg for step in sources.command_line.steps if "progress" not in step.path}


@pytest.mark.parametrize("name", TRAINING)
def test_names_of_options_are_flags(name: str) -> None:
    """With and without `--torch-`; a flag that is true without a value leaves the scan alone."""
    line, expected = TRAINING[name]
    assert _options(train, TrainingSetup, [*line.split(), "scan.npz"]) == expected


def test_the_names_are_flags_of_an_inference_too() -> None:
    """Those of options that it has, and the folder of the model under both names."""
    argv = ["--model-dir", "run", "--test-data", "a.npz", "--gridsize", "1", "--torch-accelerator", "cpu"]
    found = _options(inference, InferenceSetup, argv)
    assert found == {"inference.model.gridsize": 1, "execution.accelerator": "cpu"}
    arguments = inference.parser().parse_args(argv)
    assert (arguments.model_path, arguments.test_data) == (Path("run"), Path("a.npz"))


REFUSED = {
    "its value is no scan": (train, "--foo 3", "there is no flag --foo"),
    "before a named scan": (inference, "--foo 3 --test_data a.npz", "there is no flag --foo"),
    "a misspelling": (train, "--batchsize 4", "did you mean '--batch-size'?"),
    "no abbreviation": (train, "--max_ep 4", "there is no flag --max-ep; did you mean '--max-epochs'?"),
    "of a training": (inference, "a.npz --nepochs 4", "it belongs to training (training.nepochs)"),
    "gone": (train, "--C 4", "follows from gridsize"),
    "pictures": (inference, "a.npz --comparison_plot", "run ptycho evaluate RECONSTRUCTION TRUTH"),
    "limits": (inference, "a.npz --phase_vmin -1", "pictures choose their range"),
    "stitching": (train, "--do_stitching", "always stitches"),
    "name of the run": (train, "--run_id 7", "--output_dir"),
    "models": (evaluate, "--model-dir run a b", "reconstruct with ptycho_inference first"),
    "a command": (umbrella, "train --foo 3", "there is no flag --foo"),
    "another command": (umbrella, "inspect --foo 3", "there is no flag --foo"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_flag_without_a_place_is_named(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In one line, with what to write instead where there is something."""
    module, line, sentence = REFUSED[name]
    with pytest.raises(SystemExit) as end:
        module.parser().parse_args(line.split())
    assert end.value.code == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert len(error.splitlines()) == 1


def test_the_trace_has_the_flag_and_the_name(scan_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As they were written."""
    assert train.main([str(scan_file), "--nepochs", "7", "--explain", "nepochs"]) == 0
    assert capsys.readouterr().out.endswith("-> 7 [command line] --nepochs as 'nepochs'\n")


@pytest.mark.parametrize("network", ["unrolled", "cnn"])
def test_groups_of_any_size_have_neighbours(network: str, scan_file: Path) -> None:
    """`--gridsize 3` needs no other option."""
    assert train.main([str(scan_file), "--gridsize", "3", "--architecture", network, "--explain", "gridsize"]) == 0


def test_partners_are_as_many_as_neighbours_allow(scan_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A number of neighbours from elsewhere is no conflict with the recommended profile."""
    argv = [str(scan_file), "--neighbor_count", "7", "--gridsize", "2", "--explain", "partners"]
    assert train.main(argv) == 0
    assert capsys.readouterr().out.endswith("0 -> 4 [profile] unrolled, as many as neighbor_count leaves\n")
