"""Amplitude and phase of a reconstructed object as pictures: what the beam has not reached is not shown."""

from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ptycho_torch.files import atomic_write
from ptycho_torch.output.picture_frame import frame_picture
from ptycho_torch.output.pictures import Picture, limits_of, reduce_image
from ptycho_torch.records import Canvas, Geometry

Box = tuple[slice, slice]
# Phases that fill so much of the circle may wrap, and are shown in colours that have no end.
_WRAPPED_RAD = 1.6 * np.pi
# Less light shows nothing; where there is less than in most places, the noise would widen the scale of the others.
_ILLUMINATED, _WELL_ILLUMINATED = 0.05, 0.25


def illuminated_box(canvas: Canvas, window: int = 0) -> Box:
    """The box of the canvas with over 5 % of its largest illumination, less `window` px at each border
    unless nothing would remain."""
    illuminated = canvas.illumination > _ILLUMINATED * canvas.illumination.max()
    rows, columns = (_inner(np.flatnonzero(illuminated.any(axis=axis)), window) for axis in (1, 0))
    return rows, columns


def _inner(index: NDArray[np.int64], window: int) -> slice:
    start, stop = int(index[0]) + window, int(index[-1]) + 1 - window
    return slice(start, stop) if start < stop else slice(int(index[0]), int(index[-1]) + 1)


def amplitude_and_phase(canvas: Canvas, box: Box) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """`|O|` and `arg O` in rad over a box of a canvas, without the mean phase and the mean slope, which
    ptychography hardly determines and which would hide the rest."""
    weight = canvas.illumination[box]
    object_ = _level(canvas.object[box], weight)
    mean = (weight * object_).sum()
    object_ *= np.conj(mean) / abs(mean)
    return np.abs(object_), np.angle(object_)


def _level(object_: NDArray[np.complex64], weight: NDArray[np.float32]) -> NDArray[np.complex64]:
    """`O exp(-i s . r)` with s the phase of the mean product of neighbours along each axis."""
    weighted = weight * object_
    level = object_.copy()
    for one, flat in ((weighted, level), (weighted.T, level.T)):
        # Line by line: an object may be most of the memory there is.
        slope = np.angle(sum(np.vdot(line, following) for line, following in pairwise(one)))
        phasor = np.exp(-1j * slope * np.arange(len(flat))).astype(np.complex64)
        np.multiply(flat, phasor[:, None], out=flat)
    return level


def object_pictures(canvas: Canvas, window: int = 0) -> dict[str, Picture]:
    """`Amplitude` and `Phase` of a canvas, less `window` px at each border: grey, or cyclic where the phase wraps."""
    box = illuminated_box(canvas, window)
    illumination = canvas.illumination[box]
    dark, faint = (illumination <= level * canvas.illumination.max() for level in (_ILLUMINATED, _WELL_ILLUMINATED))
    amplitude, phase = (np.where(dark, np.nan, one) for one in amplitude_and_phase(canvas, box))
    low, high = limits_of(np.where(faint, np.nan, phase))
    limits = limits_of(np.where(faint, np.nan, amplitude))
    wrapped = high - low > _WRAPPED_RAD
    (amplitude, every), (phase, _) = reduce_image(amplitude), reduce_image(phase)
    return {
        "Amplitude": Picture(amplitude, limits, "grey", "|O|", every),
        "Phase": Picture(phase, (-np.pi, np.pi), "cyclic", "rad", every)
        if wrapped
        else Picture(phase, (low, high), "grey", "rad", every),
    }


def notebook_html(pictures: dict[str, Picture], *sentences: str) -> str:
    """Pictures side by side with sentences, which are escaped already, below them, for a notebook."""
    images = "".join(
        f'<figure style="display:inline-block;width:48%;margin:0 1% 0 0"><img alt="{name}" style="width:100%" '
        f'src="{picture.uri()}"><figcaption>{name}, {picture.limits[0]:.3g} to {picture.limits[1]:.3g} {picture.unit}'
        "</figcaption></figure>"
        for name, picture in pictures.items()
    )
    return f"<div>{images}</div>" + "".join(f"<p>{sentence}</p>" for sentence in sentences)


def draw_object(folder: Path, canvas: Canvas, window: int = 0, geometry: Geometry | None = None) -> None:
    """Write `amplitude.png` and `phase.png` of a canvas into an existing folder, clipped at 1 and 99 %, without
    `window` px at each border, with a scale bar in micrometres where the geometry is known."""
    pixel_m = None if geometry is None else geometry.pixel_m[1]
    for name, picture in object_pictures(canvas, window).items():
        with atomic_write(folder / f"{name.lower()}.png") as temporary:
            frame_picture(picture, name, pixel_m).save(temporary, "PNG")
