"""`reconstruct`: a bundle and a scan file to an object, with product and report."""

import base64
import time
from collections.abc import Mapping, MutableMapping
from contextlib import nullcontext
from html import escape
from pathlib import Path
from typing import Any

import attrs
import torch

from ptycho_config import Resolved, Sources, create_inference_payload
from ptycho_config.legacy import LegacyDelta, legacy_params, legacy_values
from ptycho_config.policy import refuse_unread
from ptycho_config.saved import save
from ptycho_config.schema import InferenceSetup, TrainingSetup
from ptycho_torch.api.header import log_start
from ptycho_torch.api.loading import load
from ptycho_torch.data.dataset import read_dataset
from ptycho_torch.data.geometry import micrometres
from ptycho_torch.data.raw import RawScan
from ptycho_torch.data.readers import digests, facts_of, open_scan
from ptycho_torch.data.scan import check_canvas
from ptycho_torch.device import choose_device, peak_memory_mib, seed_or_fresh
from ptycho_torch.errors import NOTHING_NEW, note_when_stopped
from ptycho_torch.files import write_json, write_table
from ptycho_torch.judgement.fit import judge_fit, measure_fit
from ptycho_torch.judgement.scan import judge_scan, judge_with_probe
from ptycho_torch.output.bundle import Bundle
from ptycho_torch.output.derivation import derivation_of
from ptycho_torch.output.figures import draw_losses, draw_object
from ptycho_torch.output.product import write_product, write_reconstruction
from ptycho_torch.output.report import verdict_table, write_report
from ptycho_torch.output.run_records import InferenceRecord, ObjectRecord, TrainingRecord, machine, to_json
from ptycho_torch.pretrained import PRETRAINED
from ptycho_torch.reconstruction.padding import pad_canvas
from ptycho_torch.reconstruction.patch_statistics import PatchStatistics
from ptycho_torch.reconstruction.pipeline import prepare_reconstruction, run_reconstruction
from ptycho_torch.reconstruction.r_factor import require_finite
from ptycho_torch.reconstruction.refine_dataset import instrument_of
from ptycho_torch.reconstruction.trained_model import Trained
from ptycho_torch.records import Canvas, Dataset
from ptycho_torch.run_folder import claim_folder, write_results


@attrs.frozen(eq=False)
class Reconstruction:
    """A stitched object, its figures of merit, and the folder with all files."""

    canvas: Canvas
    metrics: InferenceRecord
    configs: Resolved[InferenceSetup]
    folder: Path

    def _repr_html_(self) -> str:
        pictures = (self.folder / name for name in ("amplitude.png", "phase.png"))
        encoded = (base64.b64encode(picture.read_bytes()).decode("ascii") for picture in pictures)
        images = "".join(f'<img style="width:48%" src="data:image/png;base64,{data}">' for data in encoded)
        fit = f"R = {self.metrics.R:.4f} (flat object {self.metrics.R_flat:.4f})"
        verdict = escape(str(self.metrics.verdict))
        return f"<div>{images}</div><p>{fit}</p><p>{verdict}</p>"


