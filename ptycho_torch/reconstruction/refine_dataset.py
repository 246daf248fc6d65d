"""Refinement of a dataset: object, probe and positions, and the illumination that belongs to them."""

import attrs
import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from ptycho_config.schema import RefineOptions
from ptycho_torch.output.run_records import PositionCorrections
from ptycho_torch.physics.canvas import illumination
from ptycho_torch.reconstruction.refine import position_corrections, refine
from ptycho_torch.records import Canvas, Dataset, Scan


@attrs.frozen(eq=False)
class RefinedDataset:
    """A refined object, and the dataset and scan with the probe and the positions that belong to it.

    passes: R before each pass; corrections: of the positions, None where they were not refined.
    """

    canvas: Canvas
    dataset: Dataset
    scan: Scan
    passes: tuple[float, ...]
    corrections: PositionCorrections | None = None


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
    """Refine an object_ `(H, W)` in network units whose `[0, 0]` is scan pixel `origin_yx`.

    dataset: of a file; scan: the same in network units; options: passes and what is refined; seed: of the
    order of the patterns; device: computes; visible: show progress. The canvas has the illumination of all
    patterns. Raises ValueError where a patch leaves the object.
    """
    total = options.passes * len(scan.centre_yx)
    with tqdm(total=total, unit="pattern", desc="refinement", disable=None if visible else True) as bar:
        found = refine(
            scan, object_, origin_yx, options, rng=np.random.default_rng(seed), device=device, progress=bar.update
        )
    summed = illumination(found.scan, found.origin_yx, found.object.shape).numpy()
    canvas = Canvas((found.object * scan.object_scale).numpy(), summed, found.origin_yx)
    corrections = None
    if options.refine_probe:
        dataset = attrs.evolve(dataset, probe=(found.scan.probe / scan.probe_factor).numpy())
    if options.refine_positions:
        dataset = attrs.evolve(dataset, position_yx=found.scan.position_yx.numpy())
        corrections = position_corrections(scan, found)
    return RefinedDataset(canvas, dataset, found.scan, found.history, corrections)
