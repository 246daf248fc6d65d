"""Batches by index: a scan stays in memory as a few tensors and each batch is one gather."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import attrs
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset
from torch.utils.data import Sampler

from ptycho_torch.physics.canvas import initial_patches
from ptycho_torch.physics.pupil import Aberration, aberrated_probe
from ptycho_torch.records import Batch, Groups, Scan

# The astigmatism of a drawn probe over its defocus: a sample is more often out of focus than a lens is astigmatic.
ASTIGMATISM = 0.25


class Share(NamedTuple):
    """The part of every batch that a process computes: rows `rank`, `rank + world`, ..."""

    rank: int = 0
    world: int = 1


@attrs.frozen(eq=False)
class ClusterDataset(TorchDataset[Batch]):
    """Maps a list of `(group, draw)` to a Batch: the groups with `partners` neighbours each.

    `draw` seeds the choice of partners, so a batch depends on its index alone and is the same in whichever process it
    is made. probe_spread_rad: of the probe that is shown to the network, drawn likewise (`drawn_aberration`). Of a
    batch only `share` is read; its weight is such that the mean over all processes is the mean over the batch. A
    process without a row computes the first one with weight 0, since all must take part.
    """

    scan: Scan
    members: Tensor
    neighbours: Tensor
    partners: int
    share: Share = Share()
    probe_spread_rad: float = 0.0

    def __len__(self) -> int:
        return len(self.members)

    def __getitem__(self, key: tuple[list[int], int]) -> Batch:
        rows, draw = key
        members, generator = self.members[rows], torch.Generator().manual_seed(draw)
        if self.partners:
            candidates = self.neighbours[rows]
            pick = torch.rand(candidates.shape, generator=generator).argsort(dim=1)[:, : self.partners]
            members = torch.cat([members, candidates.gather(1, pick)], dim=1)
        whole, (rank, world) = len(members), self.share
        mine = members[rank::world]
        weight = len(mine) * world / whole
        batch = gather(self.scan, mine if len(mine) else members[:1], self.members.shape[1])
        shown = None
        if self.probe_spread_rad:
            shown = aberrated_probe(self.scan.probe, drawn_aberration(self.probe_spread_rad, generator))
        return batch._replace(weight=weight, whole=whole, shown=shown)


def drawn_aberration(spread_rad: float, generator: torch.Generator) -> Aberration:
    """An aberration drawn by a generator: its defocus has the standard deviation spread_rad, each astigmatism a
    quarter of it."""
    defocus, upright, oblique = (spread_rad * torch.randn(3, generator=generator)).tolist()
    return Aberration(defocus, ASTIGMATISM * upright, ASTIGMATISM * oblique)


def gather(scan: Scan, members: Tensor, merged: int) -> Batch:
    """The clusters `(B, S)` of patterns of a scan, by index; the first `merged` members of each are a group."""
    return Batch(
        amplitude=scan.signal(members),
        probe=scan.probe,
        centre_yx=scan.centre_yx[members],
        fraction_yx=scan.fraction_yx[members],
        merged=merged,
        label=None if scan.label is None else scan.label[members],
        valid_pixels=scan.valid_pixels,
        gain=scan.input_gain,
        initial=initial_patches(scan, members),
    )


def cluster_dataset(
    scan: Scan, groups: Groups, rows: Tensor, partners: int, probe_spread_rad: float = 0.0
) -> ClusterDataset:
    """The chosen rows of the groups of a scan as a dataset, with `partners` neighbours a group and probes drawn with
    the spread probe_spread_rad. Raises ValueError where there are too few neighbours."""
    available = groups.neighbours.shape[1]
    if partners > available:
        raise ValueError(f"{partners} partners per group, but only {available} neighbours are left besides the members")
    members = torch.from_numpy(groups.members)[rows]
    neighbours = torch.from_numpy(groups.neighbours)[rows]
    return ClusterDataset(scan, members, neighbours, partners, probe_spread_rad=probe_spread_rad)


class BatchSampler(Sampler[tuple[list[int], int]]):
    """Yields `(rows, draw)`; the order of epoch `e` is a function of `(seed, e)` alone."""

    def __init__(self, count: int, batch_size: int, seed: int, *, shuffle: bool) -> None:
        self.count, self.batch_size, self.seed, self.shuffle = count, batch_size, seed, shuffle
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by the trainer at the start of each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return math.ceil(self.count / self.batch_size)

    def __iter__(self) -> Iterator[tuple[list[int], int]]:
        source = np.random.SeedSequence((self.seed, self.epoch if self.shuffle else 0))
        rng = np.random.default_rng(source)
        order = rng.permutation(self.count) if self.shuffle else np.arange(self.count)
        for start in range(0, self.count, self.batch_size):
            yield order[start : start + self.batch_size].tolist(), int(rng.integers(2**62))


def split_rows(count: int, fraction: float, seed: int) -> tuple[Tensor, Tensor]:
    """`(training rows, validation rows)` of count rows, drawn by seed: at least one validation row when
    `fraction` > 0."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    held_back = min(count - 1, max(1, round(count * fraction))) if fraction > 0 else 0
    return order[held_back:].sort().values, order[:held_back].sort().values
