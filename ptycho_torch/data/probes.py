"""Probes of another size than the patterns."""

import attrs
import numpy as np
from numpy.typing import NDArray

from ptycho_torch.data.raw import RawScan
from ptycho_torch.errors import DataError

# Pixels, or extents, are equal within this share.
EQUAL = 0.01
_LAST = (-2, -1)


def fit_probe(scan: RawScan) -> RawScan:
    """The scan with its probe on as many pixels as a pattern.

    A probe with the pixel of the object is padded with 0, or cropped, in real space: its patterns were binned, or are
    finer. One of the same extent is padded, or cropped, in Fourier space: the patterns have more or fewer pixels around
    it. Refused where the file does not state the pixels, or neither holds.
    """
    side = scan.frame[0]
    if scan.probe is None or scan.probe.shape[-1] == side or scan.probe.shape[-1] != scan.probe.shape[-2]:
        return scan
    own = scan.probe.shape[-1]
    sizes = f"{scan.probe_key} has {own} x {own} pixels, the patterns {side} x {side}"
    if scan.geometry is None or scan.probe_pixel_m is None:
        message = f"{sizes}: either its pixels are those of the object, or it covers as much of it"
        hint = "state the pixel (y, x) of the probe in m, or give it on as many pixels as a pattern"
        return _refuse(scan, message, hint)
    ratio = np.array(scan.probe_pixel_m) / np.array(scan.geometry.pixel_m)
    if np.allclose(ratio, 1, rtol=EQUAL):
        how, probe = "in real space", resize(scan.probe, side)
    elif np.allclose(ratio * own / side, 1, rtol=EQUAL):
        spectrum = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(scan.probe, _LAST), norm="ortho"), _LAST)
        wave = np.fft.ifft2(np.fft.ifftshift(resize(spectrum, side), _LAST), norm="ortho")
        how, probe = "in Fourier space", np.fft.fftshift(wave, _LAST)
    else:
        message = f"{sizes}, and its pixel is {ratio[0]:.4g} x {ratio[1]:.4g} of that of the object (y, x)"
        return _refuse(scan, message, "give the probe with the pixels of the object")
    verb = "padded" if side > own else "cropped"
    return attrs.evolve(scan, probe=probe, remarks=(*scan.remarks, f"{sizes}: it is {verb} {how}"))


def _refuse(scan: RawScan, message: str, hint: str) -> RawScan:
    return attrs.evolve(scan, refusal=scan.refusal or DataError(str(scan.path), message, hint))


def resize(images: NDArray[np.generic], side: int) -> NDArray[np.generic]:
    """Cropped, or padded with 0, images `(..., M, M)` as `(..., N, N)`, N the side: pixel `M//2` becomes `N//2`."""
    own = images.shape[-1]
    if own > side:
        kept = slice(own // 2 - side // 2, own // 2 - side // 2 + side)
        return images[..., kept, kept]
    before = side // 2 - own // 2
    widths = [(0, 0)] * (images.ndim - 2) + [(before, side - own - before)] * 2
    return np.pad(images, widths)