def reconstruct(
    model_path: Path | str,
    test_data_file: Path | str,
    output_dir: Path | str | None = None,
    *,
    sources: Sources = Sources(),
    legacy: MutableMapping[str, Any] = legacy_params,
) -> Reconstruction:
    """Apply a trained model to a scan; write product, pictures, metrics and report.

    model_path: a bundle or its folder; test_data_file: the scan; output_dir: for the results, by default
    that of `sources`, the layers of options; legacy: the dict that code of PtychoPINN reads, as it was where the
    reconstruction fails. Raises ConfigError, DataError or DivergedError before anything is written, and OutputError
    where there is no room for the results; a KeyboardInterrupt has a note on what is kept.
    """
    start = time.perf_counter()
    model_path, test_data_file = Path(model_path), Path(test_data_file)
    trained = load(model_path)
    with open_scan(test_data_file) as scan:
        configs, delta = resolve_inference(
            trained.setup, model_path, test_data_file, output_dir, sources=sources, scan=scan
        )
        device, folder = choose_device(configs.config.execution.accelerator), configs.config.inference.output_dir
        with legacy_values(legacy, delta), note_when_stopped(lambda: NOTHING_NEW), claim_folder(folder):
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
    judged = judge_scan(check_canvas(dataset), fix_orientation=options.fix_orientation)
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
    if setup.execution.pad_eval:
        canvas = pad_canvas(canvas, dataset.probe.shape[-1] // 2)
    metrics = InferenceRecord(
        R=round(require_finite(fit.R, dataset.name), 6),
        R_flat=round(fit.flat, 6),
        verdict=judge_fit(fit, judged),
        patterns=len(task.groups.unique()),
        s1=None if solved.scales is None else solved.scales[0],
        s2=None if solved.scales is None else solved.scales[1],
        refine=tuple(round(value, 6) for value in solved.made.passes),
        position_corrections=solved.made.corrections,
        probe=task.probe,
        unknown=task.unknown,
        instrument=instrument_of(dataset),
        object_px=canvas.object.shape,
        origin_px=canvas.origin_yx,
        seed=seed,
        seconds=attrs.evolve(solved.seconds, loading=round(loaded - start, 2)),
        peak_memory_mib=round(peak_memory_mib()),
        machine=machine(),
        files=files,
    )
    with write_results(folder) as stage:
        _write(stage, dataset, canvas, metrics, configs, trained.bundle)
        if patches.rows:
            write_table(stage / "patch_statistics.csv", patches.rows)
    return Reconstruction(canvas, metrics, configs, folder)


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
    metrics: InferenceRecord,
    configs: Resolved[InferenceSetup],
    bundle: Bundle,
) -> None:
    derivations = {"training": bundle.derivation, "inference": derivation_of(configs)}
    write_product(folder / "product.h5", dataset, canvas, bundle.record.history.train_loss)
    write_reconstruction(folder / "reconstruction.npz", canvas)
    write_json(folder / "config.json", {name: to_json(derivation) for name, derivation in derivations.items()})
    write_json(folder / "metrics.json", {"training": to_json(bundle.record), "inference": to_json(metrics)})
    draw_object(folder, canvas, configs.config.torch.stitch.window, dataset.geometry)
    pictures = [folder / "amplitude.png", folder / "phase.png"]
    summary: Mapping[str, object] = {"network": "the one that comes with ptycho, trained on simulated scans"}
    if configs.config.inference.model_path != PRETRAINED:
        draw_losses(folder, bundle.record.history)
        pictures.append(folder / "loss.png")
        summary = _entries(bundle.record)
    write_report(
        folder / "report.html",
        f"Reconstruction of {dataset.name}",
        pictures,
        {
            "Verdict": verdict_table(metrics.verdict),
            "Inference": {**_entries(metrics), **_in_micrometres(dataset, canvas, metrics)},
            "Training": summary,
            "Versions": metrics.versions,
        },
        {
            "Configuration of the training": derivations["training"],
            "Configuration of the inference": derivations["inference"],
        },
    )


def _in_micrometres(dataset: Dataset, canvas: Canvas, metrics: InferenceRecord) -> Mapping[str, str]:
    """The lengths of a reconstruction for people, where its scan knows metres."""
    pixel = dataset.pixel_m
    if pixel is None:
        return {}
    size = (length * one for length, one in zip(canvas.object.shape, pixel, strict=True))
    found = {"object": micrometres(*size), "object pixel": micrometres(*pixel)}
    if metrics.position_corrections is not None:
        found["position corrections, rms"] = micrometres(metrics.position_corrections.rms_px * max(pixel))
    return found


def _entries(record: ObjectRecord | TrainingRecord) -> Mapping[str, object]:
    """The entries of a record that are known and stand in no place of their own, for a table."""
    elsewhere = {"history", "versions", "machine", "files", "verdict"}
    return {name: value for name, value in to_json(record).items() if name not in elsewhere and value is not None}
