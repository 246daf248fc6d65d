"""Object patches that are known beforehand, for supervised training."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ptycho_torch.data.npz import headers, read_arrays
from ptycho_torch.errors import DataError

LABEL_KEYS = ("label", "Y")
_HINT = "supervised training needs label (n, N, N), or objectGuess to cut patches from; use model_type 'pinn'"


def read_labels(
    path: Path, centre_yx: NDArray[np.int64], side: int, *, subtract_phase: bool
) -> NDArray[np.complex64]:
    """The object patch of every pattern, `(n, N, N)` complex64.

    From `label` (or `Y`), otherwise cut from `objectGuess` around `centre_yx`; an objectGuess of
    ones is no object. `subtract_phase` turns all labels by one angle, so that their mean is real:
    the phase of an object is known only up to a constant. Raises DataError.
    """
    found = headers(path)
    key = next((name for name in LABEL_KEYS if name in found), None)
    if key is None and "objectGuess" not in found:
        raise DataError(str(path), "has no labels", _HINT)
    stored = read_arrays(path, [key or "objectGuess"])[key or "objectGuess"]
    if stored.dtype.kind not in "fc" or not np.isfinite(stored).all():
        raise DataError(str(path), f"{key or 'objectGuess'} must hold finite complex numbers", _HINT)
    if key is None:
        labels = cut_labels(path, np.squeeze(stored).astype(np.complex64), centre_yx, side)
    else:
        labels = stored.astype(np.complex64)
    if labels.shape != (len(centre_yx), side, side):
        wanted = (len(centre_yx), side, side)
        raise DataError(str(path), f"{key} must have the shape {wanted} of the patterns, not {labels.shape}")
    if subtract_phase:
        labels = labels * np.complex64(np.exp(-1j * np.angle(labels.mean(dtype=np.complex128))))
    return labels


def cut_labels(
    path: Path, object_: NDArray[np.complex64], centre_yx: NDArray[np.int64], side: int
) -> NDArray[np.complex64]:
    """`L_j(r) = O(r + c_j - N//2)`, 1 outside the object, which must hold every centre."""
    if object_.ndim != 2 or (object_ == 1).all():
        raise DataError(str(path), f"objectGuess of shape {object_.shape} is no object", _HINT)
    if (centre_yx < 0).any() or (centre_yx >= object_.shape).any():
        raise DataError(str(path), f"positions lie outside objectGuess, which is {object_.shape} px")
    padded = np.pad(object_, side // 2, constant_values=1)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (side, side))
    return np.ascontiguousarray(windows[centre_yx[:, 0], centre_yx[:, 1]])
