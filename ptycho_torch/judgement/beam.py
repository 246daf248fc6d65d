"""The mean pattern against that of the probe: where the beam is, whether counts are counts, and whose probe it is."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform

from ptycho_torch.judgement.pixels import nearest_fill
from ptycho_torch.verdict import Evidence, Level

Real = NDArray[np.floating]
# Less than this length of the mean phase factor is a pattern without a middle.
LEAST_CENTRED = 0.2
# A beam this far from the middle, as a share of the side, wraps around.
OFF_CENTRE = 0.125
# The pattern of a probe is like the mean pattern, up to what an object scatters.
LIKE = 0.75
# Patterns are off the middle, or of another size, where moving or scaling that of the probe takes away so much of
# their difference from it, if they differ at all.
MOVED, LEAST_MOVED = 0.75, 0.01
# Sizes of patterns that are compared.
SIZES = tuple(2 ** (step / 8) for step in range(-8, 9) if step)
# An object lets no more light pass than there is, and a considerable part of it.
LEAST_POWER, MOST_POWER = 0.5, 20.0
# Pixels that are left out hold so much of the light.
MUCH_HIDDEN, NEARLY_ALL_HIDDEN = 0.5, 0.9
# Squares of whole numbers are told from other counts by large ones.
LEAST_SQUARE = 100.0
# Names of evidence.
BEAM, PROBE, HIDDEN, SIZE = "beam", "probe", "hidden light", "size"
NO_TRIALS = (BEAM, "amplitudes", "squares")


def beam_offset(mean: Real) -> tuple[NDArray[np.float64], float]:
    """The distance of the middle of a mean pattern `(N, N)` from its centre pixel, (y, x) px, on a circle; and how
    concentrated it is, 0 to 1."""
    side = len(mean)
    total = max(float(mean.sum()), np.finfo(float).tiny)
    turn = np.exp(2j * np.pi * (np.arange(side) - side // 2) / side)
    vectors = np.array([(mean.sum(axis=1) * turn).sum(), (mean.sum(axis=0) * turn).sum()]) / total
    return np.angle(vectors) * side / (2 * np.pi), float(np.abs(vectors).min())


def beam_evidence(mean: Real, flat: Real, *, whole: bool, squared: bool, squares: bool) -> Iterator[Evidence]:
    """The evidence of the mean pattern.

    mean `(N, N)`: the patterns' mean, zero frequency expected at `[N/2, N/2]`, 0 at invalid pixels; flat `(N, N)`: the
    pattern of the probe, 0 there too, with the unit of counts; whole: patterns are whole numbers; squared: the patterns
    are squares of stored amplitudes; squares: they are those of whole numbers, see `are_squares`.
    """
    off = list(_centre_evidence(mean, flat))
    yield from off
    total, power = float(mean.sum()), float(flat.sum())
    ratio = power / total if total > 0 else np.inf
    counts, amplitudes = _alike(np.sqrt(mean), np.sqrt(flat)), _alike(mean, np.sqrt(flat))
    if squares and ratio < 0.1:
        text = (
            f"counts were squared: patterns are squares of whole numbers, and the probe has {ratio:.3g} of their power"
        )
        remedy = "--measurement-domain count_intensity leaves them" if squared else "store counts, not their squares"
        yield Evidence(name="squares", level="wrong", text=text, value=ratio, remedy=remedy)
    elif not (whole or squared or 0.1 < ratio < 10) and amplitudes > counts:
        text = (
            f"patterns look like amplitudes but are read as counts: no whole numbers, the probe has {ratio:.3g} times "
            f"the power of a pattern, and its pattern is more like them ({amplitudes:.3f}) than like their root "
            f"({counts:.3f})"
        )
        remedy = "--measurement-domain normalized_amplitude squares them"
        yield Evidence(name="amplitudes", level="wrong", text=text, value=ratio, remedy=remedy)
    # Amplitudes may have any unit: they are normalised.
    elif not (squared or LEAST_POWER < ratio < MOST_POWER):
        text = f"the probe has {ratio:.3g} times the power of a pattern: the modulus of the object has another scale"
        remedy = "scale the probe so that sum |P|^2 is that of a pattern without a sample"
        yield Evidence(name="probe power", level="doubtful", text=text, value=ratio, remedy=remedy)
    if counts < LIKE and not off:
        text = f"the pattern of the probe is not like the mean pattern (cosine {counts:.2f}): this is another probe"
        remedy = "torch.refine.unknown=auto retrieves it"
        yield Evidence(name=PROBE, level="doubtful", text=text, value=counts, remedy=remedy)


def _centre_evidence(mean: Real, flat: Real) -> Iterator[Evidence]:
    side = len(mean)
    offset, concentrated = beam_offset(mean)
    if concentrated > LEAST_CENTRED and (np.abs(offset) > OFF_CENTRE * side).any():
        corner = (np.abs(offset) > 0.4 * side).all()
        where = "in the corner" if corner else f"{round(offset[0])}, {round(offset[1])} px (y, x) from the middle"
        remedy = "move it to [N/2, N/2] with numpy.fft.fftshift" if corner else "crop the patterns around the beam"
        text = f"zero frequency is {where} of the patterns, not at [{side // 2}, {side // 2}]"
        yield Evidence(name=BEAM, level="wrong", text=text, value=float(np.abs(offset).max()), remedy=remedy)
        return
    one, other = np.sqrt(mean), np.sqrt(flat)
    at, moved = _best_shift(one, other)
    here = _alike(one, other)
    if 1 - here > LEAST_MOVED and moved - here > MOVED * (1 - here):
        text = (
            f"the patterns lie {at[0]}, {at[1]} px (y, x) from that of the probe (cosine {here:.3f} here, {moved:.3f} "
            f"there): zero frequency is not at [{side // 2}, {side // 2}], or the object is a wedge"
        )
        remedy = "crop the patterns around the beam"
        yield Evidence(name=BEAM, level="wrong", text=text, value=float(np.abs(at).max()), remedy=remedy)


def size_evidence(mean: Real, flat: Real, measuring: NDArray[np.bool_]) -> Iterator[Evidence]:
    """The evidence of patterns that are larger or smaller than that of the probe, as with another distance.

    mean, flat `(N, N)`: the mean pattern and that of the probe, zero frequency at `[N/2, N/2]`; measuring `(N, N)`:
    the pixels that are not left out.
    """
    one, other = np.sqrt(mean) * measuring, np.sqrt(flat)
    alike = {size: _alike(one, _magnify(other, size) * measuring) for size in SIZES}
    best, here = max(alike, key=alike.__getitem__), _alike(one, other * measuring)
    if 1 - here > LEAST_MOVED and alike[best] - here > MOVED * (1 - here):
        text = (
            f"the patterns are about {best:.2g} times as large as that of the probe (cosine {here:.3f} as it is, "
            f"{alike[best]:.3f} then): this is another probe, or the object pixel is wrong by that factor"
        )
        remedy = "check energy, distance, size of a detector pixel and binning, and the size of the probe"
        yield Evidence(name=SIZE, level="doubtful", text=text, value=best, remedy=remedy)


def _magnify(image: Real, size: float) -> Real:
    """An image `(N, N)`, `size` times as large around its pixel `[N/2, N/2]`."""
    middle = len(image) // 2
    larger: Real = affine_transform(image, [1 / size, 1 / size], offset=middle - middle / size, order=1)
    return larger


def _best_shift(one: Real, other: Real) -> tuple[NDArray[np.int64], float]:
    """The shift (y, x) px of an image `(N, N)` against another one at which they are most alike, and their cosine."""
    product = np.fft.ifft2(np.fft.fft2(one) * np.fft.fft2(other).conj()).real
    place = np.array(np.unravel_index(int(product.argmax()), product.shape))
    half, side = len(one) // 2, len(one)
    norm = float(np.sqrt(np.square(one).sum() * np.square(other).sum()))
    return (place + half) % side - half, float(product.max()) / norm if norm > 0 else 0.0


def are_squares(sample: Real) -> bool:
    """Whether patterns, of any shape, are squares of whole numbers, among them large ones."""
    root = np.sqrt(sample[sample > 1])
    return bool(root.size and root.max() ** 2 > LEAST_SQUARE and (np.abs(root - np.round(root)) < 1e-2).all())


def hidden_evidence(mean: Real, flat: Real, measuring: NDArray[np.bool_]) -> Iterator[Evidence]:
    """The evidence of pixels that are left out of patterns, and would hold much of the light.

    mean, flat `(N, N)`: the mean pattern, anything at the pixels left out, and the pattern of the probe, of all
    pixels; measuring `(N, N)`: the pixels that are not left out.
    """
    if measuring.all():
        return
    filled = nearest_fill(mean, measuring)
    shares = [float(one[~measuring].sum() / max(float(one.sum()), np.finfo(float).tiny)) for one in (flat, filled)]
    share = max(shares)
    if share > MUCH_HIDDEN:
        level: Level = "wrong" if share > NEARLY_ALL_HIDDEN else "doubtful"
        text = f"the pixels left out hold about {100 * share:.0f} % of the light: the others hardly determine an object"
        remedy = "a smaller beam stop, or a probe that spreads over more of the detector"
        yield Evidence(name=HIDDEN, level=level, text=text, value=share, remedy=remedy)


def _alike(one: Real, other: Real) -> float:
    """The cosine between two images of values of 0 and more."""
    norm = float(np.sqrt(np.square(one).sum() * np.square(other).sum()))
    return float((one * other).sum()) / norm if norm > 0 else 0.0
