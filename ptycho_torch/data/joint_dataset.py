"""Several scans as one dataset: every batch comes from one scan, batches of all scans are mixed."""

from collections.abc import Iterator

import attrs
import numpy as np
from torch.utils.data import Dataset as TorchDataset
from torch.utils.data import Sampler

from ptycho_torch.data.batches import BatchSampler, ClusterDataset, Share
from ptycho_torch.records import Batch

Key = tuple[int, list[int], int]


@attrs.frozen(eq=False)
class JointDataset(TorchDataset[Batch]):
    """Maps `(scan, groups, draw)` to a Batch of that scan, with its own probe and scale."""

    parts: tuple[ClusterDataset, ...]

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def __getitem__(self, key: Key) -> Batch:
        part, rows, draw = key
        return self.parts[part][rows, draw]


Clusters = ClusterDataset | JointDataset


def parts_of(dataset: Clusters) -> tuple[ClusterDataset, ...]:
    """The clusters of each scan."""
    return dataset.parts if isinstance(dataset, JointDataset) else (dataset,)


def with_share(dataset: Clusters, share: Share) -> Clusters:
    """The same dataset, of whose batches this process reads its share."""
    if isinstance(dataset, JointDataset):
        return JointDataset(tuple(attrs.evolve(part, share=share) for part in dataset.parts))
    return attrs.evolve(dataset, share=share)


class JointSampler(Sampler[Key]):
    """Yields the keys of a JointDataset; the order of an epoch is a function of seed and epoch alone."""

    def __init__(self, parts: tuple[ClusterDataset, ...], batch_size: int, seed: int, *, shuffle: bool) -> None:
        self.samplers = [
            BatchSampler(len(part), batch_size, seed + number, shuffle=shuffle) for number, part in enumerate(parts)
        ]
        self.seed, self.shuffle, self.epoch = seed, shuffle, 0

    def set_epoch(self, epoch: int) -> None:
        """Called by the trainer at the start of each epoch."""
        self.epoch = epoch
        for sampler in self.samplers:
            sampler.set_epoch(epoch)

    def __len__(self) -> int:
        return sum(map(len, self.samplers))

    def __iter__(self) -> Iterator[Key]:
        keys = [(number, rows, draw) for number, sampler in enumerate(self.samplers) for rows, draw in sampler]
        order = np.arange(len(keys))
        if self.shuffle:
            order = np.random.default_rng((self.seed, self.epoch, len(self.samplers))).permutation(len(keys))
        return iter([keys[position] for position in order])
