"""`train`: a scan file to a bundle."""

# `help` shows `ScanLike` rather than all that it is.
from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from html import escape
from pathlib import Path
from types import MappingProxyType
from typing import Any

import attrs

from ptycho_config import ConfigError, Problem, Resolved, Transform, at, fields, resolve
from ptycho_config.factory import Sources, create_training_payload, training_layers
from ptycho_config.layers import OVERRIDES, PROFILE, TRAINING, Layer, last_put
from ptycho_config.legacy import LegacyDelta, legacy_params, legacy_values
from ptycho_config.policy import refuse_unread
from ptycho_config.profiles import RECOMMENDED
from ptycho_config.saved import save
from ptycho_config.schema import TrainingConfig, TrainingSetup
from ptycho_config.transform import with_where
from ptycho_torch.api.header import log_start
from ptycho_torch.api.run_reports import training_report
from ptycho_torch.api.scan_arguments import ScanLike, scan_file
from ptycho_torch.data.joint_dataset import parts_of
from ptycho_torch.data.readers import digests, facts_of, open_scans
from ptycho_torch.device import check_packages, choose_device, seed_or_fresh
from ptycho_torch.errors import DataError, note_when_stopped
from ptycho_torch.files import write_json
from ptycho_torch.output.bundle import Bundle, save_bundle
from ptycho_torch.output.bundle_archive import BUNDLE_NAME
from ptycho_torch.output.derivation import derivation_of
from ptycho_torch.output.figures import draw_losses
from ptycho_torch.output.line_chart import loss_chart
from ptycho_torch.output.report import write_report
from ptycho_torch.output.run_records import TrainingRecord, to_json
from ptycho_torch.records import Scan
from ptycho_torch.run_folder import claim_folder, write_results
from ptycho_torch.training.checkpoints import LAST, epochs_of, seed_of
from ptycho_torch.training.datasets import TrainingScans, open_validation_scans
from ptycho_torch.training.fit import Fitted, fit_setup
from ptycho_torch.training.launch import fit_in_processes
from ptycho_torch.training.named_parts import check_named_parts
from ptycho_torch.training.ranks import launched_outside, world_size


@attrs.frozen(eq=False, repr=False)
class TrainingRun:
    """The outcome of a training: the bundle, its configuration, its record, and in memory the fitted model
    with its data."""

    bundle: Path
    configs: Resolved[TrainingSetup]
    record: TrainingRecord
    fitted: Fitted

    def __repr__(self) -> str:
        losses, level = self.record.history.train_loss, "" if self.record.verdict is None else self.record.verdict.level
        return f"<TrainingRun {self.bundle.parent}: {len(losses)} epochs, loss {losses[-1]:.2g}, verdict {level}>"

    def _repr_html_(self) -> str:
        chart = loss_chart(self.record.history)
        return f"<div style='max-width:640px'>{chart}</div><p>{escape(repr(self))}</p>"


def train(
    scan: ScanLike | None = None,
    output_dir: Path | str | None = None,
    *,
    profile: str | Transform | None = RECOMMENDED,
    resume: bool = False,
    sources: Sources = Sources(),
    legacy: MutableMapping[str, Any] | None = None,
    **options: Any,
) -> TrainingRun:
    """Train a network on a scan; write `wts.h5.zip`, `config.json`, `metrics.json`, `loss.png` and `report.html`.

    scan: a file, a folder of files, arrays by their names in NPZ, or a simulated scan. output_dir: for the results.
    profile: the options below everything else, None for none. resume: go on from the last checkpoint in the output
    folder, with its seed. sources: whole layers of options. legacy: the dict that code of PtychoPINN reads, None for
    that of this process; it is as it was where the training fails. options: by name, `nepochs=5` or
    `**{"torch.net.width": 16}`; `ptycho config show` lists them.

    Raises ConfigError or DataError before anything is written, DivergedError, and OutputError where there is no room
    for the results; a KeyboardInterrupt has a note on what is kept.

    >>> train("scan.npz", "run", nepochs=1, width=4, stages=1, n_groups=8, enable_progress_bar=False)
    <TrainingRun run: 1 epochs, loss ..., verdict ...>
    """
    sources = sources.with_options(TrainingSetup, options)
    with _scan_file(scan, output_dir, profile, sources) as path:
        opened = open_training(path, output_dir, profile=profile, sources=sources)
        return run_training(*opened, legacy=legacy, resume=resume)


