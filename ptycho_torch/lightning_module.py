"""Lightning's view of training: steps, logged losses, optimiser, schedule. No physics here."""

import math

import lightning.pytorch as pl
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau

from ptycho_config import TrainingConfig, TrainingSetup
from ptycho_torch.losses import LossTerms, cluster_loss, pattern_loss
from ptycho_torch.model import Reconstructor
from ptycho_torch.records import Batch

EXPONENTIAL_DECAY = 0.95


class TrainingModule(pl.LightningModule):
    """Adapts a Reconstructor and its loss to `lightning.pytorch.Trainer`."""

    def __init__(self, model: Reconstructor, setup: TrainingSetup, steps_per_epoch: int) -> None:
        super().__init__()
        self.model = model
        self.configuration = setup
        self.steps_per_epoch = steps_per_epoch
        self.pattern_loss = pattern_loss(setup.training.torch_loss_mode)

    def terms(self, batch: Batch) -> LossTerms:
        """The loss of one batch, by its terms."""
        return cluster_loss(
            self.model(batch),
            batch,
            self.pattern_loss,
            self.configuration.torch.overlap,
            merge=self.configuration.training.model.object_big,
        )

    def training_step(self, batch: Batch, _: int) -> Tensor:
        """The total loss, logged as `train_loss` with its terms."""
        return self._logged(batch, "train")

    def validation_step(self, batch: Batch, _: int) -> Tensor:
        """The total loss, logged as `val_loss` with its terms."""
        return self._logged(batch, "val")

    def _logged(self, batch: Batch, stage: str) -> Tensor:
        terms = self.terms(batch)
        values = {
            f"{stage}_loss": terms.total,
            f"{stage}_data": terms.data,
            f"{stage}_overlap": terms.overlap,
        }
        self.log_dict(values, on_step=False, on_epoch=True, batch_size=len(batch.amplitude))
        return terms.total

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Optimiser and schedule; schedules without feedback advance every step."""
        training = self.configuration.training
        optimizer = build_optimizer(self.model, training, self.configuration.execution.learning_rate)
        if training.scheduler == "ReduceLROnPlateau":
            plateau = ReduceLROnPlateau(
                optimizer,
                factor=training.plateau_factor,
                patience=training.plateau_patience,
                min_lr=training.plateau_min_lr,
                threshold=training.plateau_threshold,
            )
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": plateau, "monitor": "val_loss"}}
        schedule = LambdaLR(
            optimizer, lambda step: learning_rate_factor(training, step, self.steps_per_epoch)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def build_optimizer(model: torch.nn.Module, training: TrainingConfig, learning_rate: float) -> Optimizer:
    """The optimiser that `training.optimizer` names, over all parameters."""
    parameters, decay = model.parameters(), training.weight_decay
    betas = (training.adam_beta1, training.adam_beta2)
    match training.optimizer:
        case "adam":
            return Adam(parameters, learning_rate, betas=betas, weight_decay=decay)
        case "adamw":
            return AdamW(parameters, learning_rate, betas=betas, weight_decay=decay)
        case "sgd":
            momentum = training.momentum
            return SGD(parameters, learning_rate, momentum, weight_decay=decay, nesterov=momentum > 0)


def learning_rate_factor(training: TrainingConfig, step: int, steps_per_epoch: int) -> float:
    """Learning rate over its first value after `step` optimiser steps.

    Exponential: `0.95^epoch`. WarmupCosine: linear over `lr_warmup_epochs`, then
    `m + (1 - m)(1 + cos(pi t)) / 2` with `m = lr_min_ratio` and t from 0 to 1 at the end.
    """
    match training.scheduler:
        case "Exponential":
            return float(EXPONENTIAL_DECAY ** (step // steps_per_epoch))
        case "WarmupCosine":
            warmup = training.lr_warmup_epochs * steps_per_epoch
            if step < warmup:
                return (step + 1) / warmup
            remaining = max(1, training.nepochs * steps_per_epoch - warmup)
            floor, passed = training.lr_min_ratio, min(1.0, (step - warmup) / remaining)
            return floor + (1 - floor) * (1 + math.cos(math.pi * passed)) / 2
        case _:
            return 1.0
