"""`reconstruct`: a bundle and a scan file to an object, with product and report."""

# `help` shows `ScanLike` rather than all that it is.
from __future__ import annotations

import time
from collections.abc import MutableMapping
from contextlib import nullcontext
from functools import partial
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import torch

from ptycho_config import Resolved, Sources, Transform, create_inference_payload
from ptycho_config.layers import INFERENCE, last_put
from ptycho_config.legacy import LegacyDelta, legacy_params, legacy_values
from ptycho_config.policy import refuse_unread
from ptycho_config.saved import save
from ptycho_config.schema import InferenceConfig, InferenceSetup, TrainingSetup
from ptycho_config.schema.specs import specs
from ptycho_torch.api.header import log_start
from ptycho_torch.api.loading import load
from ptycho_torch.api.run_reports import ObjectParts, reconstruction_report
from ptycho_torch.api.scan_arguments import ScanLike, scan_file
from ptycho_torch.data.dataset import read_dataset
from ptycho_torch.data.raw import RawScan
from ptycho_torch.data.readers import digests, facts_of, open_scan
from ptycho_torch.data.scan import check_canvas
from ptycho_torch.device import (
    choose_device,
    deterministic_kernels,
    free_gpu_bytes,
    full_memory_as_error,
    peak_memory_mib,
    seed_or_fresh,
)
from ptycho_torch.errors import NOTHING_NEW, note_when_stopped
from ptycho_torch.evaluation.half_scans import Deviations, find_deviations
from ptycho_torch.files import write_json, write_table
from ptycho_torch.judgement.fit import judge_fit, measure_fit
from ptycho_torch.judgement.scan import judge_scan, judge_with_probe
from ptycho_torch.output.bundle import Bundle
from ptycho_torch.output.derivation import derivation_of
from ptycho_torch.output.object_pictures import draw_object, notebook_html, object_pictures
from ptycho_torch.output.product import write_product, write_reconstruction
from ptycho_torch.output.report import Report, write_report
from ptycho_torch.output.run_records import InferenceRecord, machine, to_json
from ptycho_torch.pretrained import PRETRAINED
from ptycho_torch.reconstruction.padding import pad_canvas
from ptycho_torch.reconstruction.patch_statistics import PatchStatistics
from ptycho_torch.reconstruction.pipeline import prepare_reconstruction, reconstruct_again, run_reconstruction
from ptycho_torch.reconstruction.r_factor import require_finite
from ptycho_torch.reconstruction.refine_dataset import instrument_of
from ptycho_torch.reconstruction.repetition import repetition_evidence
from ptycho_torch.reconstruction.trained_model import Trained
from ptycho_torch.records import Canvas, Dataset
from ptycho_torch.run_folder import claim_folder, write_results

if TYPE_CHECKING:
    from ptycho_torch.api.training import TrainingRun


@attrs.frozen(eq=False, repr=False)
class Reconstruction:
    """A stitched object, its figures of merit, the folder with all files, and the report that was written there."""

    canvas: Canvas
    metrics: InferenceRecord
    configs: Resolved[InferenceSetup]
    folder: Path
    report: Report

    def __repr__(self) -> str:
        return f"<Reconstruction {self.folder}: R = {self.metrics.R:.2g}, verdict {self.metrics.verdict.level}>"

    def _repr_html_(self) -> str:
        fit = f"R = {self.metrics.R:.4f} (flat object {self.metrics.R_flat:.4f})"
        pictures = object_pictures(self.canvas, self.configs.config.torch.stitch.window)
        return notebook_html(pictures, fit, escape(str(self.metrics.verdict)))


