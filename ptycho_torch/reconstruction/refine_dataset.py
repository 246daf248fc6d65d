"""Refinement of a dataset: object, probe and positions, and the illumination that belongs to them."""

from typing import Literal

import attrs
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from ptycho_config.schema import RefineOptions
from ptycho_config.schema.refine import FEW_PHOTONS, LITTLE_OVERLAP
from ptycho_config.schema.replace import replace
from ptycho_torch.output.choice_records import (
    ComponentsRecord,
    InstrumentRecord,
    PhotonsRecord,
    PositionCorrections,
    SparseRecord,
)
from ptycho_torch.physics.canvas import illumination
from ptycho_torch.physics.probe_modes import mode_powers
from ptycho_torch.reconstruction.denoised_ascent import photons_per_pixel
from ptycho_torch.reconstruction.few_photons import MOST_PASSES, most_passes, refine_few_photons
from ptycho_torch.reconstruction.position_steps import position_corrections, positions_change
from ptycho_torch.reconstruction.probe_variation import PASSES, find_variation
from ptycho_torch.reconstruction.refine import probe_changes, refine
from ptycho_torch.reconstruction.sparse_scan import most_sparse_passes, overlap_of, refine_sparse
from ptycho_torch.records import Canvas, Dataset, Refined, Scan


@attrs.frozen(eq=False)
class RefinedDataset:
    """A refined object, and the dataset and scan with the probe and the positions that belong to it.

    passes: R before each pass; corrections: of the positions, None where they were not refined; photons: of the
    refinement from few photons, None where there were many; sparse: of the choice at little overlap, None where there
    is enough; components: of a probe that varies, None where nothing looked for it.
    """

    canvas: Canvas
    dataset: Dataset
    scan: Scan
    passes: tuple[float, ...]
    corrections: PositionCorrections | None = None
    photons: PhotonsRecord | None = None
    sparse: SparseRecord | None = None
    components: ComponentsRecord | None = None


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
    fewest: int | None = None,
) -> RefinedDataset:
    """Refine an object_ `(H, W)` in network units whose `[0, 0]` is scan pixel `origin_yx`.

    dataset: of a file; scan: the same in network units; options: passes and what is refined; seed: of the
    order of the patterns; device: computes; visible: show progress; fewest: as for `refine`. The canvas has the
    illumination of all patterns. Raises ValueError where a patch leaves the object.
    """
    rng, hidden = np.random.default_rng(seed), None if visible else True
    few, count = follows_counts(options, scan), len(scan.centre_yx)
    found, photons, sparse = Refined(object_, origin_yx, scan, ()), None, None
    if not few or probe_changes(options) or positions_change(options) or options.unknown:
        with tqdm(total=options.planned * count, unit="pattern", desc="refinement", disable=hidden) as bar:
            found = refine(
                scan, object_, origin_yx, options, rng=rng, device=device, progress=bar.update, fewest=fewest
            )
    components = None
    if options.probe_components:
        with tqdm(total=3 * PASSES * count, unit="pattern", desc="variation of the probe", disable=hidden) as bar:
            found, components = find_variation(found, options, seed=seed, device=device, progress=bar.update)
    if few:
        passes = max(options.planned, MOST_PASSES)
        total = most_passes(scan, passes) * count
        with tqdm(total=total, unit="pattern", desc="few photons", disable=hidden) as bar:
            found, photons = refine_few_photons(
                found, passes, seed=seed, device=device, probe_too=probe_changes(options), progress=bar.update
            )
    elif options.likelihood == "auto" and overlap_of(found.scan) <= LITTLE_OVERLAP:
        total = most_sparse_passes(scan) * count
        with tqdm(total=total, unit="pattern", desc="little overlap", disable=hidden) as bar:
            found, sparse = refine_sparse(found, seed=seed, device=device, progress=bar.update)
    summed = illumination(found.scan, found.origin_yx, found.object.shape).numpy()
    canvas = Canvas((found.object * scan.object_scale).numpy(), summed, found.origin_yx)
    corrections = None
    if probe_changes(options) or (components is not None and components.kept):
        dataset = attrs.evolve(dataset, probe=(found.scan.probe / scan.probe_factor).numpy())
    if positions_change(options):
        dataset = attrs.evolve(dataset, position_yx=found.scan.position_yx.numpy())
        corrections = position_corrections(scan, found, options)
    parts = found.scan.components, found.scan.weights
    dataset = attrs.evolve(
        dataset,
        flux=_flux(found.scan),
        background=_background(found.scan),
        components=None if parts[0] is None else (parts[0] / scan.probe_factor).numpy(),
        weights=None if parts[1] is None else parts[1].numpy(),
    )
    return RefinedDataset(canvas, dataset, found.scan, found.history, corrections, photons, sparse, components)


def follows_counts(options: RefineOptions, scan: Scan) -> bool:
    """Whether a refinement of `scan` with these options maximises the likelihood of the counts, with a denoiser."""
    if options.likelihood == "auto":
        return photons_per_pixel(scan) < FEW_PHOTONS
    return options.likelihood == "poisson"


def object_alone(options: RefineOptions, made: RefinedDataset) -> RefineOptions:
    """The options of a refinement of the object as that which was `made`, with all else as it is: half of a scan has
    less overlap than the whole, but what its patterns are compared with is to be the same."""
    likelihood: Literal["poisson", "auto", "amplitude"]
    likelihood = "poisson" if made.photons else "auto" if made.sparse else "amplitude"
    return replace(
        RefineOptions,
        options,
        unknown=(),
        refine_probe=False,
        refine_positions=False,
        probe_components=0,
        likelihood=likelihood,
    )


def _flux(scan: Scan) -> NDArray[np.float64] | None:
    return None if scan.flux is None else scan.flux.double().numpy()


def _background(scan: Scan) -> NDArray[np.float32] | None:
    """The background of a scan in the unit of its dataset, zero frequency in the middle."""
    mean_intensity = (scan.object_scale / scan.probe_factor) ** 2
    return None if scan.background is None else torch.fft.fftshift(scan.background * mean_intensity).numpy()


def instrument_of(dataset: Dataset) -> InstrumentRecord:
    """The record of probe modes, flux and background of a dataset."""
    powers = mode_powers(torch.from_numpy(dataset.probe)).tolist()
    background, flux = dataset.background, dataset.flux
    return InstrumentRecord(
        mode_powers=tuple(round(power, 4) for power in powers) if len(powers) > 1 else None,
        mean_background=None if background is None else round(float(background.mean()), 4),
        flux_spread=None if flux is None else round(float(flux.std()), 4),
    )
