"""Fitting a model to a scan with `lightning.pytorch.Trainer`."""

import logging
import math
import pickle
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import attrs
import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, Logger, MLFlowLogger, TensorBoardLogger
from torch.utils.data import DataLoader
from tqdm import tqdm

from ptycho_config import PyTorchExecutionConfig, TrainingSetup
from ptycho_torch.data.batches import BatchSampler, ClusterDataset
from ptycho_torch.data.joint import JointDataset, JointSampler
from ptycho_torch.errors import DataError, DivergedError, MissingFileError
from ptycho_torch.lightning_module import TrainingModule
from ptycho_torch.model import Reconstructor
from ptycho_torch.output_scale import RectangularScale
from ptycho_torch.physics.diffraction import diffraction_intensity
from ptycho_torch.records import Batch

Clusters = ClusterDataset | JointDataset


@attrs.frozen(eq=False)
class Fit:
    """The outcome of a training: losses per epoch, the epoch kept (0-based) and seconds."""

    history: dict[str, list[float]]
    kept_epoch: int
    seconds: float


class EpochRecord(Callback):
    """Collects the losses of each epoch and shows progress: a bar in a terminal, lines in a log."""

    def __init__(self, *, visible: bool) -> None:
        self.history: dict[str, list[float]] = {"train_loss": [], "val_loss": []}
        self.visible = visible
        self.bar: tqdm[Any] | None = None

    def state_dict(self) -> dict[str, Any]:
        """The history, so that a resumed training goes on where it was."""
        return {"history": {name: list(values) for name, values in self.history.items()}}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the history of a checkpoint."""
        self.history = state_dict["history"]

    def on_train_start(self, trainer: pl.Trainer, *_: Any) -> None:
        """Open the bar over all steps, if standard error is a terminal."""
        if self.visible and sys.stderr.isatty():
            self.bar = tqdm(total=int(trainer.estimated_stepping_batches), unit="step", desc="training")

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Advance the bar."""
        if self.bar is not None:
            self.bar.update(trainer.global_step - self.bar.n)

    def on_train_epoch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Record the losses; validation has run before this hook."""
        values = {
            name: float(trainer.callback_metrics[name])
            for name in self.history
            if name in trainer.callback_metrics
        }
        for name, value in values.items():
            self.history[name].append(value)
        text = "  ".join(f"{name} {value:.5f}" for name, value in values.items())
        if self.bar is not None:
            self.bar.set_postfix_str(text)
        elif self.visible:
            print(
                f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}  {text}", file=sys.stderr, flush=True
            )

    def on_train_end(self, *_: Any) -> None:
        """Close the bar."""
        if self.bar is not None:
            self.bar.close()


def fit(
    model: Reconstructor,
    setup: TrainingSetup,
    training: Clusters,
    validation: Clusters | None,
    *,
    seed: int,
    folder: Path,
    resume_from: Path | None = None,
) -> Fit:
    """Train `model` in place; afterwards it holds the weights of the best epoch.

    Without validation data or with checkpointing switched off, the weights of the last epoch.
    resume_from: a checkpoint of the same training, which then goes on as if it had never
    stopped. Raises DataError for a checkpoint that cannot be used.
    """
    loader = _loader(training, setup, seed, shuffle=not setup.training.sequential_sampling)
    validation_loader = None if validation is None else _loader(validation, setup, seed, shuffle=False)
    steps = -(-len(loader) // setup.execution.accum_steps)
    module = TrainingModule(model, setup, steps)
    record = EpochRecord(visible=setup.execution.enable_progress_bar)
    best = _checkpoint(setup.execution, folder, monitored=validation is not None)
    callbacks = [record, *_stopping(setup.execution, validation), *([best] if best else [])]
    if resume_from is None:
        _calibrate(model, next(iter(loader)))
    else:
        _check_resumable(resume_from, module, setup.training.nepochs)
    start = time.perf_counter()
    with _process_left_as_found():
        trainer = _trainer(setup, folder, callbacks)
        trainer.fit(module, loader, validation_loader, ckpt_path=resume_from)
    seconds = time.perf_counter() - start
    _refuse_divergence(record.history, setup.execution.learning_rate)
    kept = len(record.history["train_loss"]) - 1
    if best is not None and best.best_model_path:
        stored = torch.load(best.best_model_path, map_location="cpu", weights_only=True)
        module.load_state_dict(stored["state_dict"])
        kept = int(stored["epoch"])
    return Fit(record.history, kept, seconds)


@torch.no_grad()
def _calibrate(model: Reconstructor, batch: Batch) -> None:
    """Scales that start from the data get their first value from the first batch."""
    if isinstance(model.scale, RectangularScale) and model.scale.from_data:
        patches, probes = model(batch)
        model.scale.calibrate(batch.amplitude.square(), diffraction_intensity(patches, probes))


def _check_resumable(path: Path, module: TrainingModule, epochs: int) -> None:
    """Read the checkpoint as data first: one that would run code is refused here."""
    if not path.is_file():
        raise MissingFileError(str(path), "there is no checkpoint to resume from", "train without --resume")
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
        module.load_state_dict(stored["state_dict"])
    except (RuntimeError, KeyError, EOFError, pickle.UnpicklingError) as error:
        raise DataError(str(path), f"is no checkpoint of this training: {error}") from None
    if stored["epoch"] + 1 >= epochs:
        raise DataError(
            str(path), f"has {stored['epoch'] + 1} of {epochs} epochs already", "raise --max_epochs to go on"
        )


@contextmanager
def _process_left_as_found() -> Iterator[None]:
    """Random state, deterministic mode and warning filters are those of the caller afterwards."""
    mode, warn_only = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        # Batches are one gather from memory: loader processes would only add copies.
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message=".*have no `val_dataloader`.*")
        # A folder may be used again, and must be to resume.
        warnings.filterwarnings("ignore", message=".*Checkpoint directory .* exists and is not empty.*")
        # Lightning's own use of torch internals, nothing a user could change.
        warnings.filterwarnings("ignore", message=".*LeafSpec.*")
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(mode, warn_only=warn_only)


def _refuse_divergence(history: dict[str, list[float]], learning_rate: float) -> None:
    for name, values in history.items():
        for epoch, value in enumerate(values, 1):
            if not math.isfinite(value):
                raise DivergedError(
                    f"training diverged: {name} is {value} in epoch {epoch}; nothing was saved. "
                    f"Lower execution.learning_rate (now {learning_rate:g}) or set training.gradient_clip_val"
                )


def _loader(dataset: Clusters, setup: TrainingSetup, seed: int, *, shuffle: bool) -> DataLoader[Batch]:
    execution, size = setup.execution, setup.training.batch_size
    sampler: BatchSampler | JointSampler
    if isinstance(dataset, JointDataset):
        sampler = JointSampler(dataset.parts, size, seed, shuffle=shuffle)
    else:
        sampler = BatchSampler(len(dataset), size, seed, shuffle=shuffle)
    return DataLoader(
        dataset,
        batch_size=None,
        sampler=sampler,
        num_workers=execution.num_workers,
        pin_memory=execution.pin_memory,
        persistent_workers=execution.persistent_workers,
        prefetch_factor=execution.prefetch_factor,
        generator=torch.Generator().manual_seed(seed),
    )


def _checkpoint(
    execution: PyTorchExecutionConfig, folder: Path, *, monitored: bool
) -> ModelCheckpoint | None:
    if not execution.enable_checkpointing:
        return None
    return ModelCheckpoint(
        dirpath=folder / "checkpoints",
        filename="epoch={epoch:03d}",
        auto_insert_metric_name=False,
        monitor=execution.checkpoint_monitor_metric if monitored else None,
        mode=execution.checkpoint_mode,
        save_top_k=execution.checkpoint_save_top_k if monitored else 1,
        save_last=True,
        enable_version_counter=False,
    )


def _stopping(execution: PyTorchExecutionConfig, validation: Clusters | None) -> list[Callback]:
    if validation is None:
        return []
    return [
        EarlyStopping(
            execution.checkpoint_monitor_metric,
            patience=execution.early_stop_patience,
            mode=execution.checkpoint_mode,
        )
    ]


def _logger(setup: TrainingSetup, folder: Path) -> Logger | Literal[False]:
    name = setup.torch.record.experiment_name
    match setup.execution.logger_backend:
        case "csv":
            return CSVLogger(folder, name="lightning_logs")
        case "tensorboard":
            return TensorBoardLogger(folder, name="lightning_logs")
        case "mlflow":
            return MLFlowLogger(name, tracking_uri=(folder / "mlruns").absolute().as_uri())
        case None:
            return False


def _trainer(setup: TrainingSetup, folder: Path, callbacks: list[Callback]) -> pl.Trainer:
    training, execution = setup.training, setup.execution
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    adaptive = training.gradient_clip_algorithm == "agc"
    return pl.Trainer(
        accelerator=execution.accelerator,
        devices=execution.devices,
        deterministic=execution.deterministic,
        max_epochs=training.nepochs,
        accumulate_grad_batches=execution.accum_steps,
        # Adaptive clipping is the module's own.
        gradient_clip_val=None if adaptive else training.gradient_clip_val,
        gradient_clip_algorithm=None if adaptive else training.gradient_clip_algorithm,
        precision=execution.precision,
        logger=_logger(setup, folder),
        callbacks=callbacks,
        enable_checkpointing=execution.enable_checkpointing,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        log_every_n_steps=1,
        default_root_dir=folder,
    )
