"""From the files of a training to its clusters of patterns."""

import warnings
from contextlib import AbstractContextManager
from typing import NamedTuple

import attrs
import numpy as np
import torch

from ptycho_config.schema import TrainingConfig, TrainingSetup
from ptycho_torch.data.batches import ClusterDataset, cluster_dataset, split_rows
from ptycho_torch.data.dataset import read_dataset
from ptycho_torch.data.grouping import group_plan, plan_groups
from ptycho_torch.data.joint_dataset import Clusters, JointDataset, parts_of
from ptycho_torch.data.labels import read_labels
from ptycho_torch.data.patterns import IN_MEMORY_BYTES
from ptycho_torch.data.raw import RawScan
from ptycho_torch.data.readers import closing, open_scans
from ptycho_torch.data.scan import (
    Statistics,
    check_canvas,
    normalise,
    pool_statistics,
    split_positions,
    statistics_of,
    with_initial_object,
)
from ptycho_torch.errors import DataError
from ptycho_torch.judgement.scan import judge_scan
from ptycho_torch.memory import give_back
from ptycho_torch.physics.diffraction import power
from ptycho_torch.records import Dataset, Groups, Scan
from ptycho_torch.verdict import Evidence, Verdict, judge


class TrainingScans(NamedTuple):
    """The opened scans that are trained on, and those that are only validated on."""

    training: tuple[RawScan, ...]
    validation: tuple[RawScan, ...]

    def closing(self) -> AbstractContextManager[None]:
        """Close all files at the end of a block."""
        return closing((*self.training, *self.validation))

    def close(self) -> None:
        """Close all files."""
        with self.closing():
            pass


def open_validation_scans(training: TrainingConfig) -> tuple[RawScan, ...]:
    """The scans of `training.test_data_file`; none where that is not set. Raises DataError."""
    return () if training.test_data_file is None else open_scans(training.test_data_file)


@attrs.frozen(eq=False)
class TrainingData:
    """Clusters to train on and to validate on, and the frozen statistics of the former, None where the
    scans are too different for such; verdict: on all scans."""

    training: Clusters
    validation: Clusters | None
    statistics: Statistics | None
    verdict: Verdict = judge(())

    @property
    def probe_shape(self) -> tuple[int, ...]:
        """`(P, N, N)` with the modes of the scan that has the most."""
        return max(tuple(part.scan.probe.shape) for part in parts_of(self.training))

    @property
    def modulus(self) -> float:
        """`N / |P|`, a mean over scans: the modulus of an object that fits its patterns, of unit mean power, on
        average."""
        scans = [part.scan for part in parts_of(self.training)]
        return sum(s.probe.shape[-1] / float(power(s.probe).sum().sqrt()) for s in scans) / len(scans)


@attrs.frozen(eq=False)
class _Grouped:
    """A dataset with the evidence on it, its groups, and which of them are trained on and held back."""

    dataset: Dataset
    evidence: tuple[Evidence, ...]
    groups: Groups
    kept: torch.Tensor
    held_back: torch.Tensor


def training_data(
    setup: TrainingSetup, seed: int, opened: TrainingScans | None = None, in_memory: int = IN_MEMORY_BYTES
) -> TrainingData:
    """Training and validation clusters: from two sets of scans, or each scan split by groups.

    seed: of groups and split; opened: the scans of the setup, which are opened here where it is None, and closed here;
    in_memory: bytes of patterns that are kept in memory: a scan of more than its share stays in its file.
    A folder is all its scans, each grouped by itself, and scaled by its own statistics or by
    those of all training patterns together (`torch.scale.statistics`). Raises DataError.
    """
    training = setup.training
    if opened is None:
        assert training.train_data_file is not None
        opened = TrainingScans(open_scans(training.train_data_file), open_validation_scans(training))
    fraction = 0.0 if opened.validation else setup.torch.data.validation_fraction
    share = in_memory // (len(opened.training) + len(opened.validation))
    with opened.closing():
        scans = [_group(scan, setup, seed, fraction, share) for scan in opened.training]
        others = [_group(scan, setup, seed, 0.0, share) for scan in opened.validation]
    statistics = pool_statistics([_statistics(one, setup) for one in scans])
    whole, checked = [], []
    for one in scans:
        scan = _scale(one, statistics, setup)
        whole.append(_clusters(one, scan, one.kept, setup, setup.torch.data.probe_spread_rad))
        if len(one.held_back):
            checked.append(_clusters(one, scan, one.held_back, setup))
    checked += [_clusters(one, _scale(one, statistics, setup), one.kept, setup) for one in others]
    return TrainingData(_join(whole), _join(checked) if checked else None, statistics, _verdict([*scans, *others]))


def _verdict(scans: list[_Grouped]) -> Verdict:
    """The verdict on all scans; each sentence names its scan where there are several."""
    if len(scans) == 1:
        return judge(scans[0].evidence)
    return judge(attrs.evolve(e, text=f"{one.dataset.name}: {e.text}") for one in scans for e in one.evidence)


def _join(parts: list[ClusterDataset]) -> Clusters:
    return parts[0] if len(parts) == 1 else JointDataset(tuple(parts))


def _statistics(one: _Grouped, setup: TrainingSetup) -> Statistics:
    patterns = np.unique(one.groups.members[one.kept.numpy()])
    return statistics_of(one.dataset, setup.training.model, setup.torch.scale, patterns)


def _scale(one: _Grouped, frozen: Statistics, setup: TrainingSetup) -> Scan:
    scale = setup.torch.scale
    statistics = frozen if scale.statistics == "training" else None
    return with_initial_object(normalise(one.dataset, setup.training.model, scale, statistics), setup.torch)


def _clusters(
    one: _Grouped, scan: Scan, rows: torch.Tensor, setup: TrainingSetup, probe_spread_rad: float = 0.0
) -> ClusterDataset:
    try:
        return cluster_dataset(scan, one.groups, rows, setup.torch.overlap.partners, probe_spread_rad)
    except ValueError as error:
        hint = f"set torch.overlap.partners to {one.groups.neighbours.shape[1]} at most, or give more patterns"
        raise DataError(one.dataset.name, str(error), hint) from None


def _group(raw: RawScan, setup: TrainingSetup, seed: int, fraction: float, in_memory: int) -> _Grouped:
    training = setup.training
    options = setup.torch.data
    dataset = read_dataset(raw, setup.torch.scale.domain, options.position_origin, in_memory, mask=options.mask)
    if training.model.model_type == "supervised":
        centre, _ = split_positions(dataset.position_yx)
        side, subtract = training.model.N, setup.torch.data.phase_subtraction
        dataset = attrs.evolve(dataset, label=read_labels(raw, centre, side, subtract_phase=subtract))
    judged = judge_scan(check_canvas(dataset), fix_orientation=options.fix_orientation)
    for sentence in judge(judged.evidence).sentences:
        warnings.warn(f"{dataset.name}: {sentence}", RuntimeWarning, stacklevel=2)
    dataset = judged.dataset
    try:
        plan = group_plan(training, setup.torch)
        groups = plan_groups(dataset.position_yx, plan, np.random.default_rng(seed))
    except ValueError as error:
        raise DataError(dataset.name, str(error)) from None
    give_back()
    return _Grouped(dataset, judged.evidence, groups, *split_rows(len(groups.members), fraction, seed))
