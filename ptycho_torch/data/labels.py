"""Object patches that are known beforehand, for supervised training."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ptycho_torch.data.raw import RawScan
from ptycho_torch.errors import DataError

_HINT = (
    "supervised training needs label (n, N, N), or objectGuess (in HDF5 object) to cut patches from; "
    "use model_type 'pinn'"
)


def read_labels(
    scan: RawScan, centre_yx: NDArray[np.int64], side: int, *, subtract_phase: bool
) -> NDArray[np.complex64]:
    """The object patch of every pattern of an opened scan, `(n, N, N)` complex64.

    From `label` (or `Y`), otherwise cut around `centre_yx` `(n, 2)`, in object pixels, from `objectGuess`, or from the
    object of ptychodus HDF5; an object of ones is no object. side: N in px. `subtract_phase` turns all labels by one
    angle, so that their mean is real: the phase of an object is known only up to a constant. Raises DataError.
    """
    path, cut = scan.path, scan.label is None
    handle, key = (scan.object, scan.object_key) if cut else (scan.label, scan.label_key)
    if handle is None:
        raise DataError(str(path), "has no labels", _HINT)
    stored = handle[...]
    if stored.dtype.kind not in "fc" or not np.isfinite(stored).all():
        raise DataError(str(path), f"{key} must hold finite complex numbers", _HINT)
    labels = stored.astype(np.complex64)
    if labels.ndim == (3 if cut else 4) and labels.shape[-1] == 1:
        labels = labels[..., 0]
    if cut:
        layer = labels[0] if labels.ndim == 3 and len(labels) == 1 else labels
        labels = cut_labels(path, layer, centre_yx, side)
    wanted = (len(centre_yx), side, side)
    if labels.shape != wanted:
        raise DataError(str(path), f"{key} must have the shape {wanted} of the patterns, not {labels.shape}")
    if subtract_phase:
        labels = labels * np.complex64(np.exp(-1j * np.angle(labels.mean(dtype=np.complex128))))
    return labels


def cut_labels(
    path: Path, object_: NDArray[np.complex64], centre_yx: NDArray[np.int64], side: int
) -> NDArray[np.complex64]:
    """`L_j(r) = O(r + c_j - N//2)`, 1 outside the object, which must hold every centre.

    path: of the scan, for errors; object_: O, `(H, W)`; centre_yx: c, `(n, 2)` px; side: N px. Raises DataError.
    """
    if object_.ndim != 2 or (object_ == 1).all():
        raise DataError(str(path), f"its object of shape {object_.shape} is no object", _HINT)
    if (centre_yx < 0).any() or (centre_yx >= object_.shape).any():
        raise DataError(str(path), f"positions lie outside its object, which is {object_.shape} px")
    padded = np.pad(object_, side // 2, constant_values=1)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (side, side))
    return np.ascontiguousarray(windows[centre_yx[:, 0], centre_yx[:, 1]])
