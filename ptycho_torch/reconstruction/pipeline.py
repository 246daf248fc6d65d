"""From a trained model and a dataset to an object: network, stitching, refinement; writes nothing."""

import copy
import time
from collections.abc import Collection

import attrs
import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from ptycho_config.lens import at, fields
from ptycho_config.schema import InferenceSetup, ModelConfig, RefineOptions
from ptycho_config.schema.refine import Unknown
from ptycho_torch.data.grouping import group_plan, plan_groups
from ptycho_torch.data.scan import Statistics, normalise, with_coarse_object, with_initial_object
from ptycho_torch.errors import DataError
from ptycho_torch.nets.reconstructor import LearnedProbe, Reconstructor
from ptycho_torch.output.bundle import Bundle
from ptycho_torch.output.choice_records import NetworkRecord, ProbeRecord, UnknownsRecord
from ptycho_torch.output.run_records import InferenceSeconds
from ptycho_torch.physics.canvas import canvas_of
from ptycho_torch.reconstruction.fit_scales import fit_scales, scale_real_and_imaginary
from ptycho_torch.reconstruction.network_trial import judge_network
from ptycho_torch.reconstruction.patch_statistics import PatchStatistics
from ptycho_torch.reconstruction.predict import reconstruct_scan
from ptycho_torch.reconstruction.refine_dataset import RefinedDataset, object_alone, refine_dataset
from ptycho_torch.reconstruction.stitch import find_stitch_weights
from ptycho_torch.reconstruction.trained_model import Trained
from ptycho_torch.reconstruction.unknowns import estimate_unknowns
from ptycho_torch.records import Canvas, Dataset, Scan

_PASSES = fields(RefineOptions).passes


@attrs.frozen(eq=False)
class ReconstructionTask:
    """All that a reconstruction needs: the model, the patterns in units of the file (dataset) and of the
    network (scan), groups `(M, C)` of indices int64, the options of the refinement, and the choices of the probe, of
    what else is estimated and between network and solver, with their wall seconds, None where there were none to
    make, and the fewest passes that are needed, None where all are."""

    model: Reconstructor
    dataset: Dataset
    scan: Scan
    groups: torch.Tensor
    refine: RefineOptions
    probe: ProbeRecord | None = None
    unknown: UnknownsRecord | None = None
    network: NetworkRecord | None = None
    search_s: float | None = None
    fewest: int | None = None


@attrs.frozen(eq=False)
class ReconstructionResult:
    """A stitched object after its refinement, the scales of real and imaginary part, if they were fitted,
    and the seconds of each step; those of loading are for the caller to add."""

    made: RefinedDataset
    scales: tuple[float, float] | None
    seconds: InferenceSeconds


def prepare_reconstruction(
    trained: Trained,
    dataset: Dataset,
    setup: InferenceSetup,
    seed: int,
    device: torch.device,
    *,
    fixed: Collection[Unknown] = (),
) -> ReconstructionTask:
    """The scan in the units of the network, with the probe that a search found or the network learned.

    trained: a model of `api.load`. dataset: the patterns of a file. setup: the options. seed: of the groups and the
    search. device: computes the search. fixed: what of the instrument stays as it is.
    Raises DataError, and ConfigError where the package of the stitch weights is missing.
    """
    find_stitch_weights(setup.torch.stitch)
    _refuse_unlearned_modes(trained.model, dataset)
    start = time.perf_counter()
    known = estimate_unknowns(dataset, setup.torch.refine, seed=seed, device=device, fixed=fixed)
    dataset, refine = known.dataset, known.options
    scan = normalise(dataset, setup.inference.model, setup.torch.scale, _training_statistics(trained.bundle, setup))
    model, dataset, scan = _apply_probe(trained.model, dataset, scan, setup.inference.model)
    scan = with_initial_object(scan, setup.torch)
    groups = _groups(model, dataset.name, dataset.position_yx, setup, seed)
    network = None
    if known.trial is not None:
        network = judge_network(model, scan, groups, setup.torch, refine, known.trial)
    if network is not None:
        refine = at(_PASSES).put(network.passes)(refine)
    searched = None if known.choice is None else round(time.perf_counter() - start, 2)
    return ReconstructionTask(
        model, dataset, scan, groups, refine, known.probe, known.choice, network, searched, known.fewest
    )


def run_reconstruction(
    task: ReconstructionTask,
    setup: InferenceSetup,
    seed: int,
    device: torch.device,
    patches: PatchStatistics | None = None,
) -> ReconstructionResult:
    """Network, stitching, refinement; writes nothing.

    task, setup: the patterns and the options. seed: of the refinement. device: computes. patches: collects
    statistics of the patches of the network. Raises DataError, or DivergedError.
    """
    start = time.perf_counter()
    canvas, scales = _stitch(task, setup, device, patches or PatchStatistics(0))
    stitched = time.perf_counter()
    made = _refine(canvas, task, setup, seed, device)
    refining = round(time.perf_counter() - stitched, 2) if made.passes else None
    predicting = round(stitched - start, 2)
    seconds = InferenceSeconds(loading=0.0, unknown=task.search_s, predict_and_stitch=predicting, refine=refining)
    return ReconstructionResult(made, scales, seconds)