@contextmanager
def _scan_file(
    scan: ScanLike | None, output_dir: Path | str | None, profile: str | Transform | None, sources: Sources
) -> Iterator[Path | None]:
    if scan is None:
        yield None
        return
    named = output_dir or last_put(training_layers(profile, sources).layers, "training.output_dir", TRAINING)
    folder = Path(named) if isinstance(named, Path | str) else TrainingConfig().output_dir
    with scan_file(scan, folder) as path:
        yield path


def run_training(
    configs: Resolved[TrainingSetup],
    delta: LegacyDelta,
    opened: TrainingScans,
    *,
    legacy: MutableMapping[str, Any] | None = None,
    resume: bool = False,
) -> TrainingRun:
    """Train, and write the results, as `train` does.

    configs, delta, opened: as `open_training` returned them; the scans are closed here. legacy, resume: as there.
    """
    folder, outside = configs.config.training.output_dir, launched_outside()
    written = legacy_params if legacy is None else legacy
    with opened.closing(), legacy_values(written, delta), note_when_stopped(lambda: _what_is_kept(configs.config)):
        if outside is not None and outside.rank > 0:
            return _run_training(configs, opened, resume=resume)
        with claim_folder(folder):
            return _run_training(configs, opened, resume=resume)


def _run_training(configs: Resolved[TrainingSetup], opened: TrainingScans, *, resume: bool) -> TrainingRun:
    files = digests((*opened.training, *opened.validation))
    seed = _common_seed(configs, resume=resume)
    # The one of a profile gives way; a seed that is drawn stays one.
    if resume and configs.config.training.subsample_seed not in {None, seed}:
        put = with_where(at(fields(TrainingSetup).training.subsample_seed).put(seed), f"of {LAST}")
        configs = resolve(configs.base, *configs.layers, Layer(OVERRIDES, put), order=TRAINING)
    setup = configs.config
    device = choose_device(setup.execution.accelerator)
    network = f"{setup.training.model.architecture}, epochs: {setup.training.nepochs}"
    log_start(opened.training, network, device, setup.training.output_dir)
    world = world_size(setup.execution, device)
    if world > 1:
        opened.close()
        made = fit_in_processes(setup, seed, world, opened=opened, resume=resume)
        return write_training_run(configs, made, files)
    made = fit_setup(setup, seed, opened=opened, resume=resume)
    return write_training_run(configs, made, files, parts_of(made.data.training)[0].scan)


def _what_is_kept(setup: TrainingSetup) -> str:
    """The state of a training that a signal has ended, and how to go on."""
    last, epochs = setup.training.output_dir / LAST, setup.training.nepochs
    try:
        kept = epochs_of(last)
    except DataError:
        return "no epoch has ended, nothing is kept: run the same command again"
    return f"{kept} of {epochs} epochs are kept in {last}: the same command with --resume goes on from there"


def _common_seed(configs: Resolved[TrainingSetup], *, resume: bool) -> int:
    """The seed that the user gives, that of the checkpoint that is resumed, that of a profile, or a fresh one, on which
    processes that were started elsewhere could not agree."""
    training = configs.config.training
    given = any(change.layer != PROFILE for change in configs.explain("training.subsample_seed").changes)
    if resume and (training.subsample_seed is None or not given):
        return seed_of(training.output_dir / LAST)
    if training.subsample_seed is None and launched_outside() is not None:
        message, hint = "is needed where several processes train together", "give any number"
        raise ConfigError([Problem("training.subsample_seed", message, hint=hint)], "the run")
    return seed_or_fresh(training.subsample_seed)