def reconstruct(
    scan: ScanLike,
    output_dir: Path | str | None = None,
    *,
    model: Path | str | Trained | TrainingRun | None = None,
    sources: Sources = Sources(),
    legacy: MutableMapping[str, Any] | None = None,
    **options: Any,
) -> Reconstruction:
    """Apply a trained network to a scan; write product, pictures, metrics and report.

    scan: a file, arrays by their names in NPZ, or a simulated scan. output_dir: for the results. model: a bundle, its
    folder, what `load` or `train` returned; None for the network that comes with ptycho. sources: whole layers of
    options. legacy: the dict that code of PtychoPINN reads, None for that of this process; it is as it was where the
    reconstruction fails. options: by name, `passes=20` or `**{"torch.refine.passes": 20}`.

    Raises ConfigError, DataError or DivergedError before anything is written, and OutputError where there is no room
    for the results; a KeyboardInterrupt has a note on what is kept.

    >>> made = reconstruct("scan.npz", "result", enable_progress_bar=False)
    >>> made
    <Reconstruction result: R = ..., verdict sound>
    >>> made.canvas.object.dtype
    dtype('complex64')
    """
    sources = sources.with_options(InferenceSetup, options)
    path, trained = _load_model(model)
    given = sources.layers(InferenceSetup, Transform()).layers
    named = output_dir or last_put(given, "inference.output_dir", INFERENCE)
    default = specs(InferenceConfig)["output_dir"].default
    with scan_file(scan, Path(named if isinstance(named, Path | str) else default)) as scan_path:
        return _reconstruct_file(path, trained, scan_path, output_dir, sources, legacy)


def _load_model(model: Path | str | Trained | TrainingRun | None) -> tuple[Path, Trained]:
    """The path of a bundle, and the model in it."""
    if isinstance(model, Trained):
        return Path(next(iter(model.bundle.source))), model
    path = PRETRAINED if model is None else Path(model) if isinstance(model, Path | str) else model.bundle
    return path, load(path)


def _reconstruct_file(
    model_path: Path,
    trained: Trained,
    scan_path: Path,
    output_dir: Path | str | None,
    sources: Sources,
    legacy: MutableMapping[str, Any] | None,
) -> Reconstruction:
    start = time.perf_counter()
    with open_scan(scan_path) as scan:
        configs, delta = resolve_inference(trained.setup, model_path, scan_path, output_dir, sources=sources, scan=scan)
        device, folder = choose_device(configs.config.execution.accelerator), configs.config.inference.output_dir
        written = legacy_params if legacy is None else legacy
        with (
            legacy_values(written, delta),
            note_when_stopped(lambda: NOTHING_NEW),
            claim_folder(folder),
            deterministic_kernels(device),
            full_memory_as_error(device, "execution.inference_batch_size"),
        ):
            return _reconstruct(trained, scan, configs, device, start)


