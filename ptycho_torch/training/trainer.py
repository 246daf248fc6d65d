"""Fitting a model to a scan with `lightning.pytorch.Trainer`."""

import math
import os
import pickle
import time
from pathlib import Path

import attrs
import lightning.pytorch as pl
import torch
from torch.utils.data import DataLoader

from ptycho_config.lens import at, fields
from ptycho_config.schema import TrainingSetup
from ptycho_torch.data.batches import Share
from ptycho_torch.data.joint_dataset import Clusters, parts_of, with_share
from ptycho_torch.errors import DataError, DivergedError, MissingFileError
from ptycho_torch.nets.output_scale import RectangularScale
from ptycho_torch.nets.parts import parameters_by_part
from ptycho_torch.nets.reconstructor import Reconstructor
from ptycho_torch.output.run_records import Losses
from ptycho_torch.physics.diffraction import diffraction_intensity
from ptycho_torch.records import Batch
from ptycho_torch.training.callbacks import ReconstructionLog
from ptycho_torch.training.fine_tuning import FineTuneStage, fine_tuning_plan
from ptycho_torch.training.lightning_module import IDENTITY, SEED, TrainingModule
from ptycho_torch.training.lightning_setup import (
    FitCallbacks,
    batch_loader,
    fit_callbacks,
    new_trainer,
    preserve_process_state,
)
from ptycho_torch.training.ranks import launched_outside

Score = torch.Tensor | None


@attrs.frozen(eq=False)
class Fit:
    """The outcome of a training: losses per epoch, the epoch kept (0-based) and seconds."""

    history: Losses
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
    callbacks: FitCallbacks


