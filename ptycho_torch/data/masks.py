"""Masks in the conventions of the field, read as bool `(N, N)`: True where the detector measured."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from ptycho_torch.errors import DataError

SIGNAL = 0x1000  # the one bit of a CXI mask that does not make a pixel bad
# Most masks of one pixel a pattern in memory at once.
_AT_ONCE = 64
_TWO_READINGS = "name it bad_pixels if True is a pixel that was not measured, or valid_pixels if it is one that was"


@attrs.frozen(eq=False)
class Mask:
    """The pixels that a detector measured: valid, bool `(H, W)`; remarks on how it was read; key: its name."""

    key: str
    valid: NDArray[np.bool_]
    remarks: tuple[str, ...] = ()


def _flags(values: NDArray[Any]) -> NDArray[np.bool_]:
    # MATLAB makes masks of floating-point numbers.
    if values.dtype.kind not in "biuf" or not np.isin(values, (0, 1)).all():
        raise ValueError(f"must be bool, or 0 and 1; it is {values.dtype}")
    return values.astype(np.bool_)


def _without_bits(values: NDArray[Any]) -> NDArray[np.bool_]:
    if values.dtype.kind not in "biu":
        raise ValueError(f"must hold bits, its type is {values.dtype}")
    valid: NDArray[np.bool_] = (values.astype(np.int64) & ~SIGNAL) == 0
    return valid


def _above_zero(values: NDArray[Any]) -> NDArray[np.bool_]:
    if values.dtype.kind not in "biuf":
        raise ValueError(f"must hold weights, its type is {values.dtype}")
    positive: NDArray[np.bool_] = values > 0
    return positive


Rule = Callable[[NDArray[Any]], NDArray[np.bool_]]
# By the last part of the name: which values a valid pixel has.
_RULES: dict[str, Rule] = {
    "bad_pixels": lambda values: ~_flags(values),
    "valid_pixels": _flags,
    "good_pixels": _flags,
    "mask": _without_bits,
    "pixel_mask": _without_bits,
    "weights": _above_zero,
    "weight2d": _above_zero,
}
# Masks of arrays whose format is no more than names; `mask` alone means the opposite in numpy and in ptypy.
NAMES = ("bad_pixels", "valid_pixels", "good_pixels", "pixel_mask")
_MAY_BE_A_MASK = re.compile(r"mask|^weights?|(bad|good|valid|dead|hot)_?pix", re.IGNORECASE)
_OF_SOMETHING_ELSE = re.compile(r"probe|object", re.IGNORECASE)


def read_mask(path: Path, key: str, stored: Any, *, frames_last: bool = False) -> Mask:
    """A mask (stored), of the convention that the last part of its name has.

    path, key: of the mask, for errors; stored: an array-like `(H, W)`, or with more axes before those, one mask a
    pattern: a pixel that one of them marks counts as not measured; a last axis of length 1 is none. frames_last: the
    axis of patterns comes last. Raises DataError.
    """
    if len(stored.shape) > 2 and stored.shape[-1] == 1:
        stored, frames_last = np.asarray(stored[...])[..., 0], False
    rule, shape = _RULES[key.rpartition("/")[2]], tuple(stored.shape)
    if len(shape) < 2 or 0 in shape:
        raise DataError(str(path), f"{key} must be (N, N), or one such mask a pattern; its shape is {shape}")
    frame = shape[:2] if frames_last and len(shape) > 2 else shape[-2:]
    always, never = np.ones(frame, bool), np.ones(frame, bool)
    partial = False
    for part in _parts(stored, frames_last=frames_last):
        try:
            valid = rule(part)
        except ValueError as error:
            raise DataError(str(path), f"{key} {error}") from None
        always &= valid.all(axis=0)
        never &= ~valid.any(axis=0)
        partial = partial or (rule is _above_zero and bool(((part > 0) & (part != 1)).any()))
    remarks = []
    if count := int((~always & ~never).sum()):
        remarks.append(f"{key} marks {count} pixels in some patterns only: they are left out of all")
    if partial:
        remarks.append("weights between 0 and 1 are read as valid pixels")
    return Mask(key, always, tuple(remarks))


def _parts(stored: Any, *, frames_last: bool) -> Iterable[NDArray[Any]]:
    """The masks `(n, H, W)`, a few at a time."""
    shape = stored.shape
    if len(shape) == 2 or frames_last:
        whole = np.asarray(stored[...])
        yield np.moveaxis(whole, -1, 0) if whole.ndim > 2 else whole[None]
        return
    for start in range(0, shape[0], _AT_ONCE):
        yield np.asarray(stored[start : start + _AT_ONCE]).reshape(-1, *shape[-2:])


def join_masks(path: Path, masks: Iterable[Mask]) -> Mask | None:
    """The pixels that are valid in every one of the masks of the file at path, or None where there is no mask.
    Raises DataError for different sizes."""
    whole: Mask | None = None
    for mask in masks:
        if whole is None:
            whole = mask
            continue
        if whole.valid.shape != mask.valid.shape:
            sizes = f"{whole.valid.shape} and {mask.valid.shape}"
            raise DataError(str(path), f"{whole.key} and {mask.key} have frames of different size: {sizes}")
        remarks = tuple(dict.fromkeys((*whole.remarks, *mask.remarks)))
        whole = Mask(whole.key, whole.valid & mask.valid, remarks)
    return whole


def refuse_ambiguous(path: Path, names: Iterable[str]) -> None:
    """Raise DataError where one of the names in the file at path may be a mask of either convention."""
    found = next((name for name in names if _MAY_BE_A_MASK.search(name) and not _OF_SOMETHING_ELSE.search(name)), None)
    if found is not None:
        raise DataError(str(path), f"{found} does not say whether 1 is a pixel that was measured", _TWO_READINGS)


def check_mask(path: Path, key: str, valid: NDArray[np.bool_], frame: tuple[int, int]) -> None:
    """Raise DataError where the mask valid, key in the file at path, is not that of a frame `(H, W)`, or too little is
    left."""
    if valid.shape != frame:
        message = f"{key} has the shape {valid.shape}, a pattern has {frame[0]} x {frame[1]}"
        raise DataError(str(path), message, "a mask has the pixels of a pattern")
    if not valid.any():
        raise DataError(str(path), f"{key} marks every pixel", "True is a pixel that was not measured")
    share = 1 - valid.mean()
    if share > 0.5 and not key.endswith("valid_pixels"):
        raise DataError(
            str(path),
            f"{key} marks {100 * share:.0f} % of the pixels as not measured; does it mean 1 = measured?",
            "store it as valid_pixels, True where the detector measured, which is read whatever it marks",
        )
