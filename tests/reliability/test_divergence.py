"""A training that diverges keeps the best weights from before; kernels are deterministic where there are any."""

from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch

from ptycho_config import Sources
from ptycho_torch.api import resolve_training
from ptycho_torch.device import deterministic_kernels
from ptycho_torch.errors import DivergedError
from ptycho_torch.training.checkpoints import LAST, read_checkpoint
from ptycho_torch.training.datasets import training_data
from ptycho_torch.training.fit import training_record, untrained_model
from ptycho_torch.training.trainer import Fit, prepare, run
from tests.runs import SMALL

pytestmark = pytest.mark.filterwarnings("ignore:.*training diverged:RuntimeWarning")


class Spoil(pl.Callback):
    """Makes a weight infinite after the last step of an epoch, whose loss is still a number."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Spoil it."""
        if trainer.current_epoch == self.epoch and trainer.is_last_batch:
            next(pl_module.parameters()).data.fill_(torch.inf)


def _fit(scan: Path, folder: Path, epochs: int, fraction: float, *callbacks: pl.Callback) -> tuple[Any, ...]:
    """The weights, the outcome and the record of a training."""
    options = {**SMALL, "training.nepochs": epochs, "torch.data.validation_fraction": fraction}
    # The steps do not depend on how many epochs there will be.
    options["training.scheduler"] = "Exponential"
    setup = resolve_training(scan, folder, sources=Sources(overrides=options))[0].config
    data = training_data(setup, 0)
    model = untrained_model(setup, data, 0)
    session = prepare(model, setup, data.training, data.validation, seed=0, folder=folder)
    session.trainer.callbacks[:0] = callbacks
    outcome: Fit = run(session)
    return model.state_dict(), outcome, training_record(model, data, outcome, 0.0, 0)


@pytest.mark.parametrize("fraction", [0.2, 0.0])
def test_a_late_divergence_keeps_the_weights_from_before(fraction: float, scan_file: Path, tmp_path: Path) -> None:
    """With validation or without: weights, losses and checkpoints are those of the training without the bad epoch; the
    verdict says what happened."""
    weights, outcome, record = _fit(scan_file, tmp_path / "late", 4, fraction, Spoil(2))
    calm, whole, _ = _fit(scan_file, tmp_path / "calm", 2, fraction)
    assert (outcome.history, outcome.kept_epoch) == (whole.history, whole.kept_epoch)
    assert len(outcome.history.train_loss) == 2
    assert all(torch.equal(weights[name], one) for name, one in calm.items())
    stored = read_checkpoint(tmp_path / "late" / LAST)
    assert stored["epoch"] == 1
    assert all(torch.isfinite(tensor).all() for tensor in stored["state_dict"].values())
    assert record.verdict.level == "doubtful"
    assert "in epoch 3; it ended with the weights of epoch 2" in str(record.verdict)


def test_a_training_that_diverges_at_once_has_nothing_to_keep(scan_file: Path, tmp_path: Path) -> None:
    """Not even a checkpoint."""
    with pytest.raises(DivergedError, match=r"in epoch 1; nothing was saved \(lower execution\.learning_rate"):
        _fit(scan_file, tmp_path, 2, 0.2, Spoil(0))
    assert not list(tmp_path.rglob("*.ckpt"))


def test_an_operation_without_a_deterministic_kernel_is_named() -> None:
    """While something is reconstructed; afterwards torch behaves as before."""
    target, place, values = torch.zeros(3), torch.tensor([1, 1]), torch.tensor([1.0, 2.0])
    with deterministic_kernels(torch.device("cuda")), pytest.warns(UserWarning, match="put_ does not have a det"):
        target.put_(place, values)
    target.put_(place, values)
    assert torch.utils.deterministic.fill_uninitialized_memory
    assert not torch.are_deterministic_algorithms_enabled()
