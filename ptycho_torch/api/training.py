"""`train`: a scan file to a bundle."""

import time
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import torch

from ptycho_config import (
    ConfigError,
    LegacyDelta,
    Problem,
    Resolved,
    Sources,
    TrainingSetup,
    Transform,
    create_training_payload,
    dump_derivation,
    update_legacy_dict,
)
from ptycho_config.legacy import legacy_params
from ptycho_torch.api.boundary import (
    check_packages,
    choose_device,
    group_plan,
    peak_memory_mib,
    seed_or_fresh,
)
from ptycho_torch.bundle import Bundle, library_versions, save_bundle
from ptycho_torch.data.batches import ClusterDataset, cluster_dataset, split_rows
from ptycho_torch.data.grouping import plan_groups
from ptycho_torch.data.labels import read_labels
from ptycho_torch.data.readers import inspect_dataset, read_scan
from ptycho_torch.data.scan import normalise, split_positions
from ptycho_torch.errors import DataError
from ptycho_torch.figures import draw_losses
from ptycho_torch.files import writable_folder, write_json
from ptycho_torch.model import Reconstructor, build_model
from ptycho_torch.records import Groups, Scan
from ptycho_torch.trainer import Fit, fit
from ptycho_torch.unconsumed import refuse_unconsumed

DEFAULT_PROFILE = "primed"


@attrs.frozen(eq=False)
class TrainingRun:
    """What a training left behind: the bundle, its configuration and its record."""

    bundle: Path
    configs: Resolved[TrainingSetup]
    record: dict[str, Any]


def train(
    train_data_file: Path | str | None = None,
    output_dir: Path | str | None = None,
    *,
    profile: str | Transform | None = DEFAULT_PROFILE,
    sources: Sources = Sources(),
    legacy: MutableMapping[str, Any] = legacy_params,
    resume: bool = False,
) -> TrainingRun:
    """Train on a scan and write `wts.h5.zip`, `config.json`, `metrics.json` and `loss.png`.

    The named profile is a layer below everything else (`None` for none); `sources` carries
    the other layers. `resume` goes on from the last checkpoint in the output folder, for which
    `training.subsample_seed` must be what it was. Raises ConfigError or DataError before anything
    is written.
    """
    configs, delta = resolve_training(train_data_file, output_dir, profile=profile, sources=sources)
    update_legacy_dict(legacy, delta)
    setup = configs.config
    seed = seed_or_fresh(setup.training.subsample_seed)
    start = time.perf_counter()
    training, validation = _clusters(setup, seed)
    writable_folder(setup.training.output_dir)
    model = build_model(
        setup.training.model, setup.torch, seed, intensity_scale=setup.training.intensity_scale_trainable
    )
    prepared = time.perf_counter()
    folder = setup.training.output_dir
    checkpoint = folder / "checkpoints" / "last.ckpt" if resume else None
    outcome = fit(model, setup, training, validation, seed=seed, folder=folder, resume_from=checkpoint)
    record = {
        "history": outcome.history,
        "kept_epoch": outcome.kept_epoch,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "groups": len(training),
        "seed": seed,
        "seconds": {"data": round(prepared - start, 2), "training": round(outcome.seconds, 2)},
        "peak_memory_mib": round(peak_memory_mib()),
        "versions": library_versions(),
    }
    return _write(configs, model, outcome, record)


def resolve_training(
    train_data_file: Path | str | None = None,
    output_dir: Path | str | None = None,
    *,
    profile: str | Transform | None = DEFAULT_PROFILE,
    sources: Sources = Sources(),
    checked: bool = True,
) -> tuple[Resolved[TrainingSetup], LegacyDelta]:
    """What `train` would run: `(configs, legacy_dict_delta)`, with the facts of the file.

    Reads the headers of the scans and asks which devices there are; changes nothing. With
    `checked=False` it does not ask whether this version and this machine can run it.
    """
    scan = None if train_data_file is None else Path(train_data_file)
    folder = None if output_dir is None else Path(output_dir)
    asked, _ = create_training_payload(scan, folder, profile=profile, sources=sources)
    path = asked.config.training.train_data_file
    if path is None:
        hint = "give --train_data_file or the first argument of train()"
        raise ConfigError(
            [Problem("training.train_data_file", "is required", hint=hint)], TrainingSetup.SCHEMA
        )
    facts = inspect_dataset(path)
    configs, delta = create_training_payload(scan, folder, profile=profile, sources=sources, facts=facts)
    if checked:
        refuse_unconsumed(configs)
        choose_device(configs.config.execution.accelerator)
        check_packages(configs.config)
    _check_validation_scan(configs.config)
    return configs, delta


def _clusters(setup: TrainingSetup, seed: int) -> tuple[ClusterDataset, ClusterDataset | None]:
    """Training and validation clusters: from two scans, or from one scan split by groups."""
    training = setup.training
    assert training.train_data_file is not None
    scan, groups = _grouped(training.train_data_file, setup, seed)
    everything = torch.arange(len(groups.members))
    if training.test_data_file is not None:
        other, other_groups = _grouped(training.test_data_file, setup, seed)
        rows = torch.arange(len(other_groups.members))
        return _cut(scan, groups, everything, setup), _cut(other, other_groups, rows, setup)
    kept, held_back = split_rows(len(everything), setup.torch.data.validation_fraction, seed)
    return (
        _cut(scan, groups, kept, setup),
        _cut(scan, groups, held_back, setup) if len(held_back) else None,
    )


def _cut(scan: Scan, groups: Groups, rows: torch.Tensor, setup: TrainingSetup) -> ClusterDataset:
    try:
        return cluster_dataset(scan, groups, rows, setup.torch.overlap.partners)
    except ValueError as error:
        raise DataError(str(setup.training.train_data_file), str(error)) from None


def _grouped(path: Path, setup: TrainingSetup, seed: int) -> tuple[Scan, Groups]:
    training = setup.training
    dataset = read_scan(path, setup.torch.scale.domain)
    if training.model.model_type == "supervised":
        centre, _ = split_positions(dataset.position_yx)
        side, subtract = training.model.N, setup.torch.data.phase_subtraction
        dataset = attrs.evolve(dataset, label=read_labels(path, centre, side, subtract_phase=subtract))
    try:
        groups = plan_groups(
            dataset.position_yx, group_plan(training, setup.torch), np.random.default_rng(seed)
        )
    except ValueError as error:
        raise DataError(dataset.name, str(error)) from None
    return normalise(dataset, training.model), groups


def _check_validation_scan(setup: TrainingSetup) -> None:
    path, side = setup.training.test_data_file, setup.training.model.N
    if path is not None and (found := inspect_dataset(path).n_pixels) != side:
        raise DataError(str(path), f"has patterns of {found} px, the training scan has {side}")


def _write(
    configs: Resolved[TrainingSetup], model: Reconstructor, outcome: Fit, record: dict[str, Any]
) -> TrainingRun:
    folder = configs.config.training.output_dir
    derivation = dump_derivation(configs)
    path = save_bundle(folder, Bundle(configs.config, model.state_dict(), derivation, record))
    write_json(folder / "config.json", {"training": derivation})
    write_json(folder / "metrics.json", {"training": record})
    draw_losses(folder, outcome.history)
    return TrainingRun(path, configs, record)