def prepare(
    model: Reconstructor,
    setup: TrainingSetup,
    training: Clusters,
    validation: Clusters | None,
    *,
    seed: int,
    folder: Path,
) -> Session:
    """The loaders, callbacks and trainer of a training of the model; writes nothing yet.

    training, validation: clusters; seed: of the order of batches; folder: of the run. Of several processes
    that torchrun or SLURM started, each reads its share of every batch, as the setup has it.
    """
    outside, execution = launched_outside(), setup.execution
    share = Share() if outside is None else Share(outside.rank, outside.world)
    shuffle = not setup.training.sequential_sampling
    batches = batch_loader(with_share(training, share), setup, seed, shuffle=shuffle)
    validation_batches = None
    if validation is not None:
        validation_batches = batch_loader(with_share(validation, share), setup, seed, shuffle=False)
    callbacks = fit_callbacks(
        execution,
        folder / "checkpoints",
        execution.early_stop_patience,
        validated=validation is not None,
        name="epoch={epoch:03d}",
    )
    logs = []
    if execution.recon_log_every_n_epochs is not None:
        logs.append(ReconstructionLog(parts_of(training)[0], setup, folder))
    if isinstance(model.scale, RectangularScale) and model.scale.from_data:
        # Of the whole first batch, so that the scales do not depend on the number of processes.
        whole = batch_loader(with_share(training, Share()), setup, seed, shuffle=shuffle)
        _calibrate(model, model.scale, next(iter(whole)))
    seeded = at(fields(TrainingSetup).training.subsample_seed).put(seed)(setup)
    module = TrainingModule(model, seeded, -(-len(batches) // execution.accum_steps))
    with preserve_process_state():
        trainer = new_trainer(setup, folder, [*callbacks.all(), *logs], setup.training.nepochs)
    return Session(model, setup, folder, module, trainer, (batches, validation_batches), callbacks)


def run(session: Session, resume_from: Path | None = None) -> Fit:
    """Train the session's model in place; afterwards it holds the weights of the best epoch.

    Without validation data or with checkpointing switched off, the weights of the last epoch.
    resume_from: a checkpoint of the same training, which then goes on as if it had never
    stopped. Fine-tuning follows where the options have it. Raises DataError for a checkpoint
    that cannot be used and DivergedError when a loss is no longer a number.
    """
    setup, module = session.setup, session.module
    record, _, best = session.callbacks
    if resume_from is not None:
        _check_resumable(resume_from, module, setup.training.nepochs)
    start = time.perf_counter()
    kernels = setup.execution.deterministic
    with preserve_process_state():
        torch.use_deterministic_algorithms(bool(kernels), warn_only=kernels == "warn")
        # Older versions of torch refuse deterministic products on CUDA without it.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        session.trainer.fit(module, *session.loaders, ckpt_path=resume_from)
        _refuse_divergence(record.history, setup.execution.learning_rate)
        kept = len(record.history["train_loss"]) - 1
        if best is not None and best.best_model_path:
            kept = _load_weights(best.best_model_path, module)
        score = None if best is None else best.best_model_score
        for stage in fine_tuning_plan(setup.torch):
            kept, score = _fine_tune(session, stage, kept, score)
    return Fit(record.losses, kept, time.perf_counter() - start)


def _load_weights(path: str, module: TrainingModule) -> int:
    """Load the weights of a checkpoint; returns its epoch."""
    stored = torch.load(path, map_location="cpu", weights_only=True)
    module.load_state_dict(stored["state_dict"])
    return int(stored["epoch"])


def _fine_tune(session: Session, stage: FineTuneStage, kept: int, before: Score) -> tuple[int, Score]:
    """Go on from the kept weights as the stage says; they stay where no epoch of it is better.

    Returns the epoch kept and its score.
    """
    setup, history = session.setup, session.callbacks.record.history
    batches, validation = session.loaders
    weights = {name: tensor.clone() for name, tensor in session.module.state_dict().items()}
    parts = parameters_by_part(session.model)
    frozen = [p for part, factor in stage.factors.items() if factor == 0 for p in parts[part]]
    trained = [parameter for parameter in frozen if parameter.requires_grad]
    module = TrainingModule(session.model, setup, session.module.steps_per_epoch, stage)
    callbacks = fit_callbacks(
        setup.execution,
        session.folder / "finetune_checkpoints",
        stage.patience,
        validated=validation is not None,
        name=f"best-{stage.name.replace(' ', '-')}",
    )
    record, _, best = callbacks
    passed = len(history["train_loss"])
    try:
        for parameter in trained:
            parameter.requires_grad_(False)
        trainer = new_trainer(setup, session.folder, callbacks.all(), stage.epochs)
        trainer.fit(module, batches, validation)
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)
    for loss, values in record.history.items():
        history[loss].extend(values)
    _refuse_divergence(record.history, setup.execution.learning_rate)
    if best is None or not best.best_model_path:
        return passed + len(record.history["train_loss"]) - 1, before
    if _is_better(best.best_model_score, before, setup.execution.checkpoint_mode):
        return passed + _load_weights(best.best_model_path, module), best.best_model_score
    session.module.load_state_dict(weights)
    return kept, before


def _is_better(score: Score, before: Score, mode: str) -> bool:
    if score is None or before is None:
        return True
    return bool(score < before) if mode == "min" else bool(score > before)


@torch.no_grad()
def _calibrate(model: Reconstructor, scale: RectangularScale, batch: Batch) -> None:
    """Scales that start from the data get their first value from the first batch."""
    training = model.training
    patches, probes = model.eval()(batch)
    model.train(training)
    measured, predicted = batch.amplitude.square(), diffraction_intensity(patches, probes)
    if batch.valid_pixels is not None:
        measured, predicted = measured * batch.valid_pixels, predicted * batch.valid_pixels
    scale.calibrate(measured, predicted)


def seed_of_checkpoint(path: Path) -> int | None:
    """The seed of the training that wrote the checkpoint at `path`; None where there is none, or it cannot be read."""
    try:
        found = torch.load(path, map_location="cpu", weights_only=True).get(SEED)
    except (OSError, RuntimeError, AttributeError, EOFError, pickle.UnpicklingError):
        return None
    return found if isinstance(found, int) else None


def _check_resumable(path: Path, module: TrainingModule, epochs: int) -> None:
    """Read the checkpoint as data first: one that would run code is refused here."""
    if not path.is_file():
        raise MissingFileError(str(path), "there is no checkpoint to resume from", "train without --resume")
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
        module.load_state_dict(stored["state_dict"])
    except (RuntimeError, KeyError, EOFError, pickle.UnpicklingError) as error:
        raise DataError(str(path), f"is no checkpoint of this training: {error}") from None
    if stored.get(IDENTITY) != module.identity():
        raise DataError(
            str(path),
            "is no checkpoint of this training: it was made with other options or another seed",
            "resume with the same options, which its config.json lists, or train without --resume",
        )
    if stored["epoch"] + 1 >= epochs:
        message = f"has {stored['epoch'] + 1} of {epochs} epochs already"
        raise DataError(str(path), message, "raise --max_epochs to go on")


def _refuse_divergence(history: dict[str, list[float]], learning_rate: float) -> None:
    for name, values in history.items():
        for epoch, value in enumerate(values, 1):
            if not math.isfinite(value):
                raise DivergedError(
                    f"training diverged: {name} is {value} in epoch {epoch}; nothing was saved. "
                    f"Lower execution.learning_rate (now {learning_rate:g}) or set training.gradient_clip_val"
                )
