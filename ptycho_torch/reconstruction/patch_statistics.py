"""Mean and spread of the patches that a network gives."""

import torch
from torch import Tensor


class PatchStatistics:
    """A row of statistics for each batch, of the first `limit` batches; None keeps all."""

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self.rows: list[dict[str, float]] = []

    def __call__(self, patches: Tensor) -> None:
        """Add a row for patches `(B, C, N, N)` complex; phases in rad, relative to the mean of the batch."""
        if self.limit is not None and len(self.rows) >= self.limit:
            return
        amplitude, phase = patches.abs(), torch.angle(patches * patches.mean().conj())
        self.rows.append(
            {
                "amplitude_mean": float(amplitude.mean()),
                "amplitude_std": float(amplitude.std()),
                "amplitude_min": float(amplitude.min()),
                "amplitude_max": float(amplitude.max()),
                "phase_std": float(phase.std()),
            }
        )
