"""A scan between two steps: what a step takes and gives back."""

from collections.abc import Callable
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from ptycho_torch.data.raw import Stored
from ptycho_torch.errors import DataError
from ptycho_torch.records import Geometry

Complex = NDArray[np.complex64]
_SAMPLE = 256


@attrs.frozen(eq=False)
class ChangedPatterns:
    """Patterns `(n, H, W)` that a function changes whenever they are read, so that none is kept in memory.

    stored: patterns by sorted rows; rows: which of them, int64 in any order; change: from `(k, H', W')` to `(k, H, W)`
    of dtype, pattern by pattern; frame `(H, W)`.
    """

    stored: Stored
    rows: NDArray[np.int64]
    change: Callable[[NDArray[Any]], NDArray[Any]]
    frame: tuple[int, int]
    dtype: np.dtype[Any]

    @property
    def shape(self) -> tuple[int, ...]:
        """`(n, H, W)`."""
        return len(self.rows), *self.frame

    def __getitem__(self, rows: Any, /) -> NDArray[Any]:
        """Chosen patterns: all with `...`, a slice, or an index array."""
        wanted, place = np.unique(self.rows[rows], return_inverse=True)
        return self.change(self.stored[wanted])[place]


@attrs.frozen(eq=False)
class Prepared:
    """A scan between two steps.

    name: of its file, for errors; patterns `(n, H, W)`, in counts, zero frequency at `[H/2, W/2]`; position_yx `(n, 2)`
    float64, patch centres in object px; valid `(H, W)` bool, True where the detector measured; probe `(P, H, W)` in
    the square root of counts, object `(Y, X)` on the pixels of the positions, and geometry: None where the file has
    none; notes: a sentence for each step.
    """

    name: str
    patterns: Stored
    position_yx: NDArray[np.float64]
    valid: NDArray[np.bool_]
    probe: Complex | None = None
    object: Complex | None = None
    geometry: Geometry | None = None
    notes: tuple[str, ...] = ()

    @property
    def frame(self) -> tuple[int, int]:
        """`(H, W)` of a pattern."""
        return self.valid.shape[0], self.valid.shape[1]

    def error(self, message: str, hint: str = "") -> DataError:
        """The error about this scan."""
        return DataError(self.name, message, hint)

    def note(self, text: str) -> "Prepared":
        """The scan with one sentence more."""
        return attrs.evolve(self, notes=(*self.notes, text))

    def change(
        self, change: Callable[[NDArray[Any]], NDArray[Any]], valid: NDArray[np.bool_], dtype: np.dtype[Any]
    ) -> "Prepared":
        """The scan with every pattern changed, and the pixels that are valid of the result."""
        height, width = valid.shape
        rows = np.arange(len(self.position_yx))
        return attrs.evolve(
            self, patterns=ChangedPatterns(self.patterns, rows, change, (height, width), dtype), valid=valid
        )

    def keep(self, rows: NDArray[np.integer], text: str) -> "Prepared":
        """The scan with the patterns of these rows, in their order; text: the sentence for it. Raises DataError for
        none."""
        if len(rows) == 0:
            raise self.error(f"{text}: no pattern is left")
        chosen = rows.astype(np.int64)
        kept = ChangedPatterns(self.patterns, chosen, lambda part: part, self.frame, self.patterns.dtype)
        made = attrs.evolve(self, patterns=kept, position_yx=self.position_yx[chosen])
        return made.note(f"{text}: {len(rows)} of {len(self.position_yx)} patterns")

    def mean_pattern(self) -> NDArray[np.float64]:
        """The mean `(H, W)` of up to 256 patterns spread over the scan, 0 where the detector did not measure."""
        count = len(self.position_yx)
        rows = np.unique(np.linspace(0, count - 1, min(_SAMPLE, count)).astype(np.int64))
        mean: NDArray[np.float64] = np.mean(self.patterns[rows], axis=0, dtype=np.float64)
        return np.where(self.valid, mean, 0.0)


def rescale(scan: Prepared, pixel_ratio: tuple[float, float]) -> Prepared:
    """The scan with object pixels pixel_ratio (y, x) times as large: positions in metres stay. An object is on the
    pixels before, and is left out."""
    if pixel_ratio == (1.0, 1.0):
        return scan
    geometry, (y, x) = scan.geometry, pixel_ratio
    if geometry is not None:
        geometry = attrs.evolve(geometry, pixel_m=(geometry.pixel_m[0] * y, geometry.pixel_m[1] * x))
    made = attrs.evolve(scan, position_yx=scan.position_yx / np.array(pixel_ratio), geometry=geometry, object=None)
    return made if scan.object is None else made.note("the object has other pixels, and is left out")
