"""`refine`: a scan file, and an object to start from, to a better object; no network."""

# `help` shows `ScanLike` rather than all that it is.
from __future__ import annotations

import time
from html import escape
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import torch

from ptycho_config import parse
from ptycho_config.schema import DataOptions, RefineOptions, ScaleOptions
from ptycho_torch.api.header import log_start
from ptycho_torch.api.run_reports import ObjectParts, refinement_report
from ptycho_torch.api.scan_arguments import ScanLike, scan_file
from ptycho_torch.data.dataset import Domain, Masking, Origin, read_dataset
from ptycho_torch.data.readers import open_scan
from ptycho_torch.data.scan import check_canvas, normalise, with_coarse_object
from ptycho_torch.device import (
    choose_device,
    deterministic_kernels,
    free_gpu_bytes,
    full_memory_as_error,
    peak_memory_mib,
)
from ptycho_torch.errors import NOTHING_NEW, DataError, note_when_stopped
from ptycho_torch.evaluation.half_scans import find_deviations
from ptycho_torch.evaluation.read import read_object
from ptycho_torch.files import write_json
from ptycho_torch.judgement.fit import judge_fit, measure_fit
from ptycho_torch.judgement.scan import judge_scan, judge_with_probe
from ptycho_torch.output.object_pictures import draw_object, notebook_html, object_pictures
from ptycho_torch.output.product import write_product, write_reconstruction
from ptycho_torch.output.report import Report, write_report
from ptycho_torch.output.run_records import RefinementRecord, RefinementSeconds, to_json
from ptycho_torch.physics.canvas import canvas_of
from ptycho_torch.reconstruction.r_factor import require_finite
from ptycho_torch.reconstruction.refine_dataset import instrument_of, object_alone, refine_dataset
from ptycho_torch.reconstruction.repetition import repetition_evidence
from ptycho_torch.reconstruction.unknowns import estimate_unknowns
from ptycho_torch.records import Canvas, Scan
from ptycho_torch.run_folder import claim_folder, write_results

PASSES = 6


@attrs.frozen(eq=False, repr=False)
class Refinement:
    """A refined object, its figures of merit, the folder with all files, and the report that was written there."""

    canvas: Canvas
    metrics: RefinementRecord
    folder: Path
    report: Report

    def __repr__(self) -> str:
        return f"<Refinement {self.folder}: R = {self.metrics.R:.2g}, verdict {self.metrics.verdict.level}>"

    def _repr_html_(self) -> str:
        fit = f"R = {self.metrics.R:.4f} (flat object {self.metrics.R_flat:.4f})"
        return notebook_html(object_pictures(self.canvas), fit, escape(str(self.metrics.verdict)))


def refine(
    scan: ScanLike,
    output_dir: Path | str = "refined",
    *,
    start: Path | str = "coarse",
    passes: int = PASSES,
    measurement_domain: Domain = ScaleOptions().domain,
    position_origin: Origin = "corner",
    mask: Masking = "file",
    fix_orientation: bool = False,
    seed: int = 0,
    accelerator: str = "auto",
    visible: bool = False,
    **options: Any,
) -> Refinement:
    """Reconstruct a scan without a network, or improve an object; write product, pictures, metrics and report.

    scan: a file, arrays by their names in NPZ, or a simulated scan. output_dir: for the results. start: `coarse`, the
    object that totals and centres of mass of the patterns give, `flat`, or the `reconstruction.npz` or `product.h5` of
    the same scan. passes: over the patterns. measurement_domain, position_origin, mask: as for `read_scan`;
    fix_orientation: turn the positions as the patterns need it. seed: of the order of the patterns. accelerator: the
    device. visible: show progress. options: of `torch.refine` by name, `refine_probe=True`.
    Raises ConfigError, DataError or DivergedError before anything is written.

    >>> refine("scan.npz", "refined", passes=3, unknown=[])
    <Refinement refined: R = ..., verdict ...>
    """
    chosen = parse(RefineOptions, {"passes": passes, **options})(RefineOptions())
    data = DataOptions(position_origin=position_origin, mask=mask, fix_orientation=fix_orientation)
    with scan_file(scan, Path(output_dir)) as path:
        return refine_scan(
            path,
            output_dir,
            chosen,
            start=start,
            domain=measurement_domain,
            data=data,
            seed=seed,
            accelerator=accelerator,
            visible=visible,
        )


