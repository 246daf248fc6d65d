"""The reports of reconstructions, refinements and trainings."""

from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from ptycho_config import Resolved
from ptycho_config.schema import InferenceSetup, TrainingSetup
from ptycho_torch.data.geometry import micrometres
from ptycho_torch.judgement.fit import Fit
from ptycho_torch.output.bundle import Bundle
from ptycho_torch.output.correction_figure import correction_figure
from ptycho_torch.output.derivation import derivation_of
from ptycho_torch.output.line_chart import loss_chart
from ptycho_torch.output.pictures import Picture, reduce_image
from ptycho_torch.output.report import Report, Section
from ptycho_torch.output.report_figures import (
    Figure,
    HalfScans,
    curve_figure,
    half_scan_figures,
    object_figures,
    pattern_figures,
    picture_figure,
    probe_figures,
    scan_map,
    variation_figures,
)
from ptycho_torch.output.run_records import InferenceRecord, ObjectRecord, RefinementRecord, TrainingRecord, to_json
from ptycho_torch.pretrained import PRETRAINED
from ptycho_torch.records import Canvas, Dataset, Scan

_ELSEWHERE = {"history", "versions", "machine", "files", "verdict"}
# Side of the picture of the scan of a training.
_MAP_PX = 400


@attrs.frozen(eq=False)
class ObjectParts:
    """An object with all that its report shows: the canvas, the dataset and the scan with the probe and the positions
    that belong to it, the fit, `window` px that are left out at each border, the comparison of the halves of the scan,
    where that is known, and the recorded positions `(n, 2)` px, where they were corrected."""

    canvas: Canvas
    dataset: Dataset
    scan: Scan
    fit: Fit
    window: int = 0
    halves: HalfScans | None = None
    recorded_yx: NDArray[np.float64] | None = None

    def sections(self, passes: tuple[float, ...]) -> tuple[Section, ...]:
        """The figures; passes: R before each pass of a refinement."""
        curves: tuple[Figure, ...] = ()
        if passes:
            text = "R of all patterns before each pass, and at the end"
            curves = (curve_figure("Refinement", (*passes, self.fit.R), "pass", "R", text),)
        shown = tuple(object_figures(self.canvas, self.dataset, self.window, self.fit))
        if self.recorded_yx is not None:
            shown = (*shown, correction_figure(self.canvas, self.dataset, self.recorded_yx, self.window))
        patterns = (
            Section(text, figures, wide=True) for text, figures in pattern_figures(self.scan, self.canvas, self.fit)
        )
        quality = curves
        if self.halves is not None:
            quality = (*curves, *half_scan_figures(self.halves, self.canvas, self.dataset, self.window))
        return (
            Section("Object", shown),
            Section("Beam", (*probe_figures(self.dataset), *variation_figures(self.dataset))),
            *((Section("Quality", quality),) if quality else ()),
            *patterns,
        )


def reconstruction_report(
    parts: ObjectParts, metrics: InferenceRecord, configs: Resolved[InferenceSetup], bundle: Bundle
) -> Report:
    """The report of a reconstruction: its parts, metrics and configs, and the bundle of its network."""
    training: Mapping[str, object] = {"network": "the one that comes with ptycho, trained on simulated scans"}
    sections = parts.sections(metrics.refine)
    if configs.config.inference.model_path != PRETRAINED:
        training = _entries(bundle.record)
        losses = Figure("Losses of the network", drawing=loss_chart(bundle.record.history))
        sections = (*sections, Section("Training", (losses,)))
    return Report(
        title=f"Reconstruction of {parts.dataset.name}",
        verdict=metrics.verdict,
        facts=_facts(parts, metrics),
        sections=sections,
        tables={
            "Figures of merit": {**_entries(metrics), **_in_micrometres(parts, metrics)},
            "Training of the network": training,
            "Versions and machine": {**metrics.versions, **metrics.machine},
        },
        derivations={
            "Options of the reconstruction": derivation_of(configs),
            "Options of the training": bundle.derivation,
        },
    )


