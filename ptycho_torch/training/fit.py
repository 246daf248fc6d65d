"""From a setup to a fitted model: read, group, build, train; of several processes each does this."""

import time
from collections.abc import Callable
from functools import cached_property

import attrs

from ptycho_config.schema import TrainingSetup
from ptycho_torch.device import choose_device, free_gpu_bytes, full_memory_as_error, peak_memory_mib
from ptycho_torch.files import create_writable_folder
from ptycho_torch.nets.initial import output_factor
from ptycho_torch.nets.output_scale import IntensityScale
from ptycho_torch.nets.reconstructor import Reconstructor, build_model
from ptycho_torch.output.run_records import TrainingRecord, TrainingSeconds, machine
from ptycho_torch.training.checkpoints import LAST
from ptycho_torch.training.datasets import TrainingData, TrainingScans, training_data
from ptycho_torch.training.trainer import Fit, prepare, run
from ptycho_torch.verdict import judge


@attrs.frozen(eq=False)
class Fitted:
    """A fitted model and the record of its training.

    `data` holds the clusters it was fitted to; where other processes trained, they are read when they are
    first used.
    """

    model: Reconstructor
    record: TrainingRecord
    read_data: Callable[[], TrainingData]

    @cached_property
    def data(self) -> TrainingData:
        """Clusters and statistics of the training."""
        return self.read_data()


def fit_setup(
    setup: TrainingSetup,
    seed: int,
    *,
    opened: TrainingScans | None = None,
    resume: bool = False,
    ready: Callable[[], object] = lambda: None,
) -> Fitted:
    """Read the scans, build the model and fit it; of several processes each calls this.

    seed: of groups, split, weights and batches. opened: the scans of the setup, which are opened here where
    it is None. resume: go on from the last checkpoint in the output folder. ready: called when nothing is
    left but to meet the other processes and train.
    """
    start = time.perf_counter()
    data = training_data(setup, seed, opened)
    folder = create_writable_folder(setup.training.output_dir)
    model = untrained_model(setup, data, seed)
    loading = time.perf_counter() - start
    session = prepare(model, setup, data.training, data.validation, seed=seed, folder=folder)
    ready()
    with full_memory_as_error(choose_device(setup.execution.accelerator), "training.batch_size"):
        outcome = run(session, folder / LAST if resume else None)
    return Fitted(model, training_record(model, data, outcome, loading, seed), lambda: data)


# Weights, gradients and the two moments of Adam.
TRAINED_COPIES = 4


def untrained_model(setup: TrainingSetup, data: TrainingData, seed: int) -> Reconstructor:
    """The untrained model of a setup; data: for the modulus of its objects, and the shape of a learned probe; seed: of
    the weights."""
    training, modulus = setup.training, data.modulus
    learned = training.intensity_scale_trainable
    model = build_model(
        training.model,
        setup.torch,
        seed,
        intensity_scale=learned or output_factor(training.model, setup.torch.net, modulus) != 1.0,
        learned_probe=data.probe_shape if training.probe_trainable else None,
        modulus=modulus,
        copies=TRAINED_COPIES,
        gpu_free=free_gpu_bytes(choose_device(setup.execution.accelerator)),
    )
    if isinstance(model.scale, IntensityScale):
        model.scale.requires_grad_(learned)
    return model


def training_record(
    model: Reconstructor, data: TrainingData, outcome: Fit, loading_s: float, seed: int
) -> TrainingRecord:
    """The record of a fitted model: its data, the outcome of its training, seconds `loading_s`, seed."""
    return TrainingRecord(
        history=outcome.history,
        kept_epoch=outcome.kept_epoch,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        groups=len(data.training),
        statistics=data.statistics,
        verdict=judge((*data.verdict.evidence, *outcome.evidence)),
        seed=seed,
        seconds=TrainingSeconds(data=round(loading_s, 2), training=round(outcome.seconds, 2)),
        peak_memory_mib=round(peak_memory_mib()),
        machine=machine(),
    )