def refine_scan(
    scan_file: Path | str,
    output_dir: Path | str,
    options: RefineOptions,
    *,
    start: Path | str,
    domain: Domain = ScaleOptions().domain,
    data: DataOptions = DataOptions(),
    seed: int = 0,
    accelerator: str = "auto",
    visible: bool = False,
) -> Refinement:
    """Improve an object against the patterns of a scan; write product, pictures, metrics and report.

    scan_file: read with this domain of its patterns and these data options; output_dir: for the
    results; options: of the refinement; start: `coarse`, the object that totals and centres of mass of the
    patterns give, `flat`, or the `reconstruction.npz` or `product.h5` of the same scan; seed: of the order of
    the patterns; accelerator: the device; visible: show progress. Raises ConfigError, DataError or
    DivergedError before anything is written.
    """
    device = choose_device(accelerator)
    kept = note_when_stopped(lambda: NOTHING_NEW)
    full = full_memory_as_error(device, "torch.refine.batch")
    with kept, claim_folder(Path(output_dir)) as folder, deterministic_kernels(device), full:
        with open_scan(Path(scan_file)) as opened:
            log_start([opened], f"none, {options.planned} passes from {start}", device, folder)
            dataset = read_dataset(
                opened, domain, data.position_origin, mask=data.mask, probe_needed=not options.unknown
            )
        judged = judge_scan(check_canvas(dataset, free_gpu_bytes(device)), fix_orientation=data.fix_orientation)
        dataset = judged.dataset
        _starting_object(start, normalise(dataset))
        clock = time.perf_counter()
        known = estimate_unknowns(dataset, options, seed=seed, device=device)
        dataset, scan = known.dataset, normalise(known.dataset)
        if known.probe is not None and known.probe.start is not None:
            judged = judge_with_probe(judged, dataset)
        initial = _starting_object(start, scan)
        made = refine_dataset(
            dataset,
            scan,
            initial,
            _origin(scan),
            known.options,
            seed=seed,
            device=device,
            visible=visible,
            fewest=known.fewest,
        )
        seconds = time.perf_counter() - clock
        fit = measure_fit(made.scan, made.canvas, device)
        from_patterns = "flat" if start == "flat" else "coarse"

        def again(part: Scan) -> Canvas:
            return refine_dataset(
                dataset,
                part,
                _starting_object(from_patterns, part),
                _origin(part),
                object_alone(known.options, made),
                seed=seed,
                device=device,
                visible=visible,
            ).canvas

        repetition = repetition_evidence(made.scan, made.canvas, fit, again, seed=seed, device=device)
        compared = None
        if options.halves:
            compared = find_deviations(made.scan, made.canvas, again, dataset.geometry, seed=seed)
        maps = {} if compared is None else compared.arrays
        metrics = RefinementRecord(
            R=round(require_finite(fit.R, dataset.name), 6),
            R_flat=round(fit.flat, 6),
            verdict=judge_fit(fit, judged, made.dataset, repetition),
            R_by_pass=tuple(round(value, 6) for value in made.passes),
            position_corrections=made.corrections,
            photons=made.photons,
            sparse=made.sparse,
            components=made.components,
            halves=None if compared is None else compared.record,
            patterns=len(scan.centre_yx),
            probe=known.probe,
            unknown=known.choice,
            instrument=instrument_of(made.dataset),
            options=options,
            seed=seed,
            seconds=RefinementSeconds(refine=round(seconds, 2)),
            peak_memory_mib=round(peak_memory_mib()),
        )
        report = refinement_report(
            ObjectParts(
                made.canvas,
                made.dataset,
                made.scan,
                fit,
                halves=None if compared is None else compared.figures,
                recorded_yx=None if made.corrections is None else dataset.position_yx,
            ),
            metrics,
        )
        with write_results(folder) as stage:
            write_product(stage / "product.h5", made.dataset, made.canvas, metrics.R_by_pass, maps)
            write_reconstruction(stage / "reconstruction.npz", made.canvas, maps)
            write_json(stage / "metrics.json", {"refinement": to_json(metrics)})
            draw_object(stage, made.canvas, geometry=dataset.geometry)
            write_report(stage / "report.html", report)
    return Refinement(made.canvas, metrics, folder, report)


def _starting_object(start: Path | str, scan: Scan) -> torch.Tensor:
    match start:
        case "coarse":
            initial = with_coarse_object(scan).initial
            assert initial is not None
            return initial
        case "flat":
            _, height, width = canvas_of(scan.centre_yx, scan.probe.shape[-1])
            return torch.ones(height, width, dtype=torch.complex64)
        case _:
            return _read(Path(start), scan)


def _origin(scan: Scan) -> tuple[int, int]:
    y, x = canvas_of(scan.centre_yx, scan.probe.shape[-1])[0].long().tolist()
    return y, x


def _read(path: Path, scan: Scan) -> torch.Tensor:
    """The stored object in the units of the scan, vacuum where it has nothing. Raises DataError."""
    stored = read_object(path)
    place = stored.scan_origin_yx or stored.origin_yx
    if place is None or (stored.pixel_m is not None and stored.scan_origin_yx is None):
        raise DataError(str(path), "does not say where its object lies on the scan", "give a reconstruction.npz")
    _, height, width = canvas_of(scan.centre_yx, scan.probe.shape[-1])
    object_ = np.ones((height, width), np.complex64)
    top, left = (there - here for there, here in zip(place, _origin(scan), strict=True))
    rows, columns = _overlap(top, stored.values.shape[0], height), _overlap(left, stored.values.shape[1], width)
    if rows.start >= rows.stop or columns.start >= columns.stop:
        raise DataError(str(path), "its object and the scan have no pixel in common")
    inner = stored.values[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    object_[rows, columns] = inner.astype(np.complex64) / np.float32(scan.object_scale)
    return torch.from_numpy(object_)


def _overlap(offset: int, length: int, whole: int) -> slice:
    return slice(max(0, offset), min(whole, offset + length))
