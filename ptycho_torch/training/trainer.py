"""Fitting a model to a scan with `lightning.pytorch.Trainer`."""

import os
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import attrs
import lightning.pytorch as pl
import torch
from torch.utils.data import DataLoader

from ptycho_config.lens import at, fields
from ptycho_config.schema import TrainingSetup
from ptycho_torch.data.batches import Share
from ptycho_torch.data.joint_dataset import Clusters, parts_of, with_share
from ptycho_torch.errors import DataError, DivergedError
from ptycho_torch.files import remove_partial_files
from ptycho_torch.nets.output_scale import RectangularScale
from ptycho_torch.nets.parts import parameters_by_part
from ptycho_torch.nets.reconstructor import Reconstructor
from ptycho_torch.output.run_records import Losses
from ptycho_torch.physics.diffraction import diffraction_intensity
from ptycho_torch.records import Batch
from ptycho_torch.training.callbacks import EpochRecord, ReconstructionLog
from ptycho_torch.training.checkpoints import FOLDER, IDENTITY, LAST, ORIGIN, SUFFIX, digest_of_weights, read_checkpoint
from ptycho_torch.training.fine_tuning import FineTuneStage, fine_tuning_plan
from ptycho_torch.training.lightning_module import TrainingModule
from ptycho_torch.training.lightning_setup import (
    FitCallbacks,
    batch_loader,
    fit_callbacks,
    new_trainer,
    preserve_process_state,
)
from ptycho_torch.training.ranks import launched_outside
from ptycho_torch.verdict import Evidence

Score = torch.Tensor | None
STAGES = f"finetune_{FOLDER}"


@attrs.frozen(eq=False)
class Fit:
    """The outcome of a training: losses per epoch, the epoch kept (0-based), seconds, and evidence where it has
    diverged."""

    history: Losses
    kept_epoch: int
    seconds: float
    evidence: tuple[Evidence, ...] = ()


