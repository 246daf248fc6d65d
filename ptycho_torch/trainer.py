"""Fitting a model to a scan with `lightning.pytorch.Trainer`."""

import logging
import math
import os
import pickle
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import attrs
import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, Logger, MLFlowLogger, TensorBoardLogger
from torch.utils.data import DataLoader

from ptycho_config import PyTorchExecutionConfig, TrainingSetup
from ptycho_torch.data.batches import BatchSampler, Share
from ptycho_torch.data.joint import Clusters, JointDataset, JointSampler, parts_of, shared
from ptycho_torch.errors import DataError, DivergedError, MissingFileError
from ptycho_torch.fine_tuning import FineTuneStage, fine_tuning_plan
from ptycho_torch.lightning_callbacks import EpochRecord, ReconstructionLog, WholeFiles
from ptycho_torch.lightning_module import TrainingModule
from ptycho_torch.lightning_ranks import Place, PlacedDDP, PlacedEnvironment, launched_outside
from ptycho_torch.nets.parts import parameters_by_part
from ptycho_torch.output_scale import RectangularScale
from ptycho_torch.physics.diffraction import diffraction_intensity
from ptycho_torch.reconstructor import Reconstructor
from ptycho_torch.records import Batch

# How long a process waits for another one before it gives up.
PATIENCE = timedelta(minutes=10)


@attrs.frozen(eq=False)
class Fit:
    """The outcome of a training: losses per epoch, the epoch kept (0-based) and seconds."""

    history: dict[str, list[float]]
    kept_epoch: int
    seconds: float


@attrs.frozen(eq=False)
class Session:
    """A training that is ready to start; callbacks may still be added to its `trainer`."""

    model: Reconstructor
    setup: TrainingSetup
    folder: Path
    module: TrainingModule
    trainer: pl.Trainer
    loaders: tuple[DataLoader[Batch], DataLoader[Batch] | None]
    record: EpochRecord
    best: ModelCheckpoint | None
    place: Place | None