def resolve_training(
    train_data_file: Path | str | None = None,
    output_dir: Path | str | None = None,
    *,
    profile: str | Transform | None = RECOMMENDED,
    sources: Sources = Sources(),
    checked: bool = True,
) -> tuple[Resolved[TrainingSetup], LegacyDelta]:
    """The setup that `train` would run: `(configs, legacy_dict_delta)`.

    train_data_file, output_dir, profile, sources: as for `train`; checked: as for `open_training`.
    """
    configs, delta, opened = open_training(
        train_data_file, output_dir, profile=profile, sources=sources, checked=checked
    )
    opened.close()
    return configs, delta


def open_training(
    train_data_file: Path | str | None = None,
    output_dir: Path | str | None = None,
    *,
    profile: str | Transform | None = RECOMMENDED,
    sources: Sources = Sources(),
    checked: bool = True,
) -> tuple[Resolved[TrainingSetup], LegacyDelta, TrainingScans]:
    """Open the scans of a training and resolve it with their facts: configs, legacy dict delta, and the scans, to be
    closed by the caller.

    train_data_file, output_dir, profile, sources: as for `train`; checked: refuse what this version and this
    machine cannot run. Reads all of the scans but their patterns; changes nothing. Raises ConfigError or
    DataError.
    """
    scan = None if train_data_file is None else Path(train_data_file)
    folder = None if output_dir is None else Path(output_dir)
    # The last layer names the scan, before the options are known to be right.
    named = scan or last_put(training_layers(profile, sources).layers, "training.train_data_file", TRAINING)
    path = Path(named) if isinstance(named, str | Path) else None
    if path is None or not path.exists():
        # Mistakes in the options are reported first.
        create_training_payload(scan, folder, profile=profile, sources=sources)
    if path is None:
        hint = "give a scan to the command, or the first argument of train()"
        raise ConfigError([Problem("training.train_data_file", "is required", hint=hint)], TrainingSetup.SCHEMA)
    scans = open_scans(path)
    facts = facts_of(path, scans)
    configs, delta = create_training_payload(scan, folder, profile=profile, sources=sources, facts=facts)
    if checked:
        refuse_unread(configs)
        # What could not be recorded at the end is refused at the start.
        save(configs)
        execution = configs.config.execution
        world_size(execution, choose_device(execution.accelerator))
        check_packages(configs.config)
        check_named_parts(configs.config)
    training = configs.config.training
    validation, path, side = open_validation_scans(training), training.test_data_file, training.model.N
    if path is not None and (found := facts_of(path, validation).n_pixels) != side:
        raise DataError(str(path), f"has patterns of {found} px, the training scan has {side}")
    return configs, delta, TrainingScans(scans, validation)


def write_training_run(
    configs: Resolved[TrainingSetup],
    made: Fitted,
    files: Mapping[str, str] = MappingProxyType({}),
    scan: Scan | None = None,
) -> TrainingRun:
    """Write the files of a training with these configs from its fitted model, `made`, the digests of its `files`, and
    the first scan, for the report, where this process has it; of several processes the first one writes."""
    folder, record = configs.config.training.output_dir, attrs.evolve(made.record, files=dict(files))
    outside = launched_outside()
    if outside is not None and outside.rank > 0:
        return TrainingRun(folder / BUNDLE_NAME, configs, record, made)
    derivation = derivation_of(configs)
    with write_results(folder) as stage:
        save_bundle(stage, Bundle(configs.config, made.model.state_dict(), derivation, record))
        write_json(stage / "config.json", {"training": to_json(derivation)})
        write_json(stage / "metrics.json", {"training": to_json(record)})
        draw_losses(stage, record.history)
        write_report(stage / "report.html", training_report(configs, record, scan))
    return TrainingRun(folder / BUNDLE_NAME, configs, record, made)
