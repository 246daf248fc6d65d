"""Networks, losses and stitch weights of another package: the example of `docs/extending.md`, installed."""

import json
import re
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ptycho_config import ConfigError, Sources, create_training_payload, parse
from ptycho_config.schema import TrainingSetup
from ptycho_torch.api import TrainingRun, load, reconstruct, train
from ptycho_torch.nets.reconstructor import build_model

PAGE = Path(__file__).parents[2] / "docs" / "extending.md"
Install = Callable[..., None]


def _block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Puts the package of the page, or changed text of it, where Python finds installed packages."""

    def put(code: str = _block("python"), version: str = "1.0") -> None:
        site = tmp_path / f"site-{version}"
        info = site / f"mypkg-{version}.dist-info"
        info.mkdir(parents=True)
        (site / "mypkg.py").write_text(code, encoding="utf-8")
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: mypkg\nVersion: {version}\n")
        groups = tomllib.loads(_block("toml"))["project"]["entry-points"]
        lines = [
            line
            for group, parts in groups.items()
            for line in (f"[{group}]", *(f"{name} = {target}" for name, target in parts.items()))
        ]
        (info / "entry_points.txt").write_text("\n".join(lines))
        monkeypatch.syspath_prepend(site)
        monkeypatch.delitem(sys.modules, "mypkg", raising=False)

    return put


def _sources(tmp_path: Path, **more: Any) -> Sources:
    path = tmp_path / "own.yaml"
    path.write_text(_block("yaml"), encoding="utf-8")
    overrides = {"nepochs": 2, "batch_size": 8, "subsample_seed": 0, **more}
    return Sources(config_file=parse(TrainingSetup, path), overrides=overrides)


def _train(scan_file: Path, tmp_path: Path, **more: Any) -> TrainingRun:
    return train(scan_file, tmp_path / "model", sources=_sources(tmp_path, **more), legacy={})


def test_the_example_trains_and_its_bundle_reconstructs(install: Install, scan_file: Path, tmp_path: Path) -> None:
    """Its network learns three step lengths, with its loss; its weights stitch; the bundle has the names."""
    install()
    run = _train(scan_file, tmp_path)
    losses = run.record.history.train_loss
    assert losses[-1] < losses[0]
    assert run.record.parameters == 3
    shared: dict[str, Any] = {"model": run.bundle, "legacy": {}}
    made = reconstruct(scan_file, tmp_path / "out", **shared)
    assert 0.5 * made.metrics.R_flat > made.metrics.R
    stitched = [
        reconstruct(scan_file, tmp_path / weight.split(":")[0], patch_weighting=weight, passes=0, **shared).canvas
        for weight in ("mypkg:modulus", "uniform")
    ]
    assert not np.array_equal(stitched[0].illumination, stitched[1].illumination)
    config = json.loads((tmp_path / "out" / "config.json").read_text())["training"]["config"]
    assert config["torch"]["net"]["name"] == "mypkg:descent"
    assert config["training"]["torch_loss_mode"] == "mypkg:gaussian"
    assert config["torch"]["stitch"]["patch_weighting"] == "mypkg:modulus"


def test_a_bundle_without_its_package_says_what_is_missing(
    install: Install, scan_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model, the network, the package and the fix."""
    install()
    run = _train(scan_file, tmp_path, nepochs=1)
    monkeypatch.undo()
    with pytest.raises(ConfigError) as caught:
        load(run.bundle)
    text = str(caught.value)
    assert str(run.bundle) in text
    assert "torch.net.name: there is no network 'mypkg:descent'" in text
    assert "install the package 'mypkg'" in text


def test_a_training_without_the_package_names_every_part_and_writes_nothing(scan_file: Path, tmp_path: Path) -> None:
    """Network, loss and weights in one error."""
    with pytest.raises(ConfigError) as caught:
        _train(scan_file, tmp_path)
    assert [problem.path for problem in caught.value.problems] == [
        "torch.net.name",
        "training.torch_loss_mode",
        "torch.stitch.patch_weighting",
    ]
    assert not (tmp_path / "model").exists()