def _reconstruct(
    trained: Trained, scan: RawScan, configs: Resolved[InferenceSetup], device: torch.device, start: float
) -> Reconstruction:
    """The reconstruction of an opened scan, written into its folder; start: its clock."""
    setup, folder = configs.config, configs.config.inference.output_dir
    own = setup.inference.model_path != PRETRAINED
    origin = f"of {setup.inference.model_path}" if own else "the one that comes with ptycho"
    log_start([scan], f"{setup.inference.model.architecture}, {origin}", device, folder)
    options, needed = setup.torch.data, not setup.torch.refine.unknown
    dataset = read_dataset(
        scan, setup.torch.scale.domain, options.position_origin, mask=options.mask, probe_needed=needed
    )
    files = {**digests([scan]), **trained.bundle.source}
    judged = judge_scan(check_canvas(dataset, free_gpu_bytes(device)), fix_orientation=options.fix_orientation)
    dataset = judged.dataset
    seed = seed_or_fresh(setup.inference.subsample_seed)
    task = prepare_reconstruction(trained, dataset, setup, seed, device)
    if task.probe is not None and task.probe.start is not None:
        judged = judge_with_probe(judged, task.dataset)
    loaded = time.perf_counter()
    record = setup.torch.record
    patches = PatchStatistics(record.patch_stats_limit if record.log_patch_stats else 0)
    solved = run_reconstruction(task, setup, seed, device, patches)
    canvas, dataset = solved.made.canvas, solved.made.dataset
    fit = measure_fit(solved.made.scan, canvas, device)
    again = partial(reconstruct_again, task, solved.made, setup=setup, seed=seed, device=device)
    repetition = repetition_evidence(solved.made.scan, canvas, fit, again, seed=seed, device=device)
    if setup.execution.pad_eval:
        canvas = pad_canvas(canvas, dataset.probe.shape[-1] // 2)
    compared, figures = None, None
    if setup.torch.refine.halves:
        compared = find_deviations(solved.made.scan, canvas, again, dataset.geometry, seed=seed)
        figures = compared.figures
    metrics = InferenceRecord(
        R=round(require_finite(fit.R, dataset.name), 6),
        R_flat=round(fit.flat, 6),
        verdict=judge_fit(fit, judged, dataset, repetition),
        patterns=len(task.groups.unique()),
        s1=None if solved.scales is None else solved.scales[0],
        s2=None if solved.scales is None else solved.scales[1],
        refine=tuple(round(value, 6) for value in solved.made.passes),
        position_corrections=solved.made.corrections,
        photons=solved.made.photons,
        sparse=solved.made.sparse,
        components=solved.made.components,
        halves=None if compared is None else compared.record,
        probe=task.probe,
        unknown=task.unknown,
        network=None if task.network is None else attrs.evolve(task.network, passes=len(solved.made.passes)),
        instrument=instrument_of(dataset),
        object_px=canvas.object.shape,
        origin_px=canvas.origin_yx,
        seed=seed,
        seconds=attrs.evolve(solved.seconds, loading=round(loaded - start, 2)),
        peak_memory_mib=round(peak_memory_mib()),
        machine=machine(),
        files=files,
    )
    recorded = None if solved.made.corrections is None else task.dataset.position_yx
    parts = ObjectParts(canvas, dataset, solved.made.scan, fit, setup.torch.stitch.window, figures, recorded)
    report = reconstruction_report(parts, metrics, configs, trained.bundle)
    with write_results(folder) as stage:
        _write(stage, dataset, canvas, compared, metrics, configs, trained.bundle)
        write_report(stage / "report.html", report)
        if patches.rows:
            write_table(stage / "patch_statistics.csv", patches.rows)
    return Reconstruction(canvas, metrics, configs, folder, report)


def resolve_inference(
    trained: TrainingSetup,
    model_path: Path | str,
    test_data_file: Path | str,
    output_dir: Path | str | None = None,
    *,
    sources: Sources = Sources(),
    checked: bool = True,
    scan: RawScan | None = None,
) -> tuple[Resolved[InferenceSetup], LegacyDelta]:
    """The setup that `reconstruct` would run: `(configs, legacy_dict_delta)`, with the facts of the file.

    trained: the setup of the bundle at `model_path`; output_dir, sources: as for `reconstruct`; checked:
    refuse what this version cannot run; scan: the opened `test_data_file`, which is opened here where it is
    None. Reads all of the scan but its patterns; changes nothing. Raises ConfigError or DataError.
    """
    path = Path(test_data_file)
    with nullcontext(scan) if scan is not None else open_scan(path) as opened:
        facts = facts_of(path, [opened], probe_needed=False)
    folder = None if output_dir is None else Path(output_dir)
    configs, delta = create_inference_payload(
        Path(model_path), path, folder, trained=trained, facts=facts, sources=sources
    )
    if checked:
        refuse_unread(configs)
        # What could not be recorded at the end is refused at the start.
        save(configs)
    return configs, delta


def _write(
    folder: Path,
    dataset: Dataset,
    canvas: Canvas,
    compared: Deviations | None,
    metrics: InferenceRecord,
    configs: Resolved[InferenceSetup],
    bundle: Bundle,
) -> None:
    derivations = {"training": bundle.derivation, "inference": derivation_of(configs)}
    maps = {} if compared is None else compared.arrays
    write_product(folder / "product.h5", dataset, canvas, bundle.record.history.train_loss, maps)
    write_reconstruction(folder / "reconstruction.npz", canvas, maps)
    write_json(folder / "config.json", {name: to_json(derivation) for name, derivation in derivations.items()})
    write_json(folder / "metrics.json", {"training": to_json(bundle.record), "inference": to_json(metrics)})
    draw_object(folder, canvas, configs.config.torch.stitch.window, dataset.geometry)
