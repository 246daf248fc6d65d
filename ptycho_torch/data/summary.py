"""A description of a scan file in a few lines, for people."""

import numpy as np
from numpy.typing import NDArray

from ptycho_torch.data.dataset import stored_patterns
from ptycho_torch.data.geometry import micrometres
from ptycho_torch.data.raw import RawScan
from ptycho_torch.physics.spacing import effective_diameter, linear_overlap, nearest_step
from ptycho_torch.records import Geometry

_LOOKED_AT = 16


def describe(scan: RawScan) -> str:
    """One line for each fact. Reads a few of the patterns, as they are stored. Raises DataError."""
    stored = stored_patterns(scan, in_file=True)
    sample = stored[np.unique(np.linspace(0, len(stored) - 1, min(_LOOKED_AT, len(stored))).astype(np.int64))]
    facts = {
        "format": scan.dialect,
        "patterns": _patterns(scan),
        "values": _values(sample),
        "positions": _positions(scan.position_yx, scan.geometry),
        "probe": _probe(scan, sample),
        "overlap": _overlap(scan),
        "bad pixels": _bad_pixels(scan),
        "object": _object(scan),
        "labels": "none" if scan.label is None else scan.label_key,
        "photons": "not given" if scan.nphotons is None else f"{scan.nphotons:.3g} (_metadata nphotons)",
        "geometry": _geometry(scan.geometry),
    }
    lines = [f"  {name:<11}{text}" for name, text in facts.items()]
    return "\n".join([scan.path.name, *lines, *(f"  {'note':<11}{remark}" for remark in scan.remarks)])


def _patterns(scan: RawScan) -> str:
    height, width = scan.frame
    order = " stored as (N, N, n)" if scan.patterns_last else ""
    order += ", amplitudes" if scan.amplitudes else ""
    return f"{scan.count} of {height} x {width}, {scan.patterns.dtype}, {scan.key}{order}"


def _values(sample: NDArray[np.float32]) -> str:
    if not len(sample):
        return "none"
    whole = "whole numbers" if (sample == np.round(sample)).all() else "not whole numbers"
    mean = sample.sum(axis=(1, 2), dtype=np.float64).mean()
    return f"sum {mean:.4g} a pattern, largest {sample.max():.4g}, {whole} ({len(sample)} patterns looked at)"


def _positions(position: NDArray[np.float64], geometry: Geometry | None) -> str:
    if not len(position) or not np.isfinite(position).all():
        return f"{len(position)}, not all finite" if len(position) else "none"
    y, x = np.ptp(position, axis=0)
    step = nearest_step(position)
    size = ""
    if geometry is not None:
        size = f" = {micrometres(y * geometry.pixel_m[0], x * geometry.pixel_m[1])}"
    return f"span {y:.1f} x {x:.1f} px{size} (y, x), median step to the nearest neighbour {step:.2f} px"


def _intensity(probe: NDArray[np.generic]) -> NDArray[np.float64]:
    return np.square(np.abs(probe.astype(np.complex128)))


def _probe(scan: RawScan, sample: NDArray[np.float32]) -> str:
    if scan.probe is None:
        return "none: `ptycho infer` and `ptycho refine` retrieve one, a training needs one"
    modes = _intensity(scan.probe)
    power = modes.sum(axis=(1, 2))
    shares = ", ".join(f"{100 * share:.1f} %" for share in power / max(power.sum(), np.finfo(float).tiny))
    mean = float(sample.sum(axis=(1, 2), dtype=np.float64).mean()) if len(sample) else 0.0
    ratio = f", {power.sum() / mean:.3g} of the mean sum of a pattern" if mean > 0 else ""
    number = "1 mode" if len(modes) == 1 else f"{len(modes)} modes ({shares})"
    return f"{scan.probe_key}, {number}, power {power.sum():.4g}{ratio}"


def _overlap(scan: RawScan) -> str:
    if scan.probe is None or not np.isfinite(scan.position_yx).all():
        return "not known without a probe" if scan.probe is None else "not known"
    diameter = effective_diameter(_intensity(scan.probe).sum(axis=0))
    if diameter == 0 or len(scan.position_yx) < 2:
        return "not known"
    overlap = linear_overlap(scan.position_yx, _intensity(scan.probe).sum(axis=0))
    return f"about {100 * overlap:.0f} % (1 - step / diameter; the probe is about {diameter:.1f} px wide)"


def _bad_pixels(scan: RawScan) -> str:
    if scan.valid_pixels is None:
        return "not given"
    return f"{int((~scan.valid_pixels).sum())} of {scan.valid_pixels.size}, read as 0 ({scan.mask_key})"


def _object(scan: RawScan) -> str:
    if scan.object is None:
        return "none"
    where = f"{scan.object_key} of {scan.path.name} {scan.object.shape}"
    numbers = scan.object.dtype.kind in "uifc"
    return f"{where}, all ones: no object" if numbers and (scan.object[...] == 1).all() else where


def _geometry(geometry: Geometry | None) -> str:
    if geometry is None:
        return "not given: lengths are in object pixels"
    parts = [f"object pixel {micrometres(*geometry.pixel_m)}"]
    if geometry.photon_energy_ev is not None:
        parts.append(f"{geometry.photon_energy_ev / 1e3:.4g} keV")
    if geometry.distance_m is not None:
        parts.append(f"detector at {geometry.distance_m:.4g} m")
    if geometry.detector_pixel_m is not None:
        parts.append(f"its pixel {micrometres(*geometry.detector_pixel_m)}")
    return ", ".join(parts)
