"""Master files of Dectris detectors: links to files with frames, NeXus units, no positions."""

import h5py

from ptycho_torch.data.formats.cxi import refuse_near_field
from ptycho_torch.data.formats.hdf5 import hdf5_layout
from ptycho_torch.data.formats.hdf5_rows import Joined
from ptycho_torch.data.formats.positions_file import read_positions
from ptycho_torch.data.formats.source import Source
from ptycho_torch.data.formats.views import Window, crop, square_window
from ptycho_torch.data.geometry import ELECTRONVOLT, PLANCK_TIMES_LIGHT, far_field
from ptycho_torch.data.masks import Mask
from ptycho_torch.data.raw import RawScan, Stored, with_mask

_DETECTOR, _FRAMES = "entry/instrument/detector", "entry/data"
_SPECIFIC = f"{_DETECTOR}/detectorSpecific"
_WAVELENGTHS = ("entry/instrument/beam/incident_wavelength", "entry/sample/beam/incident_wavelength")


@hdf5_layout("Dectris master", _SPECIFIC)
def read_master(source: Source) -> RawScan:
    """The frames of all data files, at the positions of a text file next to the master."""
    frames = _frames(source)
    mask = source.mask(f"{_DETECTOR}/pixel_mask", f"{_SPECIFIC}/pixel_mask")
    window, remarks = _square(source, (frames.shape[1], frames.shape[2]))
    patterns: Stored = frames if window is None else crop(frames, window)
    position, geometry = far_field(
        read_positions(source.path),
        energy_j=_energy(source),
        distance_m=source.length(f"{_DETECTOR}/detector_distance"),
        detector_pixel_m=(source.length(f"{_DETECTOR}/y_pixel_size"), source.length(f"{_DETECTOR}/x_pixel_size")),
        frame=(patterns.shape[1], patterns.shape[2]),
    )
    probe, probe_key, probe_pixel_m, more = source.probe()
    scan = RawScan(
        path=source.path,
        dialect="Dectris master",
        key=f"{_FRAMES}/data_*",
        patterns=patterns,
        position_yx=position,
        probe=probe,
        probe_key=probe_key,
        probe_pixel_m=probe_pixel_m,
        geometry=geometry,
        remarks=(*more, *remarks),
    )
    return refuse_near_field(with_mask(scan, _crop_mask(mask, window)))


def _frames(source: Source) -> Joined:
    group = source.file.get(_FRAMES)
    names = sorted(name for name in group if name.startswith("data_")) if isinstance(group, h5py.Group) else []
    if not names:
        raise source.error(f"has no {_FRAMES}/data_*")
    parts = Joined(tuple(source.rows(f"{_FRAMES}/{name}") for name in names))
    sizes = {part.shape[1:] for part in parts.parts}
    if len(sizes) > 1:
        raise source.error(f"its files have frames of different size: {sorted(sizes)}")
    return parts


def _square(source: Source, frame: tuple[int, int]) -> tuple[Window | None, tuple[str, ...]]:
    """The window around the beam that is read of frames that are not square, and a remark on it."""
    if frame[0] == frame[1]:
        return None, ()
    centre = [source.number(f"{_DETECTOR}/beam_center_{axis}") for axis in "yx"]
    try:
        window = square_window(frame, (centre[0], centre[1]))
    except ValueError as error:
        raise source.error(str(error), "correct beam_center_y and beam_center_x") from None
    rows, columns = window
    side, ends = rows.stop - rows.start, f"rows {rows.start} to {rows.stop - 1}, columns {columns.start} to "
    read = f"of frames of {frame[0]} x {frame[1]} the {side} x {side} pixels around the beam are read"
    return window, (f"{read}: {ends}{columns.stop - 1}",)


def _crop_mask(mask: Mask | None, window: Window | None) -> Mask | None:
    if mask is None or window is None or mask.valid.ndim != 2:
        return mask
    return Mask(mask.key, mask.valid[window], mask.remarks)


def _energy(source: Source) -> float:
    """The energy of a photon in J: stated, or from the wavelength."""
    if source.find(f"{_SPECIFIC}/photon_energy") is not None:
        units = source.dataset(f"{_SPECIFIC}/photon_energy").attrs.get("units")
        if units is None:  # Dectris writes eV, early files without saying so
            return source.number(f"{_SPECIFIC}/photon_energy") * ELECTRONVOLT
        return source.energy(f"{_SPECIFIC}/photon_energy")
    key = next((key for key in _WAVELENGTHS if source.find(key) is not None), _WAVELENGTHS[0])
    return PLANCK_TIMES_LIGHT / source.length(key)