def reconstruct_again(
    task: ReconstructionTask, made: RefinedDataset, scan: Scan, setup: InferenceSetup, seed: int, device: torch.device
) -> Canvas:
    """The object of another scan of the same instrument, such as a half of the one measured, with what is known of it.

    task, setup, seed, device: as for `run_reconstruction`. made: of the scan measured. scan: its patterns in the units
    of the network.
    """
    part = attrs.evolve(
        task,
        scan=with_initial_object(scan, setup.torch),
        groups=_groups(task.model, task.dataset.name, scan.position_yx.numpy(), setup, seed),
        refine=object_alone(task.refine, made),
    )
    return run_reconstruction(part, setup, seed, device).made.canvas


def _refuse_unlearned_modes(model: Reconstructor, dataset: Dataset) -> None:
    learned = len(model.probe.real) if isinstance(model.probe, LearnedProbe) else None
    if learned is not None and len(dataset.probe) > learned:
        message = f"its probe has {len(dataset.probe)} modes, that which the model learned has {learned}"
        hint = "train on a scan with as many modes, or without training.probe_trainable"
        raise DataError(dataset.name, message, hint)


def _training_statistics(bundle: Bundle, setup: InferenceSetup) -> Statistics | None:
    """The statistics of the training, None where the scan is scaled by its own."""
    if setup.torch.scale.statistics == "scan":
        return None
    here, there = setup.inference.model.N, bundle.setup.training.model.N
    name, hint = str(setup.inference.model_path), "set torch.scale.statistics=scan"
    if here != there:
        message = f"holds statistics of patterns of {there} px, which mean nothing for these of {here} px"
        raise DataError(name, message, hint)
    if bundle.record.statistics is None:
        raise DataError(name, "holds no training statistics", f"{hint}, or train again")
    return bundle.record.statistics


def _apply_probe(
    model: Reconstructor, dataset: Dataset, scan: Scan, model_config: ModelConfig
) -> tuple[Reconstructor, Dataset, Scan]:
    """Dataset and scan with the masked, smoothed and learned probe, which all later steps use, so that
    object, R and product agree."""
    prepared = model_config.probe_mask or model_config.gaussian_smoothing_sigma > 0
    if isinstance(model.probe, torch.nn.Identity) and not prepared:
        return model, dataset, scan
    with torch.no_grad():
        probe = model.probe(scan.probe)
    model = copy.deepcopy(model)
    model.probe = torch.nn.Identity()
    stored = (probe / scan.probe_factor).numpy()
    return model, attrs.evolve(dataset, probe=stored), attrs.evolve(scan, probe=probe)


def _groups(
    model: Reconstructor, name: str, position_yx: NDArray[np.float64], setup: InferenceSetup, seed: int
) -> torch.Tensor:
    """The groups `(M, C)` that the network sees; of one pattern each, all different, where it does not see groups."""
    inference = setup.inference
    try:
        plan = group_plan(inference, setup.torch)
        groups = plan_groups(position_yx, plan, np.random.default_rng(seed))
    except ValueError as error:
        raise DataError(name, str(error)) from None
    members = groups.members if model.sees == "group" else np.unique(groups.members)[:, None]
    return torch.from_numpy(members)


def _stitch(
    task: ReconstructionTask, setup: InferenceSetup, device: torch.device, patches: PatchStatistics
) -> tuple[Canvas, tuple[float, float] | None]:
    """The stitched canvas, or what replaces it, and the scales fitted to it, if any."""
    execution, stitch = setup.execution, setup.torch.stitch
    if task.network is not None and not task.network.kept:
        return _solver_start(task.scan, task.network.start), None
    assert execution.inference_batch_size is not None
    hidden = None if execution.enable_progress_bar else True
    with tqdm(total=len(task.groups), unit="group", desc="inference", disable=hidden) as bar:
        canvas = reconstruct_scan(
            task.model,
            task.scan,
            task.groups,
            batch_size=execution.inference_batch_size,
            stitch=stitch,
            trim=execution.middle_trim,
            device=device,
            progress=bar.update,
            seen=patches,
        )
    if not stitch.varpro_scaling:
        return canvas, None
    try:
        fitted = fit_scales(task.scan, canvas, execution.inference_batch_size)
    except ValueError as error:
        raise DataError("torch.stitch.varpro_scaling", str(error), "switch it off for this scan") from None
    return scale_real_and_imaginary(canvas, *fitted), (round(fitted[0], 6), round(fitted[1], 6))


def _solver_start(scan: Scan, start: str) -> Canvas:
    """The object that the solver starts with, of a scan: `flat` or `coarse`."""
    origin, height, width = canvas_of(scan.centre_yx, scan.probe.shape[-1])
    y, x = origin.long().tolist()
    initial = with_coarse_object(scan).initial if start == "coarse" else None
    object_ = torch.ones(height, width) if initial is None else initial
    values = (object_ * scan.object_scale).numpy().astype(np.complex64)
    return Canvas(values, np.zeros((height, width), np.float32), (y, x))


def _refine(
    canvas: Canvas, task: ReconstructionTask, setup: InferenceSetup, seed: int, device: torch.device
) -> RefinedDataset:
    """The canvas after the passes over the patterns of the scan; as it is where there are none."""
    options, scan = task.refine, task.scan
    if options.planned == 0:
        return RefinedDataset(canvas, task.dataset, scan, ())
    return refine_dataset(
        task.dataset,
        scan,
        torch.from_numpy(canvas.object) / scan.object_scale,
        canvas.origin_yx,
        options,
        seed=seed,
        device=device,
        visible=setup.execution.enable_progress_bar,
        fewest=task.fewest,
    )