def prepare(
    model: Reconstructor,
    setup: TrainingSetup,
    training: Clusters,
    validation: Clusters | None,
    *,
    seed: int,
    folder: Path,
    place: Place | None = None,
    more: tuple[Callback, ...] = (),
) -> Session:
    """The loaders, callbacks and trainer of a training; writes nothing yet.

    place: of this process among those that train together, where they were started by us; what
    torchrun or SLURM started finds its own. more: callbacks beside our own.
    """
    share = Share() if place is None else Share(place.rank, place.world)
    if place is None and (outside := launched_outside()) is not None:
        share = Share(*outside)
    loader = _loader(shared(training, share), setup, seed, shuffle=not setup.training.sequential_sampling)
    validation_loader = None
    if validation is not None:
        validation_loader = _loader(shared(validation, share), setup, seed, shuffle=False)
    record = EpochRecord(visible=setup.execution.enable_progress_bar)
    best = _checkpoint(setup.execution, folder / "checkpoints", monitored=validation is not None)
    logs = (
        []
        if setup.execution.recon_log_every_n_epochs is None
        else [ReconstructionLog(parts_of(training)[0], setup, folder)]
    )
    patience = setup.execution.early_stop_patience
    callbacks = [record, *_stopping(setup, validation_loader, patience), *([best] if best else []), *logs]
    module = TrainingModule(model, setup, -(-len(loader) // setup.execution.accum_steps))
    with process_left_as_found():
        trainer = _trainer(setup, folder, [*callbacks, *more], setup.training.nepochs, place)
    return Session(model, setup, folder, module, trainer, (loader, validation_loader), record, best, place)


def run(session: Session, resume_from: Path | None = None) -> Fit:
    """Train the session's model in place; afterwards it holds the weights of the best epoch.

    Without validation data or with checkpointing switched off, the weights of the last epoch.
    resume_from: a checkpoint of the same training, which then goes on as if it had never
    stopped. Fine-tuning follows where the options ask for it. Raises DataError for a checkpoint
    that cannot be used and DivergedError when a loss is no longer a number.
    """
    setup, module, record = session.setup, session.module, session.record
    if resume_from is None:
        _calibrate(session.model, next(iter(session.loaders[0])))
    else:
        _check_resumable(resume_from, module, setup.training.nepochs)
    start = time.perf_counter()
    kernels = setup.execution.deterministic
    with process_left_as_found():
        torch.use_deterministic_algorithms(bool(kernels), warn_only=kernels == "warn")
        session.trainer.fit(module, *session.loaders, ckpt_path=resume_from)
        _refuse_divergence(record.history, setup.execution.learning_rate)
        kept = len(record.history["train_loss"]) - 1
        if session.best is not None and session.best.best_model_path:
            kept = _take_up(session.best.best_model_path, module)
        for stage in fine_tuning_plan(setup.torch):
            kept = _fine_tune(session, stage, kept)
    return Fit(record.history, kept, time.perf_counter() - start)


def fit(
    model: Reconstructor,
    setup: TrainingSetup,
    training: Clusters,
    validation: Clusters | None,
    *,
    seed: int,
    folder: Path,
    place: Place | None = None,
    resume_from: Path | None = None,
) -> Fit:
    """`prepare` and `run`."""
    session = prepare(model, setup, training, validation, seed=seed, folder=folder, place=place)
    return run(session, resume_from)


def _take_up(path: str, module: TrainingModule) -> int:
    """Load the weights of a checkpoint; returns its epoch."""
    stored = torch.load(path, map_location="cpu", weights_only=True)
    module.load_state_dict(stored["state_dict"])
    return int(stored["epoch"])


def _fine_tune(session: Session, stage: FineTuneStage, kept: int) -> int:
    """Go on from the kept weights as the stage says; they stay where no epoch of it is better."""
    setup, folder = session.setup, session.folder / "finetune_checkpoints"
    loader, validation = session.loaders
    before = session.best.best_model_score if session.best is not None else None
    weights = {name: tensor.clone() for name, tensor in session.module.state_dict().items()}
    parts = parameters_by_part(session.model)
    frozen = [p for part, factor in stage.factors.items() if factor == 0 for p in parts[part]]
    trained = [parameter for parameter in frozen if parameter.requires_grad]
    module = TrainingModule(session.model, setup, session.module.steps_per_epoch, stage)
    record = EpochRecord(visible=setup.execution.enable_progress_bar)
    name = f"best-{stage.name.replace(' ', '-')}"
    best = _checkpoint(setup.execution, folder, monitored=validation is not None, name=name)
    callbacks = [record, *_stopping(setup, validation, stage.patience), *([best] if best else [])]
    passed = len(session.record.history["train_loss"])
    try:
        for parameter in trained:
            parameter.requires_grad_(False)
        trainer = _trainer(setup, session.folder, callbacks, stage.epochs, session.place)
        trainer.fit(module, loader, validation)
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)
    for loss, values in record.history.items():
        session.record.history[loss].extend(values)
    _refuse_divergence(record.history, setup.execution.learning_rate)
    if best is None or not best.best_model_path:
        return passed + len(record.history["train_loss"]) - 1
    if _is_better(best.best_model_score, before, setup.execution.checkpoint_mode):
        return passed + _take_up(best.best_model_path, module)
    session.module.load_state_dict(weights)
    return kept


def _is_better(score: torch.Tensor | None, before: torch.Tensor | None, mode: str) -> bool:
    if score is None or before is None:
        return True
    return bool(score < before) if mode == "min" else bool(score > before)


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
def process_left_as_found() -> Iterator[None]:
    """Random state, deterministic mode, warning filters, the process group and what Lightning sets
    in the environment for it are those of the caller afterwards."""
    mode, warn_only = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    meeting = {name: os.environ.get(name) for name in ("MASTER_ADDR", "MASTER_PORT")}
    grouped = torch.distributed.is_available() and torch.distributed.is_initialized()
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
            if not grouped and torch.distributed.is_available() and torch.distributed.is_initialized():
                torch.distributed.destroy_process_group()
            for name, value in meeting.items():
                _restore(name, value)


def _restore(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


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
    execution: PyTorchExecutionConfig, folder: Path, *, monitored: bool, name: str = "epoch={epoch:03d}"
) -> ModelCheckpoint | None:
    if not execution.enable_checkpointing:
        return None
    return ModelCheckpoint(
        dirpath=folder,
        filename=name,
        auto_insert_metric_name=False,
        monitor=execution.checkpoint_monitor_metric if monitored else None,
        mode=execution.checkpoint_mode,
        save_top_k=execution.checkpoint_save_top_k if monitored else 1,
        save_last=True,
        enable_version_counter=False,
    )


def _stopping(setup: TrainingSetup, validation: Any, patience: int) -> list[Callback]:
    if validation is None:
        return []
    execution = setup.execution
    return [
        EarlyStopping(execution.checkpoint_monitor_metric, patience=patience, mode=execution.checkpoint_mode)
    ]


def _logger(setup: TrainingSetup, folder: Path) -> Logger | Literal[False]:
    name = setup.torch.record.experiment_name
    match setup.execution.logger_backend:
        case "csv":
            return CSVLogger(folder, name="lightning_logs")
        case "tensorboard":
            return TensorBoardLogger(folder, name="lightning_logs")
        case "mlflow":
            store = folder.absolute()
            return MLFlowLogger(
                name,
                tracking_uri=f"sqlite:///{store / 'mlflow.db'}",
                artifact_location=(store / "mlruns").as_uri(),
            )
        case None:
            return False


def _trainer(
    setup: TrainingSetup, folder: Path, callbacks: list[Callback], epochs: int, place: Place | None
) -> pl.Trainer:
    training, execution = setup.training, setup.execution
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    adaptive = training.gradient_clip_algorithm == "agc"
    return pl.Trainer(
        accelerator=execution.accelerator,
        **_processes(place),
        deterministic=execution.deterministic,
        max_epochs=epochs,
        accumulate_grad_batches=execution.accum_steps,
        # Adaptive clipping is the module's own.
        gradient_clip_val=None if adaptive else training.gradient_clip_val,
        gradient_clip_algorithm=None if adaptive else training.gradient_clip_algorithm,
        precision=execution.precision,
        logger=_logger(setup, folder),
        callbacks=callbacks,
        enable_checkpointing=execution.enable_checkpointing,
        plugins=[WholeFiles()],
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        log_every_n_steps=1,
        default_root_dir=folder,
        # Every process reads its share of each batch already.
        use_distributed_sampler=False,
    )


def _processes(place: Place | None) -> dict[str, Any]:
    """Devices and strategy: one process, one of several that we started, or one of several that
    torchrun or SLURM started."""
    if place is not None:
        environment = PlacedEnvironment(place)
        strategy = PlacedDDP(cluster_environment=environment, timeout=PATIENCE)
        return {"devices": place.world, "strategy": strategy}
    if (outside := launched_outside()) is not None:
        local = int(
            os.environ.get("LOCAL_WORLD_SIZE") or os.environ.get("SLURM_NTASKS_PER_NODE") or outside[1]
        )
        return {"devices": local, "num_nodes": outside[1] // local, "strategy": "ddp"}
    return {"devices": 1, "strategy": "auto"}
