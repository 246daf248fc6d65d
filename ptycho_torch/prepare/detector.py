"""Steps on patterns: crop, pad, bin, centre, turn, mask, subtract."""

from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from ptycho_torch.prepare.scan import Complex, Prepared, rescale

_LAST = (-2, -1)
_LEAST_SIDE = 16


def crop_patterns(scan: Prepared, side: int) -> Prepared:
    """The scan with patterns cropped to their middle side px. Raises DataError where they are smaller."""
    if side > min(scan.frame):
        raise scan.error(f"patterns of {_text(scan.frame)} px cannot be cropped to {side}", "pad them")
    before = scan.mean_pattern().sum()
    made = _resize_patterns(scan, side)
    # Sums in another order differ by rounding.
    lost = 100 * max(0.0, 1 - made.mean_pattern().sum() / max(before, 1e-300))
    return made.note(f"patterns of {_text(scan.frame)} px cropped to {side}, {lost:.3g} % of the counts cut off")


def pad_patterns(scan: Prepared, side: int) -> Prepared:
    """The scan with patterns padded to side px, by pixels that were not measured. Raises DataError where they are
    larger."""
    if side < max(scan.frame):
        raise scan.error(f"patterns of {_text(scan.frame)} px cannot be padded to {side}", "crop them")
    return _resize_patterns(scan, side).note(f"patterns of {_text(scan.frame)} px padded to {side}")


def _resize_patterns(scan: Prepared, side: int) -> Prepared:
    """`dx' = dx N / N'`: another share of the frequencies, the same field of view."""
    height, width = scan.frame
    probe = None if scan.probe is None else _resample(scan.probe, side)
    made = scan.change(lambda part: resize(part, side), resize(scan.valid, side), scan.patterns.dtype)
    return rescale(attrs.evolve(made, probe=probe), (height / side, width / side))


def resize(images: NDArray[Any], side: int) -> NDArray[Any]:
    """The images `(..., H, W)` cut or padded with 0 to `(..., side, side)`: pixel `[H//2, W//2]` becomes
    `[side//2, side//2]`."""
    for axis in _LAST:
        length = images.shape[axis]
        start = length // 2 - side // 2
        if start >= 0 and start + side <= length:
            images = np.take(images, np.arange(start, start + side), axis)
        else:
            widths = [(0, 0)] * images.ndim
            widths[axis] = (-start, side - length + start)
            images = np.pad(images, widths)
    return images


def _resample(probe: Complex, side: int) -> Complex:
    """The probe `(P, H, W)` with the frequencies that side px hold."""
    spectrum = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(probe, _LAST), norm="ortho"), _LAST)
    wave = np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(resize(spectrum, side), _LAST), norm="ortho"), _LAST)
    return np.asarray(wave, np.complex64)


