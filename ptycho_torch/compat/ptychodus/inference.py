"""The calls with which ptychodus reconstructs, and the object array that it expects back."""

import logging
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from ptycho_config import DatasetFacts, Sources, create_inference_payload, update_legacy_dict
from ptycho_config.legacy import legacy_params
from ptycho_torch.api.boundary import choose_device, seed_or_fresh
from ptycho_torch.api.inference import Trained, solve, task_of
from ptycho_torch.compat.ptychodus.lifting import inference_layer
from ptycho_torch.compat.ptychodus.training import Arrays, ConfigManager, PtychoDataLoader, PtychoModel
from ptycho_torch.data.raw import RawScan, mode_stack
from ptycho_torch.data.readers import CENTRE, dataset_of
from ptycho_torch.errors import DataError
from ptycho_torch.metrics import r_factor
from ptycho_torch.records import Canvas

logger = logging.getLogger(__name__)
NAME = Path("scan")


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
    """Network, stitching, refinement; then the array that the client has the object on."""
    scan = _found(arrays)
    facts = DatasetFacts(
        name=str(NAME),
        n_patterns=scan.count,
        n_pixels=scan.frame[0],
        probe_modes=arrays.probe.shape[0],
        nphotons=None,
    )
    sources = Sources(config_file=inference_layer(inference))
    configs, delta = create_inference_payload(NAME, NAME, trained=trained.setup, facts=facts, sources=sources)
    setup = configs.config
    device = choose_device(setup.execution.accelerator)
    update_legacy_dict(legacy_params, delta)
    dataset = dataset_of(scan, setup.torch.scale.domain)
    seed = seed_or_fresh(setup.inference.subsample_seed)
    solved = solve(task_of(trained, dataset, setup, seed), setup, seed, device)
    logger.info(
        "Reconstructed %d patterns on %s, R = %.4f",
        scan.count,
        device,
        r_factor(solved.dataset, solved.canvas),
    )
    return placed(solved.canvas, arrays.position_yx)


def _found(arrays: Arrays) -> RawScan:
    patterns = np.asarray(arrays.patterns)
    if patterns.ndim != 3:
        raise DataError(str(NAME), f"patterns must be (n, N, N), their shape is {patterns.shape}")
    probe, _ = mode_stack(NAME, "probe", np.asarray(arrays.probe))
    return RawScan(
        path=NAME,
        dialect="memory",
        key="patterns",
        patterns=patterns,
        position_yx=arrays.position_yx + CENTRE,
        probe=probe,
    )


def object_shape(position_yx: NDArray[np.float64]) -> tuple[int, int]:
    """`2 m + 1` with m the middle of the scan in pixels, counted from the centre of the first: the
    client's array has its centre there."""
    middle = (position_yx.min(axis=0) + position_yx.max(axis=0)) / 2
    height, width = (round(float(2 * m + 1)) for m in middle)
    return height, width


def placed(canvas: Canvas, position_yx: NDArray[np.float64]) -> NDArray[np.complex64]:
    """The canvas on the client's array `(H, W)`; where no light fell, vacuum: the mean modulus and
    phase of what was seen."""
    shape = object_shape(position_yx)
    lit = canvas.illumination > 0
    seen = canvas.object[lit]
    level = np.abs(seen).mean() * np.exp(1j * np.angle(seen.mean()))
    whole = np.full(shape, level, np.complex64)
    source = attrs.evolve(canvas, object=np.where(lit, canvas.object, np.complex64(level)))
    into, out_of = zip(
        *(_overlap(o, n, m) for o, n, m in zip(canvas.origin_yx, source.object.shape, shape, strict=True)),
        strict=True,
    )
    whole[into] = source.object[out_of]
    return whole


def _overlap(origin: int, length: int, whole: int) -> tuple[slice, slice]:
    """Where an axis of `length` px that starts at `origin` lies on one of `whole` px, and its part."""
    start, stop = max(origin, 0), min(origin + length, whole)
    return slice(start, stop), slice(start - origin, stop - origin)
