"""The calls with which ptychodus reconstructs, and the object array that it expects back."""

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho_config import ConfigError, Problem, Sources, create_inference_payload
from ptycho_config.facts import DatasetFacts
from ptycho_config.legacy import legacy_params, update_legacy_dict
from ptycho_config.schema import InferenceSetup
from ptycho_config.schema.refine import Unknown
from ptycho_torch.compat.ptychodus.settings_layer import client_layer
from ptycho_torch.compat.ptychodus.training import Arrays, ConfigManager, PtychoDataLoader, PtychoModel
from ptycho_torch.data.dataset import read_dataset
from ptycho_torch.data.geometry import array_centre
from ptycho_torch.data.raw import RawScan, mode_stack
from ptycho_torch.data.scan import check_canvas
from ptycho_torch.device import choose_device, deterministic_kernels, free_gpu_bytes, seed_or_fresh
from ptycho_torch.errors import DataError
from ptycho_torch.judgement.fit import judge_fit, measure_fit
from ptycho_torch.judgement.scan import judge_scan, judge_with_probe
from ptycho_torch.reconstruction.padding import place_on_array
from ptycho_torch.reconstruction.pipeline import prepare_reconstruction, reconstruct_again, run_reconstruction
from ptycho_torch.reconstruction.repetition import repetition_evidence
from ptycho_torch.reconstruction.trained_model import Trained

logger = logging.getLogger(__name__)
# The application keeps its own positions, to which the object must belong.
FIXED: tuple[Unknown, ...] = ("positions",)
NAME = Path("scan")
# Pixel numbers closer than this to a whole one are whole.
WHOLE = 1e-3


class InferenceEngine:
    """Reconstructs scans with a trained model."""

    def __init__(self, config_manager: ConfigManager, ptycho_model: PtychoModel) -> None:
        self.configs, self.model = config_manager, ptycho_model

    def predict_and_stitch(self, dataloader: PtychoDataLoader) -> NDArray[np.complex64]:
        """The object `(H, W)` of the scan on the client's own array. Raises DataError or ConfigError."""
        assert dataloader.arrays is not None
        trained, _ = self.model.loaded
        return reconstruct_arrays(trained, dataloader.arrays, self.configs.inference_config)


def reconstruct_arrays(trained: Trained, arrays: Arrays, inference: Any) -> NDArray[np.complex64]:
    """Apply the trained network to the arrays, stitch and refine as the client's inference config has it, and
    place the object on the client's array."""
    scan = _raw_scan(arrays)
    sizes = {"n_patterns": scan.count, "n_pixels": scan.frame[0], "probe_modes": arrays.probe.shape[0]}
    facts = DatasetFacts(name=str(NAME), nphotons=None, **sizes)
    sources = Sources(client=client_layer(InferenceSetup, inference))
    configs, delta = create_inference_payload(NAME, NAME, trained=trained.setup, facts=facts, sources=sources)
    setup = configs.config
    options = setup.torch.refine
    named = "positions" in options.unknown
    if named or (options.planned and options.refine_positions):
        message = "would give an object for other positions than those that the application keeps"
        field = "unknown" if named else "refine_positions"
        raise ConfigError([Problem(f"torch.refine.{field}", message)], "the bundle")
    if options.halves:
        problem = Problem(
            "torch.refine.halves", "has no place in the results of the application", hint="use ptycho infer"
        )
        raise ConfigError([problem], "the bundle")
    device = choose_device(setup.execution.accelerator)
    update_legacy_dict(legacy_params, delta)
    read = read_dataset(scan, setup.torch.scale.domain, mask=setup.torch.data.mask)
    judged = judge_scan(check_canvas(read, free_gpu_bytes(device)))
    dataset = judged.dataset
    seed = seed_or_fresh(setup.inference.subsample_seed)
    with deterministic_kernels(device):
        task = prepare_reconstruction(trained, dataset, setup, seed, device, fixed=FIXED)
    if task.unknown is not None:
        logger.info(task.unknown.sentence)
    if task.network is not None:
        logger.info(task.network.sentence)
    if task.probe is not None:
        logger.info(task.probe.sentence)
        if task.probe.start is not None:
            judged = judge_with_probe(judged, task.dataset)
    with deterministic_kernels(device):
        made = run_reconstruction(task, setup, seed, device).made
        fit = measure_fit(made.scan, made.canvas, device)
        again = partial(reconstruct_again, task, made, setup=setup, seed=seed, device=device)
        repetition = repetition_evidence(made.scan, made.canvas, fit, again, seed=seed, device=device)
    verdict = judge_fit(fit, judged, made.dataset, repetition)
    logger.info("Reconstructed %d patterns on %s, R = %.4f", scan.count, device, fit.R)
    logger.log(logging.INFO if verdict.level == "sound" else logging.WARNING, "%s", verdict)
    shape = object_shape(arrays.position_yx, trained.bundle.record.object_shapes, scan.frame[0])
    return place_on_array(made.canvas, shape)


def _raw_scan(arrays: Arrays) -> RawScan:
    patterns = np.asarray(arrays.patterns)
    if patterns.ndim != 3:
        raise DataError(str(NAME), f"patterns must be (n, N, N), their shape is {patterns.shape}")
    probe, _ = mode_stack(NAME, "probe", np.asarray(arrays.probe))
    position = arrays.position_yx + array_centre(1, patterns.shape[-1])
    return RawScan(path=NAME, dialect="memory", key="patterns", patterns=patterns, position_yx=position, probe=probe)


def object_shape(position_yx: NDArray[np.float64], trained: Sequence[Sequence[int]], side: int) -> tuple[int, int]:
    """`2 m + 1` with m the middle of `position_yx` `(n, 2)` in pixels, counted from the centre of the first
    one: the client does not give the shape of its array, and makes it with its centre there.

    For a part of a scan that is no whole number. Then it is the one shape among `trained`, those of the
    scans that were trained on, that all patches of `side` px fit; otherwise the nearest number, with a warning.
    """
    low, high = position_yx.min(axis=0), position_yx.max(axis=0)
    exact = low + high + 1
    nearest = np.round(exact)
    if np.abs(exact - nearest).max() > WHOLE:
        reach = high + (side - 1) / 2
        fitting = {tuple(shape) for shape in trained if (reach <= np.array(shape) - WHOLE).all()}
        if len(fitting) == 1:
            nearest = np.array(fitting.pop())
        else:
            logger.warning(
                "The scan is not in the middle of its object array, whose size is not known: "
                "the result may be off by up to half a step. Reconstruct all positions."
            )
    return int(nearest[0]), int(nearest[1])
