"""PtyLab (`PtyLab/PtyLab.py`, `.m` and `.jl`): counts, SI units, rows before columns."""

import numpy as np
from numpy.typing import NDArray

from ptycho_torch.data.formats.cxi import refuse_near_field
from ptycho_torch.data.formats.hdf5 import hdf5_layout
from ptycho_torch.data.formats.source import Source, StoredProbe
from ptycho_torch.data.formats.views import as_list
from ptycho_torch.data.geometry import PLANCK_TIMES_LIGHT, far_field
from ptycho_torch.data.raw import RawScan, mode_stack, with_mask


@hdf5_layout("PtyLab", "ptychogram")
def read_ptylab(source: Source) -> RawScan:
    """The patterns of `ptychogram`, where the probe lies on the sample by `encoder`, in m."""
    if source.find("zled") is not None:
        raise source.error("is a Fourier ptychography scan (zled)", "only real-space scans can be reconstructed")
    if source.find("orientation") is not None and source.real("orientation").any():
        found = source.array("orientation")
        raise source.error(f"orientation is {found}, its frames are turned", "store them turned, with orientation 0")
    patterns = as_list(source.rows("ptychogram", ndim=(3, 4)))
    detector = source.number("dxd")
    position, geometry = far_field(
        _positions(source, patterns.shape[0]),
        energy_j=PLANCK_TIMES_LIGHT / source.number("wavelength"),
        distance_m=source.number("zo"),
        detector_pixel_m=(detector, detector),
        frame=(patterns.shape[1], patterns.shape[2]),
    )
    probe, probe_key, probe_pixel_m, remarks = _probe(source)
    scan = RawScan(
        path=source.path,
        dialect="PtyLab",
        key="ptychogram",
        patterns=patterns,
        position_yx=position,
        probe=probe,
        probe_key=probe_key,
        probe_pixel_m=probe_pixel_m,
        geometry=geometry,
        remarks=remarks,
    )
    return refuse_near_field(with_mask(scan, source.mask()))


def _probe(source: Source) -> StoredProbe:
    """As `Source.probe`; in results of PtyLab the modes `(1, 1, P, 1, N, N)` are the third of six axes."""
    if source.find("probe") is not None:
        stored = source.array("probe")
        if stored.ndim == 6 and stored.shape[0] == stored.shape[1] == stored.shape[3] == 1:
            modes, remarks = mode_stack(source.path, "probe", stored[0, 0, :, 0])
            return modes, "probe", source.pixel_m("probe"), remarks
    return source.probe()


def _positions(source: Source, count: int) -> NDArray[np.float64]:
    """`(n, 2)`; `(2, n)` is the same list the other way round."""
    found = source.array("encoder")
    if found.shape == (2, count) and count != 2:
        found = found.T
    if found.ndim != 2 or found.shape[1] != 2 or found.dtype.kind not in "uif" or not len(found):
        raise source.error(f"encoder must be (n, 2), rows then columns, its shape is {found.shape}")
    return found.astype(np.float64)
