"""NSLS-II Hard X-ray Nanoprobe (`scan_*.h5` of ptycho_gui): amplitudes, zero frequency in the corner, um, nm.

Rows of `points` are the stage along the first and along the second axis of a frame; the beam moves over the sample
the other way.
"""

import numpy as np
from numpy.typing import NDArray

from ptycho_torch.data.formats.cxi import refuse_near_field
from ptycho_torch.data.formats.hdf5 import hdf5_layout
from ptycho_torch.data.formats.source import Source
from ptycho_torch.data.formats.views import from_corner
from ptycho_torch.data.geometry import PLANCK_TIMES_LIGHT, far_field
from ptycho_torch.data.raw import RawScan, Stored, with_mask

_MICRON, _NANOMETRE = 1e-6, 1e-9
_LOOKED_AT = 8


@hdf5_layout("NSLS-II HXN", "diffamp")
def read_hxn(source: Source) -> RawScan:
    """Amplitudes of `diffamp`, at `points` in um."""
    stored = source.rows("diffamp")
    corner = _is_corner_centred(stored)
    patterns: Stored = from_corner(stored) if corner else stored
    detector = source.number("ccd_pixel_um") * _MICRON
    position, geometry = far_field(
        _positions(source),
        energy_j=PLANCK_TIMES_LIGHT / (source.number("lambda_nm") * _NANOMETRE),
        distance_m=source.number("z_m"),
        detector_pixel_m=(detector, detector),
        frame=(patterns.shape[1], patterns.shape[2]),
    )
    probe, probe_key, probe_pixel_m, remarks = source.probe()
    if not corner:
        remarks += ("diffamp has its zero frequency in the middle of a frame, and is read so",)
    scan = RawScan(
        path=source.path,
        dialect="NSLS-II HXN",
        key="diffamp",
        patterns=patterns,
        amplitudes=True,
        position_yx=position,
        probe=probe,
        probe_key=probe_key,
        probe_pixel_m=probe_pixel_m,
        geometry=geometry,
        remarks=remarks,
    )
    return refuse_near_field(with_mask(scan, source.mask()))


def _positions(source: Source) -> NDArray[np.float64]:
    """The places of the beam on the sample, `(n, 2)` in m."""
    points = source.array("points")
    if points.ndim != 2 or len(points) != 2 or points.dtype.kind not in "uif" or not points.size:
        raise source.error(f"points must be (2, n), its shape is {points.shape}")
    return -points.T.astype(np.float64) * _MICRON


def _is_corner_centred(stored: Stored) -> bool:
    """Whether most of the light is nearer to the corners than to the middle; files before the shift exist too."""
    count, height, width = stored.shape
    rows = np.unique(np.linspace(0, max(count - 1, 0), min(count, _LOOKED_AT)).astype(np.int64))
    mean = np.nan_to_num(np.square(stored[rows].astype(np.float64))).sum(axis=0)
    middle = mean[height // 4 : height - height // 4, width // 4 : width - width // 4].sum()
    shifted = np.fft.fftshift(mean)[height // 4 : height - height // 4, width // 4 : width - width // 4].sum()
    return bool(shifted >= middle)
