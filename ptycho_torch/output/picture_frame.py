"""A picture as a file of its own: a title above, a scale bar and the colours with their values below."""

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ptycho_torch.output.pictures import Picture, palette

_SIDE_PX, _MARGIN, _TITLE, _FOOT, _BAR = 720, 12, 30, 44, 8
_INK, _PAPER, _DARK = (20, 20, 20), (255, 255, 255), (225, 225, 225)
# Part of the width of a picture that its scale bar has at most.
_WIDEST = 0.3


def bar_length(width_px: float, pixel_m: float | None) -> tuple[float, str]:
    """The length in px of a scale bar below an image of width_px, and its text: 1, 2 or 5 times a power of ten, in
    micrometres or nanometres where the pixel, pixel_m, is known, else in px."""
    longest = _WIDEST * width_px * (1.0 if pixel_m is None else pixel_m)
    decade = 10.0 ** math.floor(math.log10(longest))
    length = max(factor * decade for factor in (1, 2, 5) if factor * decade <= longest)
    if pixel_m is None:
        return length, f"{length:g} px"
    text = f"{length * 1e6:g} \N{MICRO SIGN}m" if length >= 0.5e-6 else f"{length * 1e9:g} nm"
    return length / pixel_m, text


def frame_picture(picture: Picture, title: str, pixel_m: float | None) -> Image.Image:
    """The picture with its title, colours and a scale bar, pixel_m a pixel or in px; small ones are enlarged by a whole
    factor."""
    height, width = picture.values.shape
    scale = max(1, _SIDE_PX // max(height, width))
    shown = Image.new("RGB", (scale * width, scale * height), _DARK)
    image = picture.image().convert("P").resize(shown.size, Image.Resampling.NEAREST)
    mask = Image.fromarray((np.asarray(image) < len(palette(picture.colours))).astype(np.uint8) * 255)
    shown.paste(image.convert("RGB"), mask=mask)
    wide = max(shown.width, 320)
    made = Image.new("RGB", (wide + 2 * _MARGIN, shown.height + _TITLE + _FOOT), _PAPER)
    draw, font = ImageDraw.Draw(made), ImageFont.load_default(15)
    draw.text((_MARGIN, 7), title, _INK, font)
    made.paste(shown, (_MARGIN, _TITLE))
    foot = _TITLE + shown.height + 8
    length, text = bar_length(width * picture.reduction, pixel_m)
    bar = round(length * scale / picture.reduction)
    draw.rectangle((_MARGIN, foot, _MARGIN + bar, foot + _BAR), _INK)
    # The font of Pillow has no micro sign.
    draw.text((_MARGIN, foot + 12), text.replace("\N{MICRO SIGN}", "u"), _INK, font)
    _legend(made, picture, foot, font)
    return made


def _legend(made: Image.Image, picture: Picture, foot: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> None:
    draw, left, right = ImageDraw.Draw(made), made.width - _MARGIN - 160, made.width - _MARGIN
    strip: NDArray[np.uint8] = np.repeat(palette(picture.colours)[None], _BAR, axis=0)
    made.paste(Image.fromarray(strip).resize((right - left, _BAR)), (left, foot))
    low, high = (f"{value:.3g}" for value in picture.limits)
    draw.text((left, foot + 12), low, _INK, font)
    draw.text(((left + right) / 2, foot + 12), picture.unit, _INK, font, anchor="ma")
    draw.text((right, foot + 12), high, _INK, font, anchor="ra")
