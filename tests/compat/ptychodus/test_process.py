"""What happens in which process, and what a result is placed on."""

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import torch
from ptychodus.api.probe_positions import ProbePositionSequence

from ptycho_config.legacy import legacy_params
from ptycho_torch.api.base_api import (
    ConfigManager,
    DataloaderFormats,
    InferenceEngine,
    PtychoDataLoader,
    PtychoModel,
    Trainer,
)
from ptycho_torch.compat.ptychodus.inference import object_shape
from ptycho_torch.data.joint_dataset import parts_of
from ptycho_torch.lightning_utils import find_best_checkpoint
from ptycho_torch.model import PtychoPINN_Lightning
from ptycho_torch.training.datasets import training_data
from tests.compat.ptychodus.client import Run, configs, judged, reconstruct_here, reconstructor, train_here
from tests.compat.ptychodus.scans import Known, known_scan
from tests.runs import start_rank_1_with

ROOT = Path(__file__).parents[3]

PAYLOAD = """
import sys
from pathlib import Path
from ptychodus.api.settings import SettingsRegistry
from ptychodus.model.ptychopinn_torch.core import PtychoPINNTorchReconstructorLibrary
library = PtychoPINNTorchReconstructorLibrary(SettingsRegistry(), is_developer_mode_enabled=False)
first, second = library
assert (first.name, second.name) == ("Unsupervised", "Supervised")
payload = first._build_train_payload(Path("in"), Path("out"))
assert payload.training_config.device == "cuda"
print(sorted({name.partition(".")[0] for name in sys.modules} & {"torch", "lightning", "pytorch_lightning"}))
"""


