"""ptychodus 1.7.0 trains and reconstructs with this package, unmodified."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ptychodus.api.reconstruct import TrainOutput

from ptycho_config.schema import TrainingSetup
from ptycho_torch.output.run_configs import read_config, read_run
from tests.compat.ptychodus.client import judged, object_of, reconstruct_here, reconstructor, train_here
from tests.compat.ptychodus.scans import Known, known_scan

ROOT = Path(__file__).parents[3]
EPOCHS = 5


@pytest.fixture(scope="module")
def scan() -> Known:
    """12 patterns."""
    return known_scan(4, 3)


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty current folder, which children inherit."""
    before, folder = Path.cwd(), tmp_path_factory.mktemp("elsewhere")
    os.chdir(folder)
    yield folder
    os.chdir(before)


@pytest.fixture(scope="module")
def trained(
    scan: Known,
    workplace: Path,  # noqa: ARG001 - the child starts there
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[TrainOutput, Any, Path]:
    """A training with every setting but the epochs untouched, through the client's child process."""
    client, folder = reconstructor(epochs=EPOCHS), tmp_path_factory.mktemp("same")
    client.export_training_data(folder / "training.npz", scan.given)
    (output,) = client.train(folder, folder)
    return output, client, folder


def test_untouched_settings_train_and_report_every_epoch(trained: tuple[TrainOutput, Any, Path]) -> None:
    """On a machine without a GPU; training and validation loss of each reach the client."""
    output, _, _ = trained
    for losses in (output.training_loss, output.validation_loss):
        assert [loss.epoch for loss in losses] == list(range(EPOCHS))
        assert np.isfinite([loss.value for loss in losses]).all()
    assert output.progress == EPOCHS
    assert output.training_loss[-1].value < output.training_loss[0].value


def test_nothing_is_written_outside_the_output(trained: tuple[TrainOutput, Any, Path], workplace: Path) -> None:
    """The current folder stays empty, and the scan lies alone beside the folder of the run."""
    _, _, folder = trained
    assert list(workplace.iterdir()) == []
    names = sorted(path.name.partition("_")[0] for path in folder.iterdir())
    assert names == ["run", "training.npz"]
    assert [path.parent.name for path in folder.rglob("best-checkpoint.ckpt")] == ["checkpoints"]


def test_the_folder_of_the_run_is_a_configuration(trained: tuple[TrainOutput, Any, Path]) -> None:
    """With the layer of the client, and for trainings of our own."""
    _, _, folder = trained
    (run,) = folder.glob("run_*")
    configs = read_run(run)["training"]
    assert str(configs.explain("training.nepochs")).splitlines()[-1].endswith("[ptychodus] as 'epochs'")
    options = {step.path: step.arg for step in read_config(TrainingSetup, run).steps}
    assert options["training.nepochs"] == EPOCHS
    assert "training.output_dir" not in options


@pytest.mark.slow
def test_a_moved_model_reconstructs_in_a_fresh_process(
    trained: tuple[TrainOutput, Any, Path], scan: Known, tmp_path: Path
) -> None:
    """The one file is enough: the object comes back on the array that it came on."""
    _, client, folder = trained
    client.save_model(tmp_path / "model.ckpt")
    hidden = folder.rename(folder.with_name("hidden"))
    fresh = reconstructor()
    fresh.load_model_from_file(tmp_path / "model.ckpt")
    (output,) = fresh.reconstruct(scan.given)
    hidden.rename(folder)
    made, given = output.product.object_, scan.given.product.object_
    assert made.get_geometry() == given.get_geometry()
    contrast, ratio = judged(object_of(output), scan, margin=2)
    assert contrast > 0.9
    assert ratio == pytest.approx(1, abs=0.1)


SORTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "uint16": ({"dtype": np.uint16}, {}),
    "int32 with bad pixels, three modes": ({"dtype": np.int32, "bad": True, "modes": 3}, {}),
    "float32, one channel": ({"dtype": np.float32}, {"num_channels": 1}),
    "float64, labels": ({"dtype": np.float64, "with_object": True}, {"mode": "Supervised"}),
    "labels, one channel": ({"with_object": True}, {"mode": "Supervised", "num_channels": 1}),
    "amplitude loss, a worker": ({}, {"loss_function": "MAE", "num_dataloader_workers": 1}),
    "fine-tuning": ({}, {"enable_staged_finetuning": True, "finetune_stage1_epochs": 1, "finetune_stage2_epochs": 1}),
}


