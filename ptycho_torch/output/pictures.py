"""Images as PNG, one pixel each, in grey or in colours, transparent where nothing is known. No plotting library, which
would take longer than a reconstruction."""

import base64
import functools
import io
from typing import Any, Literal

import attrs
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Colours = Literal["grey", "sequential", "cyclic", "diverging"]
# Equally spaced colours of matplotlib's grey, viridis, twilight and reversed RdBu, which are in the public domain.
_ANCHORS: dict[Colours, str] = {
    "grey": "000000 ffffff",
    "sequential": "440154 472d7b 3b528b 2c728e 21918c 28ae80 5ec962 addc30 fde725",
    "cyclic": "e2d9e2 c4ced4 95b5c7 7297c1 6276ba 5e51ad 592a8f 45135c 2f1436 4a1342 741e4f 983550 b25652 c27c63 "
    "cca389 d8c7be e2d9e2",
    "diverging": "053061 2a71b2 6bacd1 c2ddec f7f6f6 fbccb4 e48066 ba2832 67001f",
}
_LEVELS = 255
# A report with all its pictures stays below 5 MB.
MOST_PX = 1200


def css_colours(colours: Colours) -> str:
    """The colours as stops of a CSS gradient."""
    return ", ".join(f"#{anchor}" for anchor in _ANCHORS[colours].split())


@functools.cache
def palette(colours: Colours) -> NDArray[np.uint8]:
    """The colours as `(255, 3)` values of red, green and blue, the lowest first."""
    anchors = np.array([tuple(bytes.fromhex(one)) for one in _ANCHORS[colours].split()], np.float64)
    place = np.linspace(0, len(anchors) - 1, _LEVELS)
    channels = [np.interp(place, np.arange(len(anchors)), anchors[:, channel]) for channel in range(3)]
    return np.stack(channels, axis=1).round().astype(np.uint8)


@attrs.frozen(eq=False)
class Picture:
    """An image to be shown: values `(H, W)`, NaN where nothing is known, from the lowest to the highest colour between
    the limits, with the name of its unit. reduction: of the pixels of the source, one in so many is shown along each
    axis."""

    values: NDArray[np.floating[Any]]
    limits: tuple[float, float]
    colours: Colours = "grey"
    unit: str = ""
    reduction: int = 1

    def image(self) -> Image.Image:
        """The picture, one pixel each, with a palette whose last colour is transparent."""
        low, high = self.limits
        known = np.isfinite(self.values)
        share = (np.where(known, self.values, low) - low) / max(high - low, np.finfo(np.float64).tiny)
        level = np.where(known, (share.clip(0, 1) * (_LEVELS - 1)).round(), _LEVELS).astype(np.uint8)
        made = Image.fromarray(level)
        made.putpalette([*palette(self.colours).ravel().tolist(), 0, 0, 0])
        return made

    def png(self) -> bytes:
        """The picture as a PNG file."""
        stream = io.BytesIO()
        self.image().save(stream, "PNG", transparency=_LEVELS)
        return stream.getvalue()

    def uri(self) -> str:
        """The picture as a `data:` address."""
        return f"data:image/png;base64,{base64.b64encode(self.png()).decode('ascii')}"


def reduce_image(values: NDArray[Any]) -> tuple[NDArray[Any], int]:
    """An image `(H, W)` with at most 1,200 px along each axis, every so many of the values, and how many."""
    every = -(-max(values.shape) // MOST_PX)
    return values[::every, ::every], every


def limits_of(values: NDArray[np.floating[Any]]) -> tuple[float, float]:
    """The lowest and the highest of the values but for 1 % at each end; NaN does not count."""
    known = values[np.isfinite(values)]
    if not known.size:
        return 0.0, 1.0
    low, high = np.percentile(known, (1, 99)).tolist()
    return low, high