def test_the_window_process_imports_neither_torch_nor_lightning() -> None:
    """It finds the backend, makes the payload of a training, and holds no GPU."""
    made = subprocess.run([sys.executable, "-c", PAYLOAD], cwd=ROOT, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    assert made.stdout.strip() == "[]"


@pytest.fixture(scope="module")
def scan() -> Known:
    """30 patterns."""
    return known_scan(6, 5)


@pytest.fixture(scope="module")
def run(scan: Known, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Two epochs."""
    return train_here(tmp_path_factory.mktemp("run"), scan, epochs=2)


def test_the_window_sees_how_it_goes(scan: Known, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Through `logging`, which the client forwards; nothing is printed."""
    with caplog.at_level(logging.INFO):
        made = train_here(tmp_path / "run", scan, epochs=1)
        reconstruct_here(made.model, scan)
    texts = [record.message for record in caplog.records if record.name.startswith("ptycho_torch")]
    first = [text.partition(" ")[0] for text in texts]
    assert first == ["verdict:", "Training", "Trained", "estimated:", "Reconstructed", "verdict:"]


@pytest.mark.slow
def test_two_processes_train_and_the_caller_is_the_first(scan: Known, tmp_path: Path) -> None:
    """Over gloo on the CPU; the callback of the client, which cannot be pickled, sees what one process
    alone would see."""
    histories = []
    for devices in (1, 2):
        folder = tmp_path / str(devices)
        histories.append(_trained_as_the_client_does(scan, folder, epochs=2, devices=devices))
        assert find_best_checkpoint(folder) is not None
    for alone, together in zip(*histories, strict=True):
        np.testing.assert_allclose(together, alone, rtol=2e-4)
    assert len(histories[0]) == 2


DEATHS = {
    "at once": ("import os\nos.kill(os.getpid(), 9)", r"ended with exit code -9 \(SIGKILL\)"),
    "with words": (
        "import os, sys\nprint('no licence for this machine', file=sys.stderr, flush=True)\nos._exit(7)",
        r"ended with exit code 7; last output:\s+no licence for this machine",
    ),
    "while training": (
        """
import os, pathlib, threading, time
def end():
    while not list(pathlib.Path().rglob("last.ckpt")): time.sleep(0.02)
    os._exit(5)
threading.Thread(target=end, daemon=True).start()
""",
        "ended with exit code 5",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("death", DEATHS)
def test_a_process_that_dies_is_named(death: str, scan: Known, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what it wrote, within seconds; no model is written, and the caller's process is as it was."""
    code, end = DEATHS[death]
    start_rank_1_with(code, tmp_path, monkeypatch)
    monkeypatch.chdir(tmp_path)
    environment, threads = dict(os.environ), torch.get_num_threads()
    handler, start = signal.getsignal(signal.SIGTERM), time.monotonic()
    with pytest.raises(RuntimeError, match=f"process 1 of 2 {end}"):
        _trained_as_the_client_does(scan, tmp_path / "run", epochs=500, devices=2)
    assert time.monotonic() - start < 30
    assert find_best_checkpoint(tmp_path / "run") is None
    assert dict(os.environ) == environment
    assert (torch.get_num_threads(), signal.getsignal(signal.SIGTERM)) == (threads, handler)
    assert not torch.distributed.is_initialized()


def _trained_as_the_client_does(scan: Known, folder: Path, *, epochs: int, devices: int) -> list[tuple[float, float]]:
    """The calls of the client, without its limit of devices to GPUs."""
    from lightning.pytorch.callbacks import Callback  # noqa: PLC0415 - as the client does

    class Losses(Callback):
        def on_train_epoch_end(self, trainer: Any, _: Any) -> None:
            metrics = trainer.callback_metrics
            found.append((float(metrics[m.model.loss_name]), float(metrics[m.model.val_loss_name])))

    folder.mkdir()
    reconstructor().export_training_data(folder / "scan.npz", scan.given)
    payload = configs(epochs=epochs, batch_size=32)
    payload.training_config.n_devices = devices
    found: list[tuple[float, float]] = []
    names = ("data_config", "model_config", "training_config", "inference_config", "datagen_config")
    manager = ConfigManager(**{name: getattr(payload, name) for name in names})
    loader = PtychoDataLoader(
        data_dir=folder,
        config_manager=manager,
        data_format=DataloaderFormats("lightning_only_module"),
        output_dir=folder,
    )
    m = PtychoModel._new_model(model=PtychoPINN_Lightning, config_manager=manager)
    trainer = Trainer._from_lightning(model=m, dataloader=loader, orchestration="lightning", config_manager=manager)
    trainer._trainer.callbacks.append(Losses())
    trainer.train(orchestration="lightning", experiment_name="")
    return found


def test_a_config_can_switch_the_refinement_off(run: Run, scan: Known) -> None:
    """The stitched object of the network alone, which fits the scan less well."""
    data, model, training, inference = PtychoModel._extract_configs_from_checkpoint(str(run.model))
    made = []
    for passes in (0, inference.refine_passes):
        inference.refine_passes = passes
        loaded = PtychoModel(model_config=model, data_config=data, training_config=training, inference_config=inference)
        loaded.model = PtychoPINN_Lightning.load_from_checkpoint(run.model, model_config=model)
        manager = ConfigManager.from_loaded_model(loaded)
        manager.validate_arch_compatibility(loaded)
        engine = InferenceEngine(config_manager=manager, ptycho_model=loaded)
        made.append(engine.predict_and_stitch(_loader(scan, manager)))
    plain, refined = (judged(object_, scan, margin=8)[0] for object_ in made)
    assert plain < refined - 0.1


def _loader(scan: Known, manager: ConfigManager) -> PtychoDataLoader:
    geometry, positions = scan.given.product.object_.get_geometry(), scan.given.product.probe_positions
    y = geometry.map_probe_positions_to_object_y_px(positions)
    x = geometry.map_probe_positions_to_object_x_px(positions)
    return PtychoDataLoader.from_np(
        diff_patterns=scan.given.diffraction_patterns,
        probe=scan.given.product.probes.get_probe_no_opr().get_array(),
        positions=np.column_stack((y, x)),
        config_manager=manager,
    )


def test_another_network_than_the_trained_one_is_refused(run: Run) -> None:
    """ValueError with both values."""
    data, model, training, inference = PtychoModel._extract_configs_from_checkpoint(str(run.model))
    loaded = PtychoModel(model_config=model, data_config=data, training_config=training, inference_config=inference)
    loaded.model = PtychoPINN_Lightning.load_from_checkpoint(run.model)
    manager = ConfigManager.from_loaded_model(loaded)
    manager.model_config = attrs.evolve(model, n_filters_scale=3)
    with pytest.raises(ValueError, match="was trained with n_filters_scale 2, not 3"):
        manager.validate_arch_compatibility(loaded)


def test_a_part_of_a_scan_comes_back_on_the_whole_array(run: Run, scan: Known) -> None:
    """Every second pattern: the middle of those is not that of the array, which is known from training."""
    given = scan.given
    half = ProbePositionSequence(list(given.product.probe_positions)[:-7])
    product = attrs.evolve(scan).given.product
    part = type(given)(
        given.diffraction_patterns[:-7],
        given.bad_pixels,
        type(product)(product.metadata, half, product.probes, product.object_, []),
    )
    made = reconstruct_here(run.model, Known(part, scan.truth))
    assert made.shape == scan.shape
    contrast, _ = judged(made, Known(part, scan.truth), margin=8)
    assert contrast > 0.9


def test_an_array_that_is_not_known_is_said(caplog: pytest.LogCaptureFixture) -> None:
    """The nearest size, with a warning; a scan in the middle of its array needs no knowledge."""
    middle = np.array([[40.0, 50.0], [93.0, 97.0]])
    assert object_shape(middle, [], 64) == (134, 148)
    assert not caplog.records
    assert object_shape(middle + 0.2, [(140, 150)], 64) == (140, 150)
    assert not caplog.records
    assert object_shape(middle + 0.2, [(140, 150), (141, 150)], 64) == (134, 148)
    assert "Reconstruct all positions" in caplog.text


@pytest.mark.parametrize("side", [64, 51])
def test_labels_lie_where_the_patterns_are(side: int, tmp_path: Path) -> None:
    """A label is the part of the object that its pattern was made from, to the pixel: a patch lies
    symmetrically around its position, in the client's counting from the centre of pixel 0."""
    scan = known_scan(4, 4, side=side, with_object=True)
    folder = tmp_path / "run"
    folder.mkdir()
    client = reconstructor("Supervised", subtract_mean_phase=False)
    client.export_training_data(folder / "scan.npz", scan.given)
    payload = client._build_train_payload(folder, folder)  # type: ignore[misc]
    names = ("data_config", "model_config", "training_config", "inference_config")
    loader = PtychoDataLoader(folder, ConfigManager(**{name: getattr(payload, name) for name in names}))
    (part,) = parts_of(training_data(loader.configs.config, 0).training)
    y, x = _loader(scan, ConfigManager()).arrays.position_yx[0]  # type: ignore[union-attr]
    top, left = round(y - (side - 1) / 2), round(x - (side - 1) / 2)
    assert part.scan.label is not None
    expected = scan.truth[top : top + side, left : left + side]
    np.testing.assert_allclose(part.scan.label[0].numpy() * part.scan.object_scale, expected, rtol=1e-4)


def test_the_legacy_dict_follows_the_settings(scan: Known, tmp_path: Path) -> None:
    """Once, at the boundary, before data is read."""
    train_here(tmp_path / "run", scan, epochs=1, num_channels=1)
    assert legacy_params["gridsize"] == 1
    assert legacy_params["N"] == 64