def test_stitch_weights_that_are_missing_at_inference_write_nothing(
    trained: TrainingRun, scan_file: Path, tmp_path: Path
) -> None:
    """Whatever the model was trained with."""
    sources = Sources(overrides={"patch_weighting": "gone:modulus"})
    with pytest.raises(ConfigError, match="install the package 'gone'"):
        reconstruct(scan_file, tmp_path / "out", model=trained.bundle, sources=sources, legacy={})
    assert not (tmp_path / "out").exists()


def _build(tmp_path: Path, **more: Any) -> None:
    setup = create_training_payload(sources=_sources(tmp_path, **more))[0].config
    build_model(setup.training.model, setup.torch, seed=0)


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        ({"torch.net.name": "mypkg:decent"}, "did you mean 'mypkg:descent'"),
        ({"torch.net.options": ["stage=3"]}, "torch.net.options: do not fit .* unexpected keyword argument"),
        ({"torch.scale.normalize": "None"}, "torch.scale.normalize: 'None' cannot be"),
        ({"torch.overlap.weight": 1.0}, "torch.overlap.weight: compares patches"),
    ],
)
def test_options_that_the_network_does_not_take_are_refused(
    install: Install, tmp_path: Path, overrides: dict[str, Any], reason: str
) -> None:
    """With the field and the fix, as for the networks of this package."""
    install()
    with pytest.raises(ConfigError, match=reason):
        _build(tmp_path, **overrides)


def test_a_network_that_does_not_fit_into_memory_is_refused(install: Install, tmp_path: Path) -> None:
    """As soon as it has more parameters than there is room for."""
    install()
    setup = create_training_payload(sources=_sources(tmp_path))[0].config
    with pytest.raises(ConfigError, match=r"torch.net: would be too large.* of GPU memory, of which 10 bytes are free"):
        build_model(setup.training.model, setup.torch, seed=0, gpu_free=10)


CODE = _block("python")
PLAIN = CODE.replace("(ObjectNet):", "(nn.Module):")
FLAWED = {
    "no facts": (PLAIN, "which is not a network"),
    "no object": (
        PLAIN.replace("Module):", "Module):\n    sees, fixes_scale = 'object', True\n", 1).replace(
            "def reconstruct", "def restore"
        ),
        "which is not a network",
    ),
    "no such fact": (CODE.replace("(ObjectNet):", "(ObjectNet):\n    sees = 'objects'\n"), "which is not"),
    "a broken import": (f"import gone\n{CODE}", "cannot be imported: No module named 'gone'"),
    "another class": (CODE.replace("class Descent", "class Other"), "cannot be imported: .* 'Descent'"),
}


@pytest.mark.parametrize("name", FLAWED)
def test_what_is_not_a_network_is_refused(install: Install, tmp_path: Path, name: str) -> None:
    """With what it lacks, and not somewhere in the middle of a training."""
    code, reason = FLAWED[name]
    assert code != CODE
    install(code)
    with pytest.raises(ConfigError, match=reason):
        _build(tmp_path, **{"torch.net.options": []})


def test_values_of_options_are_json_or_text(tmp_path: Path) -> None:
    """A number, a list, and a word."""
    options = ["stages=3", "widths=[8, 16]", "kind=deep"]
    net = create_training_payload(sources=_sources(tmp_path, **{"torch.net.options": options}))[0].config
    assert getattr(net.torch.net, "arguments", None) == {"stages": 3, "widths": [8, 16], "kind": "deep"}


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        ({"torch_loss_mode": "poison"}, r"must be 'poisson', 'mae', or 'package:name' .*did you mean 'poisson'"),
        ({"patch_weighting": "prob"}, r"must be 'probe', 'uniform', or 'package:name' .*did you mean 'probe'"),
        ({"torch.net.name": "descent"}, "must be 'package:name' of an installed package, got 'descent'"),
        ({"torch.net.name": None}, "torch.net.name: is required"),
        ({"torch.net.options": ["stages"]}, "must be a list of 'name=value'"),
        ({"torch.net.options": ["stages=1", "stages=2"]}, "each name once"),
    ],
)
def test_a_misspelt_name_is_refused_without_looking_for_a_package(
    tmp_path: Path, overrides: dict[str, Any], reason: str
) -> None:
    """When the options are read."""
    with pytest.raises(ConfigError, match=reason):
        create_training_payload(sources=_sources(tmp_path, **overrides))
