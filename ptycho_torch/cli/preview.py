"""`--dry-run`: what a run would do, with its time and memory as a small part of the work takes them."""

import time
from pathlib import Path

import numpy as np
import torch

from ptycho_config import Transform, at, fields
from ptycho_config.schema import InferenceSetup, RefineOptions, TrainingSetup
from ptycho_torch.api.header import describe_device, describe_scans
from ptycho_torch.data.dataset import read_dataset
from ptycho_torch.data.raw import RawScan
from ptycho_torch.data.readers import open_scan
from ptycho_torch.data.scan import normalise, with_coarse_object
from ptycho_torch.device import choose_device, peak_memory_mib
from ptycho_torch.files import check_folder
from ptycho_torch.physics.canvas import canvas_of
from ptycho_torch.pretrained import PRETRAINED
from ptycho_torch.reconstruction.pipeline import prepare_reconstruction, run_reconstruction
from ptycho_torch.reconstruction.refine_dataset import refine_dataset
from ptycho_torch.reconstruction.trained_model import Trained
from ptycho_torch.records import Dataset
from ptycho_torch.training.datasets import TrainingScans, training_data
from ptycho_torch.training.fit import untrained_model
from ptycho_torch.training.lightning_module import TrainingModule
from ptycho_torch.training.lightning_setup import batch_loader

PATTERNS, PASSES, STEPS = 64, 3, 3
c = fields(InferenceSetup)


def preview_training(setup: TrainingSetup, opened: TrainingScans) -> str:
    """Sentences on a training with this setup of the opened scans, which are read; a few steps are measured. Raises
    DataError."""
    training = setup.training
    check_folder(training.output_dir)
    device, seed = choose_device(setup.execution.accelerator), training.subsample_seed or 0
    data = training_data(setup, seed, opened)
    model = untrained_model(setup, data, seed).to(device)
    loader = batch_loader(data.training, setup, seed, shuffle=True)
    module = TrainingModule(model, setup, len(loader))
    batches = iter(loader)
    seconds = []
    for _, batch in zip(range(STEPS), batches, strict=False):
        start = time.perf_counter()
        module.terms(module.transfer_batch_to_device(batch, device, 0)).total.backward()
        _wait(device)
        seconds.append(time.perf_counter() - start)
    # The first step also allocates.
    step, steps = min(seconds), training.nepochs * len(loader)
    validated = "" if data.validation is None else f", and validate on {len(data.validation)} groups"
    return _sentences(
        f"Would train on {describe_scans(opened.training)}: {training.nepochs} epochs of {len(loader)} steps of "
        f"{training.batch_size} groups{validated}.",
        f"Network: {training.model.architecture}, {sum(one.numel() for one in model.parameters()):,} parameters, "
        f"learning rate {setup.execution.learning_rate:g}, seed {training.subsample_seed}.",
        device,
        steps * step,
        training.output_dir,
    )


def preview_inference(trained: Trained, setup: InferenceSetup, scan: RawScan) -> str:
    """Sentences on the inference of an opened scan with a trained network and this setup; it is measured with a few
    patterns. Raises DataError."""
    check_folder(setup.inference.output_dir)
    options, device = setup.torch.data, choose_device(setup.execution.accelerator)
    refine = setup.torch.refine
    dataset = read_dataset(
        scan, setup.torch.scale.domain, options.position_origin, mask=options.mask, probe_needed=not refine.unknown
    )
    part, share = _part(dataset)
    passes = min(refine.planned, PASSES)
    small = _short_refinement(passes)(setup)
    task = prepare_reconstruction(trained, part, small, 0, device)
    taken = run_reconstruction(task, small, 0, device).seconds
    model = setup.inference.model_path
    name = "the network that comes with ptycho" if model == PRETRAINED else f"the network of {model}"
    return _sentences(
        f"Would reconstruct {describe_scans([scan])} with {name} ({setup.inference.model.architecture})"
        f"{_refinement(refine, 'then refine the object ')}.",
        _search(refine),
        device,
        (taken.predict_and_stitch + (taken.refine or 0) * refine.planned / max(passes, 1)) * share,
        setup.inference.output_dir,
    )


def preview_refinement(path: Path, setup: InferenceSetup, start: str) -> str:
    """Sentences on the refinement, with this setup, of the scan at path, from `start`; a few passes over some patterns
    are measured. Raises DataError."""
    check_folder(setup.inference.output_dir)
    data, refine = setup.torch.data, setup.torch.refine
    device = choose_device(setup.execution.accelerator)
    with open_scan(path) as scan:
        dataset = read_dataset(
            scan, setup.torch.scale.domain, data.position_origin, mask=data.mask, probe_needed=not refine.unknown
        )
        part, share = _part(dataset)
        units = with_coarse_object(normalise(part))
        assert units.initial is not None
        y, x = canvas_of(units.centre_yx, units.probe.shape[-1])[0].long().tolist()
        known = _short_refinement(PASSES)(setup).torch.refine
        clock = time.perf_counter()
        refine_dataset(part, units, units.initial, (y, x), known, seed=0, device=device, visible=False)
        seconds = (time.perf_counter() - clock) * share * refine.planned / PASSES
        begin = f"a {start} object" if start in {"coarse", "flat"} else start
        return _sentences(
            f"Would refine {describe_scans([scan])}, from {begin}{_refinement(refine)}.",
            _search(refine),
            device,
            seconds,
            setup.inference.output_dir,
        )


def _short_refinement(passes: int) -> Transform:
    """The part of a refinement that is measured: as many passes over the object alone."""
    alone = at(c.torch.refine.refine_probe).put(False) >> at(c.torch.refine.refine_positions).put(False)
    known = at(c.torch.refine.unknown).put(()) >> at(c.torch.refine.passes).put(passes)
    return alone >> known >> at(c.execution.enable_progress_bar).put(False)


def _part(dataset: Dataset) -> tuple[Dataset, float]:
    """The first patterns of a dataset, and by how much the whole is larger."""
    count = len(dataset.intensity)
    rows = np.arange(min(count, PATTERNS))
    return dataset.select(rows), count / len(rows)


def _refinement(options: RefineOptions, verb: str = "") -> str:
    too = [name for name, on in (("probe", options.refine_probe), ("positions", options.refine_positions)) if on]
    improved = f", with {' and '.join(too)}" if too else ""
    number = f"about {options.planned}" if options.passes == "auto" else str(options.passes)
    return f", {verb}in {number} passes{improved}" if options.planned else ""


def _search(options: RefineOptions) -> str:
    if not options.unknown:
        return ""
    found = "what the scan leaves open" if options.unknown == "auto" else ", ".join(options.unknown)
    return f"Before that {found} is estimated; what is found adds passes and time."


def _sentences(work: str, more: str, device: torch.device, seconds: float, folder: Path) -> str:
    peak = torch.cuda.max_memory_allocated() / 2**20 if device.type == "cuda" else peak_memory_mib()
    estimate = (
        f"On {describe_device(device)}, in about {_duration(seconds)} after start and reading, with about "
        f"{peak / 1024:.1f} GB of memory, as a small part of the work was measured now."
    )
    return "\n".join(filter(None, [work, more, estimate, f"Results would go to {folder}. Nothing has been written."]))


def _duration(seconds: float) -> str:
    for unit, length in (("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} seconds" if seconds >= 2 else "a second"


def _wait(device: torch.device) -> None:
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