class _Kept(NamedTuple):
    """The epoch whose weights are kept, its score, and the reason where the training has diverged after it."""

    epoch: int
    score: Score
    diverged: str | None = None


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
        folder / LAST,
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
    # A checkpoint belongs to a seed, also to one that was drawn.
    seeded = at(fields(TrainingSetup).training.subsample_seed).put(seed)(setup)
    module = TrainingModule(model, seeded, -(-len(batches) // execution.accum_steps))
    with preserve_process_state():
        trainer = new_trainer(setup, folder, [*callbacks.all(), *logs], setup.training.nepochs)
    return Session(model, setup, folder, module, trainer, (batches, validation_batches), callbacks)


def run(session: Session, resume_from: Path | None = None) -> Fit:
    """Train the session's model in place; afterwards it holds the weights of the best epoch.

    Without validation data or with checkpointing switched off, the weights of the last epoch.
    resume_from: a checkpoint of the same training, which then goes on as if it had never
    stopped, to its end where the checkpoint is of the last epoch. Fine-tuning follows where the options have it. Where
    a loss or weight is no longer a number the training ends with the best weights before, and a RuntimeWarning. Raises
    DataError for a checkpoint that cannot be used and DivergedError where there are no weights from before.
    """
    setup, module = session.setup, session.module
    if resume_from is not None:
        _check_resumable(resume_from, module, setup.training.nepochs)
    if session.trainer.is_global_zero:
        for name in (FOLDER, STAGES):
            remove_partial_files(session.folder / name)
    start = time.perf_counter()
    kernels = setup.execution.deterministic
    with preserve_process_state():
        torch.use_deterministic_algorithms(bool(kernels), warn_only=kernels == "warn")
        # Older versions of torch refuse deterministic products on CUDA without it.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        with _named_errors(session.callbacks.record, resume_from):
            session.trainer.fit(module, *session.loaders, ckpt_path=resume_from)
        kept = _keep_best(session.callbacks, module)
        if kept is None:
            reason = session.callbacks.divergence.reason
            raise DivergedError(f"training diverged: {reason}; nothing was saved ({_advice(setup)})")
        for stage in fine_tuning_plan(setup.torch):
            if kept.diverged is None:
                kept = _fine_tune(session, stage, kept, resume=resume_from is not None)
    evidence = []
    if kept.diverged is not None:
        text = f"training diverged: {kept.diverged}; it ended with the weights of epoch {kept.epoch + 1}"
        evidence.append(Evidence(name="divergence", level="doubtful", text=text, remedy=_advice(setup)))
        warnings.warn(text, RuntimeWarning, stacklevel=2)
    return Fit(session.callbacks.record.losses, kept.epoch, time.perf_counter() - start, tuple(evidence))


@contextmanager
def _named_errors(record: EpochRecord, resume_from: Path | None) -> Iterator[None]:
    """DataError for what fails before the first step of a training that is resumed, which is the fault of its
    checkpoint; KeyboardInterrupt for an interrupt, which Lightning makes an exit."""
    try:
        yield
    except SystemExit as error:
        raise (error.__context__ if isinstance(error.__context__, KeyboardInterrupt) else error) from None
    except (DataError, DivergedError):
        raise
    except Exception as error:
        if resume_from is None or record.begun:
            raise
        raise DataError(str(resume_from), f"cannot be resumed: {error}", "train without --resume") from error


def _keep_best(callbacks: FitCallbacks, module: TrainingModule) -> _Kept | None:
    """Load the weights that a fit of the module with these callbacks leaves: those of its best epoch or, where nothing
    is monitored, of the last one. None where it has diverged and there are none from before."""
    record, divergence, _, best, last = callbacks
    if divergence.reason is not None:
        record.drop_last()
    if best is not None and best.best_model_path:
        epoch = _load_weights(Path(best.best_model_path), module)
        return _Kept(epoch, best.best_model_score, divergence.reason)
    if divergence.reason is None:
        return _Kept(len(record.history["train_loss"]) - 1, None)
    if last is not None and last.best_model_path:
        return _Kept(_load_weights(Path(last.best_model_path), module), None, divergence.reason)
    return None


def _load_weights(path: Path, module: TrainingModule) -> int:
    """Load the weights of a checkpoint; returns its epoch."""
    stored = read_checkpoint(path)
    module.load_state_dict(stored["state_dict"])
    return int(stored["epoch"])


def _advice(setup: TrainingSetup) -> str:
    rate = setup.execution.learning_rate
    return f"lower execution.learning_rate (now {rate:g}) or set training.gradient_clip_val"


def _fine_tune(session: Session, stage: FineTuneStage, before: _Kept, *, resume: bool) -> _Kept:
    """Go on from the kept weights as the stage says, from its last checkpoint if it is resumed; they stay where no
    epoch of it is better."""
    setup, history = session.setup, session.callbacks.record.history
    batches, validation = session.loaders
    weights = {name: tensor.clone() for name, tensor in session.module.state_dict().items()}
    parts = parameters_by_part(session.model)
    frozen = [p for part, factor in stage.factors.items() if factor == 0 for p in parts[part]]
    trained = [parameter for parameter in frozen if parameter.requires_grad]
    seeded, steps = session.module.configuration, session.module.steps_per_epoch
    module = TrainingModule(session.model, seeded, steps, stage, digest_of_weights(weights))
    name = stage.name.replace(" ", "-")
    last = session.folder / STAGES / f"{LAST.stem}-{name}{SUFFIX}"
    callbacks = fit_callbacks(
        setup.execution, last, stage.patience, validated=validation is not None, name=f"best-{name}"
    )
    resume_from = last if resume and _is_of(last, module) else None
    passed = len(history["train_loss"])
    try:
        for parameter in trained:
            parameter.requires_grad_(False)
        trainer = new_trainer(setup, session.folder, callbacks.all(), stage.epochs)
        with _named_errors(callbacks.record, resume_from):
            trainer.fit(module, batches, validation, ckpt_path=resume_from)
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)
    after = _keep_best(callbacks, module)
    for loss, values in callbacks.record.history.items():
        history[loss].extend(values)
    if after is not None and _is_better(after.score, before.score, setup.execution.checkpoint_mode):
        return after._replace(epoch=passed + after.epoch, score=before.score if after.score is None else after.score)
    session.module.load_state_dict(weights)
    return before._replace(diverged=callbacks.divergence.reason)


def _is_of(path: Path, module: TrainingModule) -> bool:
    """Whether there is a checkpoint of the stage of this module, begun with the same weights. Raises DataError."""
    if not path.is_file():
        return False
    stored = read_checkpoint(path)
    return (stored[IDENTITY], stored[ORIGIN]) == (module.identity(), module.origin)


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


def _check_resumable(path: Path, module: TrainingModule, epochs: int) -> None:
    """Raise DataError for a checkpoint of another training, or of one with more epochs."""
    stored = read_checkpoint(path)
    if stored[IDENTITY] != module.identity():
        raise DataError(
            str(path),
            "is no checkpoint of this training: it was made with other options or another seed",
            "resume with the same options, which its config.json lists, or train without --resume",
        )
    try:
        module.load_state_dict(stored["state_dict"])
    except RuntimeError as error:
        raise DataError(str(path), f"is no checkpoint of this training: {error}", "train without --resume") from None
    if stored["epoch"] + 1 > epochs:
        message = f"has {stored['epoch'] + 1} epochs, more than the {epochs} of this training"
        raise DataError(str(path), message, "raise --max_epochs, or train without --resume")
