"""Lightning's view of training: steps, logged losses, optimiser, schedule. No physics here."""

from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau

from ptycho_config import fingerprint
from ptycho_config.policy import resumable_options
from ptycho_config.schema import Amplitude, TrainingSetup
from ptycho_torch.nets.reconstructor import Reconstructor
from ptycho_torch.records import Batch, Prediction
from ptycho_torch.training import losses
from ptycho_torch.training.checkpoints import IDENTITY, ORIGIN, SEED
from ptycho_torch.training.fine_tuning import FineTuneStage
from ptycho_torch.training.optimizer import build_optimizer, clip_adaptively, learning_rate_factor


class TrainingModule(pl.LightningModule):
    """Adapts a Reconstructor and its loss to `lightning.pytorch.Trainer`."""

    def __init__(
        self,
        model: Reconstructor,
        setup: TrainingSetup,
        steps_per_epoch: int,
        stage: FineTuneStage | None = None,
        origin: str = "",
    ) -> None:
        super().__init__()
        self.model = model
        self.configuration = setup
        self.steps_per_epoch = steps_per_epoch
        self.stage, self.origin = stage, origin
        self.pattern_loss = losses.pattern_loss(setup.training)

    def identity(self) -> str:
        """The fingerprint of all options in which a training must agree with the checkpoint that it
        resumes, the seed among them."""
        return fingerprint(self.configuration, without=resumable_options())

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Write into the checkpoint what it belongs to: options, seed and, of a stage, the weights before it."""
        seed = self.configuration.training.subsample_seed
        checkpoint.update({IDENTITY: self.identity(), SEED: 0 if seed is None else seed, ORIGIN: self.origin})

    def terms(self, batch: Batch) -> losses.LossTerms:
        """The loss of one batch, by its terms."""
        options, training = self.configuration.torch, self.configuration.training
        patches, probes = self.model(batch)
        if training.model.model_type == "supervised":
            assert batch.label is not None
            data = losses.label_loss(patches, batch.label)
            if options.labels.loss == "exit_waves":
                data = losses.exit_wave_error(patches, probes, batch.label)
            nothing = patches.real.new_zeros(())
            terms = losses.LossTerms(data, nothing, nothing, data)
        else:
            gain = options.forward.amplitude_physics_gain if isinstance(options.forward, Amplitude) else 1.0
            prediction = Prediction(patches * gain, probes)
            merge = training.model.object_big
            terms = losses.cluster_loss(prediction, batch, self.pattern_loss, options.overlap, merge=merge)
        term = losses.regularisation(patches, options.regularisation)
        return terms._replace(regularisation=term, total=terms.total + term)

    def training_step(self, batch: Batch, _: int) -> Tensor:
        """The total loss, logged as `train_loss` with its terms."""
        return self._log_loss(batch, "train") * batch.weight

    def validation_step(self, batch: Batch, _: int) -> Tensor:
        """The total loss, logged as `val_loss` with its terms."""
        return self._log_loss(batch, "val")

    def _log_loss(self, batch: Batch, stage: str) -> Tensor:
        terms = self.terms(batch)
        # Weighted here and not by their number: Lightning rounds the mean number over processes.
        logged = {"loss": terms.total, "data": terms.data, "overlap": terms.overlap}
        values = {f"{stage}_{name}": term * batch.weight for name, term in logged.items()}
        together = self.trainer.world_size > 1
        self.log_dict(values, on_step=False, on_epoch=True, batch_size=batch.whole, sync_dist=together)
        return terms.total

    def on_before_optimizer_step(self, _: Optimizer) -> None:
        """Log the norm of the gradient, before anything clips it, at the steps that the options choose."""
        record = self.configuration.torch.record
        if record.log_grad_norm and self.global_step % record.grad_norm_log_freq == 0:
            gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
            self.log("grad_norm", torch.nn.utils.get_total_norm(gradients), on_step=True)

    def configure_gradient_clipping(
        self, optimizer: Optimizer, gradient_clip_val: float | None = None, gradient_clip_algorithm: str | None = None
    ) -> None:
        """By norm or value as Lightning does it, or adaptively."""
        training = self.configuration.training
        if training.gradient_clip_algorithm != "agc":
            self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)
        elif training.gradient_clip_val is not None:
            clip_adaptively(self.model.parameters(), training.gradient_clip_val)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Optimiser and schedule; schedules without feedback advance every step."""
        training, execution = self.configuration.training, self.configuration.execution
        factors = None if self.stage is None else self.stage.factors
        fused = not execution.precision.endswith("mixed")
        optimizer = build_optimizer(self.model, training, execution.learning_rate, factors, fused=fused)
        if self.stage is not None:
            return optimizer
        if training.scheduler == "ReduceLROnPlateau":
            plateau = ReduceLROnPlateau(
                optimizer,
                factor=training.plateau_factor,
                patience=training.plateau_patience,
                min_lr=training.plateau_min_lr,
                threshold=training.plateau_threshold,
            )
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": plateau, "monitor": "val_loss"}}
        stages = self.configuration.torch.stages
        schedule = LambdaLR(optimizer, lambda step: learning_rate_factor(training, stages, step, self.steps_per_epoch))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
