"""Groups: distinct near neighbours, reproducible from the generator, nothing invented."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ptycho_torch.data.grouping import plan_groups
from ptycho_torch.records import Groups


def _plan(position: NDArray[np.float64], seed: int = 0, **changes: object) -> Groups:
    options: dict[str, object] = {
        "gridsize": 2,
        "neighbor_count": 6,
        "n_groups": None,
        "n_subsample": None,
        "sequential": False,
    }
    return plan_groups(position, rng=np.random.default_rng(seed), **(options | changes))  # type: ignore[arg-type]


def _scatter(count: int, seed: int = 1) -> NDArray[np.float64]:
    return np.random.default_rng(seed).uniform(0, 100, (count, 2))


@given(st.integers(8, 60), st.integers(0, 2**31), st.sampled_from([1, 2]), st.integers(3, 7))
def test_members_are_distinct_and_among_the_nearest(count: int, seed: int, gridsize: int, k: int) -> None:
    """Each group is its own pattern and others from its k nearest, without repeats."""
    position = _scatter(count, seed)
    groups = _plan(position, seed, gridsize=gridsize, neighbor_count=k)
    everything = np.concatenate([groups.members, groups.neighbours], axis=1)
    distance = np.linalg.norm(position[:, None] - position[None], axis=-1)
    nearest = np.argsort(distance, axis=1)[:, : k + 1]
    assert groups.members.shape == (count, gridsize**2)
    assert np.array_equal(np.sort(everything, axis=1), np.sort(nearest, axis=1))


def test_coinciding_positions_are_not_their_own_neighbours() -> None:
    """Repeated visits to one place never put a pattern twice into its group."""
    position = np.zeros((9, 2))
    groups = _plan(position)
    everything = np.concatenate([groups.members, groups.neighbours], axis=1)
    assert all(len(set(row)) == len(row) for row in everything.tolist())


def test_the_generator_decides_everything() -> None:
    """Same generator, same plan; another one, another plan; no global state."""
    position = _scatter(50)
    assert np.array_equal(_plan(position, 3).members, _plan(position, 3).members)
    assert not np.array_equal(_plan(position, 3).members, _plan(position, 4).members)


def test_fewer_groups_are_drawn_without_repeats() -> None:
    """`n_groups` and `n_subsample` count what they say."""
    position = _scatter(50)
    assert len(set(_plan(position, n_groups=20).members[:, 0])) == 20
    assert _plan(position, n_groups=20, sequential=True).members[:, 0].tolist() == list(range(20))
    assert len(np.unique(_plan(position, n_subsample=15).members)) == 15


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"n_groups": 51}, "n_groups is 51, but there are 50 patterns"),
        ({"n_subsample": 51}, "n_subsample is 51"),
        ({"neighbor_count": 2}, "cannot fill groups of 4"),
        ({"n_subsample": 3}, "needs 4 patterns, the scan has 3"),
    ],
)
def test_what_the_scan_cannot_give_is_refused(changes: dict[str, int], reason: str) -> None:
    """No index is invented, repeated or clamped."""
    with pytest.raises(ValueError, match=reason):
        _plan(_scatter(50), **changes)


def test_a_large_scan_is_grouped_without_loops() -> None:
    """100,000 positions are planned at once, each group complete."""
    groups = _plan(_scatter(100_000))
    assert groups.members.shape == (100_000, 4)