def refinement_report(parts: ObjectParts, metrics: RefinementRecord) -> Report:
    """The report of a refinement: its parts and metrics."""
    return Report(
        title=f"Refinement of {parts.dataset.name}",
        verdict=metrics.verdict,
        facts=_facts(parts, metrics),
        sections=parts.sections(metrics.R_by_pass),
        tables={
            "Figures of merit": {**_entries(metrics), **_in_micrometres(parts, metrics)},
            "Versions and machine": {**metrics.versions, **metrics.machine},
        },
    )


def training_report(configs: Resolved[TrainingSetup], record: TrainingRecord, scan: Scan | None) -> Report:
    """The report of a training: its configs and record, and the first scan that it was fitted to, where known."""
    losses = record.history
    facts = {"epochs": str(len(losses.train_loss))}
    if losses.train_loss:
        facts["last training loss"] = f"{losses.train_loss[-1]:.4g}"
    if losses.val_loss:
        facts["best validation loss"] = f"{min(losses.val_loss):.4g}"
    if record.kept_epoch is not None:
        facts["kept epoch"] = str(record.kept_epoch + 1)
    if record.seconds is not None:
        facts["training took"] = f"{record.seconds.training:.1f} s"
    facts |= {"groups": str(record.groups), "parameters": str(record.parameters)}
    figures = [Figure("Losses", "of the kept network, the lowest", drawing=loss_chart(losses))]
    figures += [] if scan is None else _scan_figures(scan)
    return Report(
        title=f"Training on {configs.config.training.train_data_file}",
        verdict=record.verdict,
        facts=facts,
        sections=(Section("Training", tuple(figures)),),
        tables={"Record": _entries(record), "Versions and machine": {**record.versions, **record.machine}},
        derivations={"Options of the training": derivation_of(configs)},
    )


def _scan_figures(scan: Scan) -> tuple[Figure, ...]:
    """Positions and probe of the first scan of a training."""
    place = scan.position_yx.numpy()
    span = max(float(np.ptp(place, axis=0).max()), 1.0)
    inner = (place - place.min(axis=0)) / span * 0.9 * _MAP_PX + 0.05 * _MAP_PX
    blank = Picture(np.full((_MAP_PX, _MAP_PX), np.nan), (0.0, 1.0))
    positions = picture_figure("Positions", blank, bar=False, drawing=scan_map(inner, (_MAP_PX, _MAP_PX), None))
    amplitude = reduce_image(scan.probe.abs().square().sum(0).sqrt().numpy())[0]
    probe = picture_figure("Probe", Picture(amplitude, (0.0, float(amplitude.max())), "sequential", "|P|"))
    return attrs.evolve(positions, colours="", caption="first scan"), probe


def _facts(parts: ObjectParts, metrics: ObjectRecord) -> dict[str, str]:
    height, width = parts.canvas.object.shape
    found = {
        "R": f"{metrics.R:.4g}",
        "R of a flat object": f"{metrics.R_flat:.4g}",
        "R of noise alone": f"{parts.fit.noise:.3g}" if parts.fit.noise else "not known",
        "patterns": str(metrics.patterns),
        "object": f"{height} x {width} px",
    }
    if parts.dataset.pixel_m is not None:
        found["pixel of the object"] = micrometres(*parts.dataset.pixel_m)
    for part in (metrics.instrument, metrics.photons, metrics.sparse):
        if part is not None and part.sentence:
            name, text = part.sentence.split(": ", 1)
            found[name] = text
    return found


def _in_micrometres(parts: ObjectParts, metrics: ObjectRecord) -> Mapping[str, str]:
    """The lengths of an object for people, where its scan knows metres."""
    pixel = parts.dataset.pixel_m
    if pixel is None:
        return {}
    size = (length * one for length, one in zip(parts.canvas.object.shape, pixel, strict=True))
    found = {"object": micrometres(*size), "object pixel": micrometres(*pixel)}
    if metrics.position_corrections is not None:
        found["position corrections, rms"] = micrometres(metrics.position_corrections.rms_px * max(pixel))
    return found


def _entries(record: ObjectRecord | TrainingRecord) -> dict[str, Any]:
    """The entries of a record that are known and stand in no place of their own, for a table."""
    return {name: value for name, value in to_json(record).items() if name not in _ELSEWHERE and value is not None}
