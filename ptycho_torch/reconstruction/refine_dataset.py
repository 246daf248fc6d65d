"""Refinement with everything that changes with it: the object, its probe, its positions, its light."""

from typing import Any

import attrs
import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from ptycho_config import RefineOptions
from ptycho_torch.physics.canvas import illumination
from ptycho_torch.reconstruction.refine import position_corrections, refine
from ptycho_torch.records import Canvas, Dataset, Scan


@attrs.frozen(eq=False)
class RefinedDataset:
    """A refined object, the dataset and the scan with the probe and the positions that belong to it, R
    before each pass, and how far positions were moved, for a table: empty where they were not to be."""

    canvas: Canvas
    dataset: Dataset
    scan: Scan
    passes: tuple[float, ...]
    moved: dict[str, Any]


def refine_dataset(
    dataset: Dataset,
    scan: Scan,
    object_: Tensor,
    origin_yx: tuple[int, int],
    options: RefineOptions,
    *,
    seed: int,
    device: torch.device,
    visible: bool,
) -> RefinedDataset:
    """Refine an object `(H, W)` in network units whose `[0, 0]` is scan pixel `origin_yx`.

    `scan` is the dataset in those units. All patterns of the scan are looked at, so the canvas has the
    light of all of them. Raises ValueError where a patch leaves the object.
    """
    total = options.passes * len(scan.centre_yx)
    with tqdm(total=total, unit="pattern", desc="refinement", disable=None if visible else True) as bar:
        found = refine(
            scan,
            object_,
            origin_yx,
            options,
            rng=np.random.default_rng(seed),
            device=device,
            progress=bar.update,
        )
    light = illumination(found.scan, found.origin_yx, found.object.shape).numpy()
    canvas = Canvas((found.object * scan.object_scale).numpy(), light, found.origin_yx)
    moved: dict[str, Any] = {}
    if options.refine_probe:
        dataset = attrs.evolve(dataset, probe=(found.scan.probe / scan.probe_factor).numpy())
    if options.refine_positions:
        dataset = attrs.evolve(dataset, position_yx=found.scan.position_yx.numpy())
        moved = {"position_corrections": position_corrections(scan, found)}
    return RefinedDataset(canvas, dataset, found.scan, found.history, moved)
