"""ptypy's prepared data, `.ptyd`: chunks of frames, positions of the probe in m (slow axis first), keV."""

import h5py
import numpy as np
from numpy.typing import NDArray

from ptycho_torch.data.formats.cxi import refuse_near_field
from ptycho_torch.data.formats.hdf5 import hdf5_layout
from ptycho_torch.data.formats.hdf5_rows import Joined
from ptycho_torch.data.formats.source import Source, text_of
from ptycho_torch.data.geometry import ELECTRONVOLT, far_field
from ptycho_torch.data.masks import Mask
from ptycho_torch.data.raw import RawScan, with_mask

_WEIGHTS = "meta/weight2d"


@hdf5_layout("ptyd", "chunks")
def read_ptyd(source: Source) -> RawScan:
    """All chunks, in the order of their numbers."""
    _refuse_near_field(source)
    names = _chunks(source)
    patterns = Joined(tuple(source.rows(f"chunks/{name}/data") for name in names))
    frames = {part.shape[1:] for part in patterns.parts}
    if len(frames) > 1:
        raise source.error(f"its chunks have frames of different size: {sorted(frames)}")
    position = np.concatenate([_positions(source, name) for name in names])
    pixels, geometry = far_field(
        position,
        energy_j=source.number("meta/energy") * 1e3 * ELECTRONVOLT,
        distance_m=source.number("meta/distance"),
        detector_pixel_m=_detector_pixel(source),
        frame=(patterns.shape[1], patterns.shape[2]),
    )
    probe, probe_key, probe_pixel_m, remarks = source.probe()
    expected = source.known("meta/num_frames")
    if expected is not None and expected > patterns.shape[0]:
        remarks += (f"it holds {patterns.shape[0]} of {expected:.0f} frames",)
    scan = RawScan(
        path=source.path,
        dialect="ptypy ptyd",
        key="chunks/*/data",
        patterns=patterns,
        position_yx=pixels,
        probe=probe,
        probe_key=probe_key,
        probe_pixel_m=probe_pixel_m,
        geometry=geometry,
        remarks=remarks,
    )
    return refuse_near_field(with_mask(scan, _mask(source, names)))


def _chunks(source: Source) -> list[str]:
    group = source.file["chunks"]
    if not isinstance(group, h5py.Group) or not len(group):
        raise source.error("holds no chunks")
    if not all(name.isdecimal() for name in group):
        raise source.error(f"chunks must have numbers as names, found {', '.join(group)}")
    return sorted(group, key=int)


def _positions(source: Source, name: str) -> NDArray[np.float64]:
    found = source.array(f"chunks/{name}/positions")
    if found.ndim != 2 or found.shape[1] != 2 or found.dtype.kind not in "uif" or not len(found):
        raise source.error(f"chunks/{name}/positions must be (n, 2), its shape is {found.shape}")
    return found.astype(np.float64)


def _detector_pixel(source: Source) -> tuple[float, float]:
    """`psize`: one number or (slow, fast)."""
    stored = source.array("meta/psize")
    if stored.dtype.kind not in "uif" or stored.size not in (1, 2) or not (stored > 0).all():
        raise source.error(f"meta/psize must be one or two lengths in m, got {stored!r}")
    slow, fast = np.broadcast_to(stored.reshape(-1), 2).tolist()
    return slow, fast


def _refuse_near_field(source: Source) -> None:
    if source.find("meta/propagation") is None:
        return
    text = text_of(source.array("meta/propagation"))
    if "near" in text.lower():
        raise source.error(f"says that its propagation is {text!r}", "only far-field scans can be reconstructed")


def _mask(source: Source, names: list[str]) -> Mask | None:
    """The pixels to which no frame gives the weight 0; `meta/weight2d` stands for the weights of a chunk without."""
    keys = [key for name in names if _size(source, key := f"chunks/{name}/weights")]
    if len(keys) < len(names) and _size(source, _WEIGHTS):
        keys.append(_WEIGHTS)
    return source.masks(keys)


def _size(source: Source, key: str) -> int:
    stored = source.find(key)
    return 0 if stored is None else stored.size or 0
