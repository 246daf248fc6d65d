"""The end of a training whose loss or weights are no longer numbers."""

import math
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping


class StopWhenDiverged(Callback):
    """Ends a training after the epoch in which a loss or a weight is not finite; `reason` says which, None while all
    are."""

    reason: str | None = None

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Check the losses of the epoch, then the weights that it ended with."""
        losses = {name: float(value) for name, value in trainer.callback_metrics.items() if name.endswith("loss")}
        wrong = next((f"{name} is {value}" for name, value in losses.items() if not math.isfinite(value)), None)
        if wrong is None and not all(torch.isfinite(one).all() for one in pl_module.parameters()):
            wrong = "a weight is not finite"
        if wrong is not None:
            self.reason = f"{wrong} in epoch {trainer.current_epoch + 1}"
            trainer.should_stop = True


class Patience(EarlyStopping):
    """Early stopping that also ends a training at once that is resumed after it had been stopped."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore how long nothing has improved; how long it may is an option of this training."""
        super().load_state_dict({**state_dict, "patience": self.patience})

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """End the training before its first epoch where nothing has improved for long enough."""
        super().on_train_start(trainer, pl_module)
        trainer.should_stop = trainer.should_stop or self.wait_count >= self.patience
