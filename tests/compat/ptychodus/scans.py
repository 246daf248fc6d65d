"""Simulated scans as ptychodus holds them, whose object is known."""

from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray
from ptychodus.api.geometry import PixelGeometry
from ptychodus.api.object import Object, ObjectCenter
from ptychodus.api.probe import ProbeSequence
from ptychodus.api.probe_positions import ProbePosition, ProbePositionSequence
from ptychodus.api.product import Product, ProductMetadata
from ptychodus.api.reconstruct import ReconstructInput

from ptycho_torch.physics.simulate import defocused_probe, expected_counts, jittered_raster, natural_object

PIXEL = PixelGeometry(width_m=1e-8, height_m=2e-8)
CENTRE = ObjectCenter(x_m=3e-6, y_m=-2e-6)
METADATA = ProductMetadata(
    name="simulated",
    comments="",
    detector_distance_m=1.0,
    photon_energy_eV=1e4,
    probe_photon_count=0.0,
    exposure_time_s=0.0,
    mass_attenuation_m2_per_kg=0.0,
    tomography_angle_deg=0.0,
)


@attrs.frozen(eq=False)
class Known:
    """What the client has in hand, and the object that its patterns came from."""

    given: ReconstructInput
    truth: NDArray[np.complex64]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the client's object array."""
        return self.truth.shape


def known_scan(
    rows: int = 6,
    columns: int = 5,
    *,
    seed: int = 0,
    side: int = 64,
    modes: int = 1,
    dtype: Any = np.uint32,
    step_px: float = 6.0,
    photons: float = 6e5,
    with_object: bool = False,
    bad: bool = False,
) -> Known:
    """A jittered raster on an object array whose centre is the middle of the scan, as ptychodus makes
    it; sizes of both parities. with_object: the product holds the true object, otherwise ones."""
    rng = np.random.default_rng(seed)
    raster = jittered_raster(rows, columns, step_px, 1.5, 0.0, rng)
    extent = np.ptp(raster, axis=0)
    height, width = (int(np.ceil(length)) + side + 3 + odd for length, odd in zip(extent, (0, 1), strict=True))
    middle = (raster.min(axis=0) + raster.max(axis=0)) / 2
    position = raster - middle + (np.array([height, width]) - 1) / 2
    truth = natural_object("camera", "coins", max(height, width))[:height, :width]
    probe = _probe(side, modes)
    # The client counts from the centre of pixel 0; `expected_counts` has the patch of r start at r - N // 2.
    expected = expected_counts(truth, probe, position + (1 - side % 2) / 2)
    scale = photons / expected.sum(axis=(1, 2), dtype=np.float64).mean()
    counts = rng.poisson(expected * scale).astype(dtype)
    counts.setflags(write=False)
    mask = np.zeros((side, side), bool)
    if bad:
        mask[3:5, 7:9] = True
    product = Product(
        metadata=METADATA,
        probe_positions=_positions(position, (height, width)),
        probes=ProbeSequence(probe * np.sqrt(scale), None, PIXEL),
        object_=Object(truth if with_object else np.ones_like(truth), PIXEL, CENTRE),
        losses=[],
    )
    return Known(ReconstructInput(counts, mask, product), truth)


def _probe(side: int, modes: int) -> NDArray[np.complex64]:
    first = defocused_probe(side, pupil_px=10.0 * side / 64, defocus_rad=6.0)
    shares = [1.0] if modes == 1 else [0.8, *[0.2 / (modes - 1)] * (modes - 1)]
    shifted = [np.roll(first, 3 * number, axis=1) * np.sqrt(share) for number, share in enumerate(shares)]
    return np.stack(shifted).astype(np.complex64)


def _positions(position_yx: NDArray[np.float64], shape: tuple[int, int]) -> ProbePositionSequence:
    height, width = shape
    y = CENTRE.y_m + (position_yx[:, 0] - (height - 1) / 2) * PIXEL.height_m
    x = CENTRE.x_m + (position_yx[:, 1] - (width - 1) / 2) * PIXEL.width_m
    return ProbePositionSequence(
        [ProbePosition(index, float(b), float(a)) for index, (a, b) in enumerate(zip(y, x, strict=True))]
    )
