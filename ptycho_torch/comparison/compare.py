"""Everything that can be said about how one object differs from another."""

from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from ptycho_torch.comparison.fourier_ring import (
    ONE_SEVENTH,
    RingCorrelation,
    cutoff,
    fourier_ring_correlation,
    half_bit,
    square,
    tapered,
)
from ptycho_torch.comparison.registration import Complex, aligned, common_shape, overlap
from ptycho_torch.comparison.similarity import similarity, wrapped
from ptycho_torch.metrics import contrast_and_detail


@attrs.frozen(eq=False)
class Comparison:
    """Aligned images `(H, W)`, the shift that aligned them, all figures, and the ring correlation."""

    image: Complex
    reference: Complex
    shift_yx: NDArray[np.float64]
    figures: dict[str, Any]
    rings: RingCorrelation


def compare(
    image: Complex,
    reference: Complex,
    origin_yx: tuple[int, int] | None = None,
    reference_origin_yx: tuple[int, int] | None = None,
) -> Comparison:
    """Register `image` to `reference`, both complex `(H, W)`, and measure what is left.

    Where both origins (the object pixel of element `[0, 0]`) are known, the area that both cover
    is compared, otherwise the common size around the centres. Resolutions are the half period in
    px at which the ring correlation falls below a threshold, null where it never was above. Raises
    ValueError.
    """
    if origin_yx is not None and reference_origin_yx is not None:
        image, reference = overlap(image, reference, origin_yx, reference_origin_yx)
    else:
        image, reference = common_shape(image, reference)
    made, known, shift = aligned(image, reference)
    rings = fourier_ring_correlation(tapered(square(made)), tapered(square(known)))
    contrast, detail = contrast_and_detail(made, known)
    phase = wrapped(np.angle(made) - np.angle(known))
    level = np.angle(known * np.conj(known.mean()))
    figures = {
        "contrast": contrast,
        "detail": detail,
        "amplitude": similarity(np.abs(made) - np.abs(known), np.abs(made), np.abs(known)),
        "phase": similarity(phase, level + phase, level),
        "resolution_px": {
            "half_bit": _half_period(rings, half_bit(rings.count)),
            "one_seventh": _half_period(rings, ONE_SEVENTH),
        },
        "shift_yx": shift.tolist(),
        "shape": list(made.shape),
    }
    return Comparison(made, known, shift, figures, rings)


def _half_period(rings: RingCorrelation, threshold: float | NDArray[np.float64]) -> float | None:
    """Half the period at the cut-off, 1 px at best; None where not even the coarsest ring agrees."""
    nyquist = int(np.searchsorted(rings.frequency, 0.5)) + 1
    limit = threshold if isinstance(threshold, float) else threshold[1:nyquist]
    # The ring of the mean alone says nothing about detail.
    ring = cutoff(rings.correlation[1:nyquist], limit)
    return None if ring == 0 else 0.5 / min(0.5, (1 + ring) * float(rings.frequency[1]))
