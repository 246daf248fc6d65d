"""CXI 1.6 (Maia 2012): SI units, motion of the sample, detector directions in the laboratory."""

from collections.abc import Callable

import attrs
import numpy as np
from numpy.typing import NDArray

from ptycho_torch.data.formats.hdf5 import hdf5_layout
from ptycho_torch.data.formats.source import Source
from ptycho_torch.data.formats.views import as_list
from ptycho_torch.data.geometry import PLANCK_TIMES_LIGHT, far_field, near_field_reason
from ptycho_torch.data.raw import RawScan, Stored, with_mask
from ptycho_torch.errors import DataError

DETECTOR, SOURCE = "entry_1/instrument_1/detector_1", "entry_1/instrument_1/source_1"
BEAM = "entry_1/instrument_1/beam_1"  # the file follows the NeXus definition where it is there
PATTERNS = ("entry_1/data_1/data", f"{DETECTOR}/data")
TRANSLATIONS = ("entry_1/sample_1/geometry_1/translation", "entry_1/data_1/translation", f"{DETECTOR}/translation")
# Far more than any photon has.
_MOST_JOULES = 1e-10
# Rows of an image go down and its columns to the right as the source sees it; y is up, z the beam.
_ROW_AND_COLUMN = np.array([[0.0, -1.0, 0.0], [-1.0, 0.0, 0.0]])


@hdf5_layout("cxi", "entry_1", without=BEAM)
def read_cxi(source: Source) -> RawScan:
    """Patterns, translations, geometry and mask of `entry_1`."""
    key = first_of(source, PATTERNS)
    scan = scan_of_entry(
        source,
        "CXI",
        key,
        as_list(source.rows(key, ndim=(3, 4))),
        _translation(source, first_of(source, TRANSLATIONS)),
        energy_j=_energy(source),
        length=source.length_or_metres,
        # COSMIC at the ALS, and the key where ptychodus keeps the probe.
        probes=(f"{SOURCE}/probe", *(("entry_1/image_1/data",) if "entry_1/ptychodus" in source.file else ())),
    )
    if source.find(f"{DETECTOR}/data_dark") is None:
        return scan
    return attrs.evolve(scan, remarks=(*scan.remarks, "data_dark is not subtracted from the patterns"))


def _translation(source: Source, key: str) -> NDArray[np.generic]:
    return source.lengths(key) if "units" in source.dataset(key).attrs else source.array(key)


def scan_of_entry(
    source: Source,
    dialect: str,
    key: str,
    patterns: Stored,
    translation: NDArray[np.generic],
    *,
    energy_j: float,
    length: Callable[[str], float],
    masks: tuple[str, ...] = (f"{DETECTOR}/mask",),
    probes: tuple[str, ...] = (),
) -> RawScan:
    """The scan in `entry_1` of a source whose format is named dialect; refused if it is of the near field.

    key, patterns: name and handle of the patterns `(n, H, W)`; translation: of the sample, `(n, 3)` in m; energy_j: of
    a photon; length: reads the length at a key, in m; masks: where a bit mask may be; probes: where a probe may be
    other than under `illumination`. Raises DataError.
    """
    position, geometry = far_field(
        probe_position(translation, directions(source), source),
        energy_j=energy_j,
        distance_m=length(f"{DETECTOR}/distance"),
        detector_pixel_m=(length(f"{DETECTOR}/y_pixel_size"), length(f"{DETECTOR}/x_pixel_size")),
        frame=(patterns.shape[1], patterns.shape[2]),
    )
    probe, probe_key, probe_pixel_m, remarks = source.probe(f"{SOURCE}/illumination", *probes)
    scan = RawScan(
        path=source.path,
        dialect=dialect,
        key=key,
        patterns=patterns,
        position_yx=position,
        probe=probe,
        probe_key=probe_key,
        probe_pixel_m=probe_pixel_m,
        geometry=geometry,
        remarks=remarks,
    )
    return refuse_near_field(with_mask(scan, source.mask(*masks)))


def first_of(source: Source, keys: tuple[str, ...]) -> str:
    """The first of the keys that the source has. Raises DataError where it has none."""
    key = next((key for key in keys if source.find(key) is not None), None)
    if key is None:
        raise source.error(f"has none of {', '.join(keys)}")
    return key


def probe_position(
    translation: NDArray[np.generic], row_and_column: NDArray[np.float64], source: Source
) -> NDArray[np.float64]:
    """`-t . e`: the place of the probe on the sample `(n, 2)`, with t the translation of the sample
    `(n, 3)` and e the unit vectors row_and_column `(2, 3)` of a pattern; errors name the source.

    The object is sampled along the directions of the detector, so a sample that moves up shows the probe further down.
    """
    shape = translation.shape
    if shape[0:1] == (3,) and shape[1:2] != (3,):
        translation = translation.T
    if translation.ndim != 2 or translation.shape[1] not in (2, 3) or translation.dtype.kind not in "uif" or 0 in shape:
        raise source.error(f"translation must be (n, 3) in x, y, z, its shape is {shape}")
    # Some leave out z.
    axes = translation.shape[1]
    return -translation.astype(np.float64) @ row_and_column[:, :axes].T


def directions(source: Source) -> NDArray[np.float64]:
    """The unit vectors `(2, 3)` of a step along a row index and along a column index."""
    key = f"{DETECTOR}/basis_vectors"
    if source.find(key) is None:
        return _ROW_AND_COLUMN
    stored = source.real(key)
    basis = stored.T if stored.shape == (3, 2) else stored
    if basis.shape != (2, 3) or not np.isfinite(basis).all() or not basis.any(axis=1).all():
        raise source.error(f"{key} must be two vectors (3, 2), got {stored!r}")
    unit: NDArray[np.float64] = basis / np.linalg.norm(basis, axis=1, keepdims=True)
    return unit


def refuse_near_field(scan: RawScan) -> RawScan:
    """The scan with a refusal where its geometry is not of the far field."""
    assert scan.geometry is not None
    reason = near_field_reason(scan.geometry, scan.position_yx, scan.frame)
    if reason is None:
        return scan
    return attrs.evolve(scan, refusal=DataError(str(scan.path), reason, "only far-field scans can be reconstructed"))


def _energy(source: Source) -> float:
    """In joules, or from the wavelength in m."""
    key = f"{SOURCE}/energy"
    if source.find(key) is None and source.find(f"{SOURCE}/wavelength") is not None:
        return PLANCK_TIMES_LIGHT / source.length_or_metres(f"{SOURCE}/wavelength")
    if "units" in source.dataset(key).attrs:
        return source.energy(key)
    energy = source.number(key)
    if energy > _MOST_JOULES:
        raise source.error(
            f"{key} is {energy:.4g}, which CXI states in joules; is it in eV?",
            "give it the attribute `units`, J, eV or keV",
        )
    return energy