def bin_patterns(scan: Prepared, factor: int) -> Prepared:
    """The scan with the counts of factor x factor pixels added up; a bin is valid where all of its pixels are.

    The zero frequency comes to lie off the middle of its bin by `d = f (N'//2) + (f - 1)/2 - N//2` pixels, which is
    `exp(-2 pi i d r / N)` on the probe. Raises DataError for patterns that cannot be divided so.
    """
    height, width = scan.frame
    side = height // factor
    if height != width or height % factor or side < _LEAST_SIDE:
        raise scan.error(f"patterns of {_text(scan.frame)} px cannot be binned by {factor}", "crop or pad them first")
    summed = np.dtype(np.float32) if scan.patterns.dtype.kind == "f" else np.result_type(scan.patterns.dtype, np.uint32)

    def add_up(part: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(part.reshape(-1, side, factor, side, factor).sum(axis=(2, 4), dtype=summed))

    valid = np.asarray(scan.valid.reshape(side, factor, side, factor).all(axis=(1, 3)))
    made = scan.change(add_up, valid, np.dtype(summed))
    geometry = scan.geometry
    if geometry is not None and geometry.detector_pixel_m is not None:
        y, x = geometry.detector_pixel_m
        made = attrs.evolve(made, geometry=attrs.evolve(geometry, detector_pixel_m=(y * factor, x * factor)))
    text = f"patterns of {height} px binned by {factor} to {side}"
    if scan.probe is None:
        return made.note(text)
    offset = factor * (side // 2) + (factor - 1) / 2 - height // 2
    pixel = np.arange(side) - side // 2
    ramp = np.exp(-2j * np.pi * offset * (pixel[:, None] + pixel) / height)
    cut = resize(scan.probe, side)
    outside = 100 * (1 - float(np.square(np.abs(cut)).sum() / np.square(np.abs(scan.probe)).sum()))
    note = f"{text}; {outside:.2g} % of the probe lay outside of the field that is left"
    return attrs.evolve(made, probe=np.asarray(cut * ramp, np.complex64)).note(note)


def centre_patterns(scan: Prepared, beam_yx: tuple[float, float] | None) -> Prepared:
    """The scan with patterns moved by whole pixels, the beam at beam_yx px to their middle; None: the centre of mass of
    the mean pattern. Pixels that come in were not measured. Raises DataError for a beam outside."""
    height, width = scan.frame
    if beam_yx is None:
        mean = scan.mean_pattern()
        total = float(mean.sum())
        if not (np.isfinite(total) and total > 0):
            raise scan.error("has no centre of mass: its counts are 0, NaN or infinite", "mask bad pixels before")
        beam_yx = (
            float(mean.sum(axis=1) @ np.arange(height)) / total,
            float(mean.sum(axis=0) @ np.arange(width)) / total,
        )
    shift = (round(height // 2 - beam_yx[0]), round(width // 2 - beam_yx[1]))
    if abs(shift[0]) > height // 2 or abs(shift[1]) > width // 2:
        raise scan.error(f"the beam at ({beam_yx[0]:.1f}, {beam_yx[1]:.1f}) px lies outside of {_text(scan.frame)} px")
    made = scan.change(lambda part: np.roll(part, shift, _LAST), _shift_mask(scan.valid, shift), scan.patterns.dtype)
    return made.note(f"patterns moved by {shift} px: the beam was at ({beam_yx[0]:.1f}, {beam_yx[1]:.1f}) px")


def _shift_mask(valid: NDArray[np.bool_], shift: tuple[int, int]) -> NDArray[np.bool_]:
    moved = np.roll(valid, shift, _LAST)
    for axis, by in enumerate(shift):
        gone = np.arange(valid.shape[axis])
        inside = (gone >= by) & (gone < valid.shape[axis] + by)
        moved &= inside[:, None] if axis == 0 else inside
    return moved


def turn_patterns(scan: Prepared, *, flip_y: bool, flip_x: bool, exchange: bool) -> Prepared:
    """The scan with patterns turned about their middle: flip_y up and down, flip_x left and right, then exchange of the
    axes, with the lengths of the detector. Probe and positions stay as they are."""

    def turn(part: NDArray[Any]) -> NDArray[Any]:
        for flip, axis in ((flip_y, -2), (flip_x, -1)):
            if flip:
                # On an even number of pixels a flip alone moves the middle by one.
                part = np.roll(np.flip(part, axis), 1 - part.shape[axis] % 2, axis)
        return np.ascontiguousarray(np.swapaxes(part, -1, -2)) if exchange else part

    made = scan.change(turn, turn(scan.valid), scan.patterns.dtype)
    geometry = scan.geometry
    if exchange and geometry is not None and geometry.detector_pixel_m is not None:
        y, x = geometry.pixel_m
        made = attrs.evolve(made, geometry=attrs.evolve(geometry, detector_pixel_m=geometry.detector_pixel_m[::-1]))
        made = rescale(made, (x / y, y / x))
    names = {"up and down": flip_y, "left and right": flip_x, "rows and columns": exchange}
    return made.note(f"patterns turned: {', '.join(name for name, done in names.items() if done)} exchanged")


def mask_pixels(scan: Prepared, bad: NDArray[np.bool_], source: str) -> Prepared:
    """The scan without the pixels that are True in bad `(H, W)`, which came from source. Raises DataError."""
    if bad.shape != scan.frame:
        raise scan.error(f"the mask {source} is {bad.shape}, patterns are {scan.frame}")
    valid = scan.valid & ~bad
    return attrs.evolve(scan, valid=valid).note(f"{int((scan.valid & bad).sum())} more pixels masked by {source}")


def subtract_dark(scan: Prepared, dark: NDArray[np.floating], source: str) -> Prepared:
    """The scan less a dark pattern, `(H, W)` or one number, which came from source, as float32; less than nothing
    becomes 0. Raises DataError."""
    if dark.ndim and dark.shape != scan.frame:
        raise scan.error(f"the dark {source} is {dark.shape}, patterns are {scan.frame}")
    level = dark.astype(np.float32)
    made = scan.change(
        lambda part: np.maximum(part.astype(np.float32) - level, np.float32(0)), scan.valid, np.dtype(np.float32)
    )
    return made.note(f"dark of {float(dark.mean()):.4g} counts a pixel, from {source}, subtracted")


def _text(frame: tuple[int, int]) -> str:
    return f"{frame[0]} x {frame[1]}"