@pytest.mark.parametrize("name", SORTS)
def test_every_sort_of_scan_and_training(name: str, tmp_path: Path) -> None:
    """Of read-only arrays, in the client's own process; right after one epoch and the refinement."""
    sort, settings = SORTS[name]
    scan = known_scan(6, 5, **sort)
    mode = settings.get("mode", "Unsupervised")
    run = train_here(tmp_path / "run", scan, epochs=1, **settings)
    assert len(run.output.training_loss) == len(run.output.validation_loss) == 1
    made = reconstruct_here(run.model, scan, mode)
    assert made.shape == scan.shape
    contrast, ratio = judged(made, scan, margin=8)
    assert contrast > 0.9
    assert ratio == pytest.approx(1, abs=0.1)


def test_several_scans_train_together(tmp_path: Path) -> None:
    """Of different sizes and modes; both come back on arrays of their own."""
    scans = known_scan(4, 5), known_scan(5, 4, seed=1, modes=2)
    run = train_here(tmp_path / "run", *scans, epochs=1)
    for scan in scans:
        assert reconstruct_here(run.model, scan).shape == scan.shape


@pytest.mark.slow
def test_two_trainings_in_one_folder_do_not_meet(scan: Known, tmp_path: Path) -> None:
    """At the same time, on the same scan: two models, both whole."""
    clients = [reconstructor(epochs=1), reconstructor(epochs=2)]
    clients[0].export_training_data(tmp_path / "training.npz", scan.given)
    outputs: list[TrainOutput] = []
    threads = [
        threading.Thread(target=lambda one=one: outputs.extend(one.train(tmp_path, tmp_path))) for one in clients
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(output.progress for output in outputs) == [1, 2]
    models = [client._loaded_model_path for client in clients]
    assert None not in models
    epochs = [torch.load(path, weights_only=True)["record"].count("val_loss") for path in models if path]
    assert epochs == [1, 1]
    assert len(set(models)) == 2


ENDLESS = """
import sys
from pathlib import Path
from tests.compat.ptychodus.client import train_here
from tests.compat.ptychodus.scans import known_scan
train_here(Path(sys.argv[1]), known_scan(4, 3), epochs=5000)
print("finished")
"""


def test_a_cancelled_training_leaves_no_part_of_a_model(tmp_path: Path) -> None:
    """SIGTERM while it trains ends it within the client's 10 s; every checkpoint there is whole, and
    none has the name of a finished model."""
    command = [sys.executable, "-c", ENDLESS, str(tmp_path / "out")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        until = time.monotonic() + 60
        while not list(tmp_path.rglob("last.ckpt")) and process.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=10)
    assert "finished" not in output
    found = list(tmp_path.rglob("*.ckpt*"))
    assert found
    for path in found:
        torch.load(path, map_location="cpu", weights_only=True)
    assert "best-checkpoint.ckpt" not in {path.name for path in found}


def test_a_scan_without_labels_cannot_be_supervised(tmp_path: Path) -> None:
    """An object of ones is no label; the error says what to do, and nothing was trained."""
    with pytest.raises(ValueError, match=r"is no object.*supervised training needs"):
        train_here(tmp_path / "run", known_scan(4, 4), mode="Supervised", epochs=1)
    assert not list(tmp_path.rglob("*.ckpt"))


@pytest.mark.slow
def test_a_small_scan_comes_out_right(tmp_path: Path) -> None:
    """210 patterns, 10 epochs, all else untouched: less than a third of the 290 s of the patched
    original, contrast 0.9 at zero shift, amplitude within 10 %."""
    scan, client = known_scan(15, 14), reconstructor(epochs=10)
    client.export_training_data(tmp_path / "training.npz", scan.given)
    start = time.monotonic()
    list(client.train(tmp_path, tmp_path))
    (output,) = client.reconstruct(scan.given)
    seconds = time.monotonic() - start
    made = object_of(output)
    assert made.shape == scan.shape
    contrast, ratio = judged(made, scan, margin=32)
    assert contrast >= 0.9
    assert ratio == pytest.approx(1, abs=0.1)
    shifted = [judged(np.roll(made, shift, (0, 1)), scan, margin=32)[0] for shift in ((1, 0), (0, 1), (-1, -1))]
    assert max(shifted) < contrast
    assert seconds < 290 / 3
    shutil.rmtree(tmp_path)
