"""`train`: a scan file to a bundle."""

import time
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import attrs

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
    peak_memory_mib,
    seed_or_fresh,
)
from ptycho_torch.api.clusters import training_clusters
from ptycho_torch.bundle import Bundle, library_versions, save_bundle
from ptycho_torch.data.readers import inspect_scans
from ptycho_torch.errors import DataError
from ptycho_torch.figures import draw_losses
from ptycho_torch.files import writable_folder, write_json
from ptycho_torch.model import Reconstructor, build_model
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
    """Train on a scan, or on all scans of a folder; write `wts.h5.zip`, `config.json`, `metrics.json`
    and `loss.png`.

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
    training, validation = training_clusters(setup, seed)
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
    facts = inspect_scans(path)
    configs, delta = create_training_payload(scan, folder, profile=profile, sources=sources, facts=facts)
    if checked:
        refuse_unconsumed(configs)
        choose_device(configs.config.execution.accelerator)
        check_packages(configs.config)
    _check_validation_scan(configs.config)
    return configs, delta


def _check_validation_scan(setup: TrainingSetup) -> None:
    path, side = setup.training.test_data_file, setup.training.model.N
    if path is not None and (found := inspect_scans(path).n_pixels) != side:
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
