"""The set-up of Lightning: loaders, callbacks, loggers, processes, and the state of the process."""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, NamedTuple

import lightning.pytorch as pl
import torch
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import CSVLogger, Logger, MLFlowLogger, TensorBoardLogger
from lightning.pytorch.strategies import DDPStrategy
from torch.utils.data import DataLoader

from ptycho_config.schema import PyTorchExecutionConfig, TrainingSetup
from ptycho_torch.data.batches import BatchSampler
from ptycho_torch.data.joint_dataset import Clusters, JointDataset, JointSampler
from ptycho_torch.device import choose_device
from ptycho_torch.records import Batch
from ptycho_torch.training.callbacks import EndOnSignal, EpochRecord
from ptycho_torch.training.checkpoints import BestEpochs, LastEpoch, WholeFiles
from ptycho_torch.training.divergence import Patience, StopWhenDiverged
from ptycho_torch.training.ranks import launched_outside, preserve_environment

# How long a process waits for another one before it gives up.
PATIENCE = timedelta(minutes=10)
_SET_BY_LIGHTNING = ("MASTER_ADDR", "MASTER_PORT", "CUBLAS_WORKSPACE_CONFIG")


@contextmanager
def preserve_process_state() -> Iterator[None]:
    """Random state, deterministic mode, warning filters, the process group and what Lightning sets
    in the environment for it are those of the caller afterwards; Lightning reports only warnings."""
    mode = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    log = logging.getLogger("lightning.pytorch")
    level = log.level
    log.setLevel(logging.WARNING)
    filled = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined] # it has
    # In deterministic mode a pass over every result, although nothing here is read before it is written.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    grouped = torch.distributed.is_available() and torch.distributed.is_initialized()
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]), preserve_environment(*_SET_BY_LIGHTNING):
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
            torch.utils.deterministic.fill_uninitialized_memory = filled  # type: ignore[attr-defined]
            log.setLevel(level)
            if not grouped and torch.distributed.is_available() and torch.distributed.is_initialized():
                torch.distributed.destroy_process_group()


def batch_loader(dataset: Clusters, setup: TrainingSetup, seed: int, *, shuffle: bool) -> DataLoader[Batch]:
    """Batches of a dataset for an epoch, as the setup has them; if they `shuffle`, their order is a function
    of seed and epoch alone."""
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


class FitCallbacks(NamedTuple):
    """The record of the losses, the end of a training that diverges, early stopping where something is monitored, and
    the checkpoints of the best epochs (None where nothing is monitored) and of the last one; both None where
    checkpointing is off."""

    record: EpochRecord
    divergence: StopWhenDiverged
    stopping: Patience | None
    best: BestEpochs | None
    last: LastEpoch | None

    def all(self) -> list[Callback]:
        """Those that there are, in the order in which Lightning calls them."""
        return [one for one in self if one is not None]


def fit_callbacks(
    execution: PyTorchExecutionConfig, last: Path, patience: int, *, validated: bool, name: str
) -> FitCallbacks:
    """The callbacks of one fit with these execution options.

    last: the checkpoint of the last epoch; name: of those of the best ones, in the same folder; patience: epochs
    without progress that end it; validated: there is validation data, without which only a metric of the training can
    be monitored.
    """
    metric, mode = execution.checkpoint_monitor_metric, execution.checkpoint_mode
    monitored, stored = validated or metric.startswith("train_"), execution.enable_checkpointing
    divergence = StopWhenDiverged()
    best = None
    if monitored and stored:
        most = execution.checkpoint_save_top_k
        best = BestEpochs(last.parent, name, divergence, monitor=metric, mode=mode, save_top_k=most)
    return FitCallbacks(
        EpochRecord(visible=execution.enable_progress_bar),
        divergence,
        Patience(metric, patience=patience, mode=mode) if monitored else None,
        best,
        LastEpoch(last.parent, last.stem, divergence) if stored else None,
    )


def _logger(setup: TrainingSetup, folder: Path) -> Logger | Literal[False]:
    name = setup.torch.record.experiment_name
    match setup.execution.logger_backend:
        case "csv":
            return CSVLogger(folder, name="lightning_logs")
        case "tensorboard":
            return TensorBoardLogger(folder, name="lightning_logs")
        case "mlflow":
            return _mlflow_logger(name, folder.absolute())
        case None:
            return False


def _mlflow_logger(name: str, folder: Path) -> MLFlowLogger:
    """A logger for the experiment of a name: a database `mlflow.db` in the folder, or files in `mlruns` where mlflow is
    without one, as the mlflow-skinny of ptychodus."""
    files = (folder / "mlruns").as_uri()
    if find_spec("sqlalchemy") is not None:
        return MLFlowLogger(name, tracking_uri=f"sqlite:///{folder / 'mlflow.db'}", artifact_location=files)
    # mlflow 3 keeps runs in files only where its environment says so.
    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    return MLFlowLogger(name, tracking_uri=files, artifact_location=files)


def new_trainer(setup: TrainingSetup, folder: Path, callbacks: list[Callback], epochs: int) -> pl.Trainer:
    """The trainer of one fit of as many epochs, with the callbacks, which writes into `folder` as the setup
    says; it sets the deterministic mode of the process."""
    training, execution = setup.training, setup.execution
    adaptive = training.gradient_clip_algorithm == "agc"
    return pl.Trainer(
        accelerator=choose_device(execution.accelerator).type,
        **_processes(),
        deterministic=execution.deterministic,
        max_epochs=epochs,
        accumulate_grad_batches=execution.accum_steps,
        # Adaptive clipping is the module's own.
        gradient_clip_val=None if adaptive else training.gradient_clip_val,
        gradient_clip_algorithm=None if adaptive else training.gradient_clip_algorithm,
        precision=execution.precision,
        logger=_logger(setup, folder),
        callbacks=[*callbacks, EndOnSignal()],
        enable_checkpointing=execution.enable_checkpointing,
        plugins=[WholeFiles(), *_cluster()],
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        log_every_n_steps=1,
        default_root_dir=folder,
        # Every process reads its share of each batch already.
        use_distributed_sampler=False,
    )


def _cluster() -> list[SLURMEnvironment]:
    """SLURM without the checkpoints that Lightning writes and resumes by itself: --resume has its own."""
    return [SLURMEnvironment(auto_requeue=False)] if SLURMEnvironment.detect() else []


def _processes() -> dict[str, Any]:
    """Devices and strategy of one process, or of this one among those that were launched together."""
    outside = launched_outside()
    if outside is None:
        return {"devices": 1, "strategy": "auto"}
    local = outside.world // outside.nodes
    return {"devices": local, "num_nodes": outside.nodes, "strategy": DDPStrategy(timeout=PATIENCE)}
