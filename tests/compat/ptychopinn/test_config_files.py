"""Configuration files of PtychoPINN: read as they are, or translated with the fate of every key."""

import json
from pathlib import Path
from typing import Any

import pytest

from ptycho_config import ConfigError, load, parse, resolve
from ptycho_config.schema import TrainingSetup
from ptycho_torch.cli import main as umbrella
from ptycho_torch.compat.ptychopinn.config_files import translate

READ_AS_THEY_ARE = {
    "flat": "N: 64\ngridsize: 1\nnepochs: 3\nn_images: 16\nnphotons: 1e9\nmodel_type: pinn\n",
    "sections": "model: {N: 64, gridsize: 1}\nsampling: {n_images: 16}\nnepochs: 3\n",
    "classes": '{"data_config": {"N": 64, "grid_size": [1, 1]}, "training_config": {"epochs": 3, "n_groups": 16}}',
}


@pytest.mark.parametrize("name", READ_AS_THEY_ARE)
def test_files_are_read_as_they_are(name: str, tmp_path: Path) -> None:
    """Every key through the vocabulary."""
    path = tmp_path / "theirs.yaml"
    path.write_text(READ_AS_THEY_ARE[name])
    found = resolve(TrainingSetup(), parse(TrainingSetup, path)).config.training
    assert (found.model.N, found.model.gridsize, found.nepochs, found.n_groups) == (64, 1, 3, 16)


def test_options_of_the_execution_that_belong_to_the_training_arrive_there() -> None:
    """With the name that was written; a complete document, which holds their defaults too, is no contradiction."""
    written = {"execution": {"scheduler": "Exponential", "gradient_clip_val": 2}, "training": {"n_images": 5}}
    resolved = resolve(TrainingSetup(), parse(TrainingSetup, written, "notes"))
    training = resolved.config.training
    assert (training.scheduler, training.gradient_clip_val, training.n_groups) == ("Exponential", 2.0, 5)
    assert str(resolved.explain("training.scheduler")).endswith("[notes] as 'execution.scheduler'")
    complete = {"execution": {"scheduler": "Default"}, "training": {"scheduler": "Exponential"}}
    assert resolve(TrainingSetup(), parse(TrainingSetup, complete)).config.training.scheduler == "Exponential"
    with pytest.raises(ConfigError, match="in the same layer"):
        parse(TrainingSetup, {"execution": {"scheduler": "Adaptive"}, "training": {"scheduler": "Exponential"}})


THEIRS: dict[str, Any] = {
    "object.big": True,
    "data_source": "lines",
    "training": {"epochs": 5},
    "model_config": {"architecture": "fno", "C_model": 4, "amp_activation": "silu"},
    "datagen_config": {"object_class": "dead_leaves"},
    "mae_weight": 0.5,
    "npseed": 42,
    "use_xla_translate": True,
    "bogus": 1,
}


def test_every_key_has_a_fate() -> None:
    """The document that is printed loads, and nothing is dropped in silence."""
    document, fates = translate(THEIRS)
    setup = resolve(TrainingSetup(), parse(TrainingSetup, document)).config
    assert setup.training.nepochs == 5
    assert setup.training.model.architecture == "fno"
    assert load(TrainingSetup, {"schema": document["schema"]}) == TrainingSetup()
    sentences = {fate.key: fate.sentence or ", ".join(fate.paths) for fate in fates}
    assert sentences == {
        "object.big": "training.model.object_big",
        "data_source": "simulation is not part of a run: use ptycho simulate",
        "training.epochs": "training.nepochs",
        "model_config.architecture": "torch.net, training.model.architecture",
        "model_config.C_model": "follows from gridsize",
        "model_config.amp_activation": "training.model.amp_activation",
        "datagen_config.object_class": "simulation is not part of a run: use ptycho simulate",
        "mae_weight": "is read by the TensorFlow backend only; here torch_loss_mode names the one loss of the patterns",
        "npseed": "set training.subsample_seed, the one seed of a run",
        "use_xla_translate": "had no effect with this backend",
        "bogus": "unknown field",
    }


def test_a_version_within_a_table_is_no_option() -> None:
    """Nor is an editor's address."""
    _, fates = translate({"data_config": {"$schema": "ptycho.training/1"}, "model": {"schema": 3}})
    assert [fate.paths for fate in fates] == [(), ()]


def test_two_values_of_one_option_are_an_error() -> None:
    """As anywhere."""
    with pytest.raises(ConfigError, match="keep one of the two"):
        translate({"nepochs": 3, "training": {"max_epochs": 4}})


def test_the_command_prints_the_document_and_the_fates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The document alone on standard output."""
    (tmp_path / "theirs.json").write_text(json.dumps({"nepochs": 3, "data_source": "grf"}))
    assert umbrella.main(["config", "migrate", str(tmp_path / "theirs.json")]) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["training"] == {"nepochs": 3}
    assert shown.err.splitlines() == [
        "nepochs: 3 -> training.nepochs",
        "data_source: 'grf' left out: simulation is not part of a run: use ptycho simulate",
    ]
