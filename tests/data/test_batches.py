"""Batches: gathered by index, reproducible, every group once an epoch."""

import attrs
import numpy as np
import pytest
import torch

from ptycho_torch.data.batches import BatchSampler, ClusterDataset, cluster_dataset, split_rows
from ptycho_torch.data.grouping import GroupPlan, plan_groups
from ptycho_torch.data.scan import normalise
from ptycho_torch.physics.simulate import natural_object, simulate_scan
from ptycho_torch.records import Dataset


def _clusters(partners: int) -> ClusterDataset:
    made = simulate_scan(natural_object("camera", "coins", 104), seed=0)
    dataset = Dataset("simulated", made.counts, made.position_yx, made.probe)
    plan = GroupPlan(gridsize=1, neighbor_count=4)
    groups = plan_groups(dataset.position_yx, plan, np.random.default_rng(0))
    return cluster_dataset(normalise(dataset), groups, torch.arange(len(groups.members)), partners)


def test_a_batch_depends_on_its_index_alone() -> None:
    """The same key gives the same patterns, another draw other partners."""
    clusters = _clusters(partners=2)
    first, again, other = (clusters[[0, 1, 2], draw] for draw in (5, 5, 6))
    assert torch.equal(first.amplitude, again.amplitude)
    assert not torch.equal(first.amplitude, other.amplitude)
    assert first.amplitude.shape == (3, 3, 64, 64)
    assert first.merged == 1


def test_probes_are_drawn_around_that_of_the_scan() -> None:
    """Each batch shows another one, which has the same power and spectrum; that of the loss stays, and the patterns."""
    clusters = _clusters(partners=0)
    drawn = attrs.evolve(clusters, probe_spread_rad=2.0)
    first, again, other = (drawn[[0, 1], draw] for draw in (5, 5, 6))
    assert first.shown is not None
    assert other.shown is not None
    assert again.shown is not None
    assert torch.equal(first.shown, again.shown)
    assert not torch.equal(first.shown, other.shown)
    spectra = [torch.fft.fft2(probe).abs() for probe in (first.shown, first.probe)]
    torch.testing.assert_close(*spectra, rtol=1e-4, atol=1e-4)
    assert float((first.shown - first.probe).norm() / first.probe.norm()) > 0.1
    plain = clusters[[0, 1], 5]
    assert plain.shown is None
    assert torch.equal(plain.probe, first.probe)
    assert torch.equal(plain.amplitude, first.amplitude)


def test_every_group_comes_once_an_epoch_in_a_new_order() -> None:
    """Epochs are permutations that follow from the seed."""
    sampler = BatchSampler(10, 4, seed=1, shuffle=True)
    epochs = []
    for epoch in (0, 1, 0):
        sampler.set_epoch(epoch)
        epochs.append([row for rows, _ in sampler for row in rows])
    assert sorted(epochs[0]) == list(range(10))
    assert epochs[0] != epochs[1]
    assert epochs[0] == epochs[2]
    assert len(sampler) == 3


def test_validation_does_not_change_between_epochs() -> None:
    """Without shuffling, rows and draws are the same every epoch."""
    sampler = BatchSampler(10, 4, seed=1, shuffle=False)
    first = list(sampler)
    sampler.set_epoch(7)
    assert list(sampler) == first


def test_a_split_is_complete_and_never_empty() -> None:
    """Every group is on one side; even two groups leave one to validate."""
    for count in (2, 10, 101):
        kept, held_back = split_rows(count, 0.05, seed=0)
        assert sorted([*kept.tolist(), *held_back.tolist()]) == list(range(count))
        assert len(held_back) >= 1
    assert len(split_rows(10, 0.0, seed=0)[1]) == 0


def test_more_partners_than_neighbours_are_refused() -> None:
    """No partner is invented."""
    with pytest.raises(ValueError, match="only 4 neighbours are left"):
        _clusters(partners=5)


def test_normalising_keeps_the_forward_model() -> None:
    """Unit mean intensity, `sum|P|^2 = N^2`, and the factor that leads back to file units."""
    made = simulate_scan(natural_object("camera", "coins", 104), seed=0)
    scan = normalise(Dataset("simulated", made.counts, made.position_yx, made.probe))
    assert abs(float(scan.amplitude.square().mean()) - 1) < 1e-5
    assert abs(float(scan.probe.abs().square().sum()) / 64**2 - 1) < 1e-5
    positions = scan.centre_yx + scan.fraction_yx
    np.testing.assert_allclose(positions.numpy(), made.position_yx, atol=1e-5)
    energy = np.square(np.abs(made.probe)).sum() * scan.object_scale**2
    np.testing.assert_allclose(energy, made.counts.sum(axis=(1, 2)).mean(), rtol=1e-4)
