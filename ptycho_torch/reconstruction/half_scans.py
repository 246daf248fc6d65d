"""Two halves of a scan, whose objects have independent noise."""

from typing import Any

import attrs
import torch
from torch import Tensor

from ptycho_torch.records import Amplitudes, Scan


@attrs.frozen(eq=False)
class _Rows:
    """Those amplitudes of a scan that `rows` name."""

    amplitude: Amplitudes
    rows: Tensor

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.rows), *self.amplitude.shape[1:])

    def __getitem__(self, rows: Any) -> Tensor:
        return self.amplitude[self.rows[rows]]


def half_scans(scan: Scan) -> tuple[Scan, Scan]:
    """The patterns 0, 2, 4, ... and 1, 3, 5, ... of a scan, which cover the same object, without its first guess."""
    count = len(scan.centre_yx)
    return part_of(scan, torch.arange(0, count, 2)), part_of(scan, torch.arange(1, count, 2))


def part_of(scan: Scan, rows: Tensor) -> Scan:
    """The patterns of these rows `(k,)` of a scan, without its first guess."""
    return attrs.evolve(
        scan,
        amplitude=_Rows(scan.amplitude, rows),
        centre_yx=scan.centre_yx[rows],
        fraction_yx=scan.fraction_yx[rows],
        flux=None if scan.flux is None else scan.flux[rows],
        weights=None if scan.weights is None else scan.weights[rows],
        label=None if scan.label is None else scan.label[rows],
        initial=None,
    )
