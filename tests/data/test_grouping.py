"""Groups: distinct near neighbours, reproducible from the generator, nothing invented."""

from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ptycho_config.schema import FourQuadrant, GroupingOptions, MinDistance
from ptycho_torch.data.grouping import GroupPlan, plan_groups
from ptycho_torch.records import Groups


def _plan(position: NDArray[np.float64], seed: int = 0, **changes: object) -> Groups:
    options: dict[str, object] = {
        "gridsize": 2,
        "neighbor_count": 6,
        "n_groups": None,
        "n_subsample": None,
        "sequential": False,
    }
    plan = GroupPlan(**(options | changes))  # type: ignore[arg-type]
    return plan_groups(position, plan, np.random.default_rng(seed))


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
        ({"n_groups": 51}, "n_groups is 51, but there are 50 groups"),
        ({"n_subsample": 51}, "n_subsample is 51"),
        ({"neighbor_count": 2}, "cannot fill groups of 4"),
        ({"n_subsample": 3}, "needs 4 patterns, the scan has 3"),
    ],
)
def test_what_the_scan_cannot_give_is_refused(changes: dict[str, int], reason: str) -> None:
    """No index is invented, repeated or clamped."""
    with pytest.raises(ValueError, match=reason):
        _plan(_scatter(50), **changes)


@pytest.mark.parametrize("pool", [None, 6], ids=["plain", "oversampled"])
def test_what_is_advised_for_more_groups_helps(pool: int | None) -> None:
    """Groups of one pattern cannot be combined from neighbours, only repeated; larger ones can."""
    position = _scatter(40)
    with pytest.raises(ValueError, match="a group is one pattern: at most as many groups as patterns") as told:
        _plan(position, gridsize=1, n_groups=80, pool=pool)
    assert "enable_oversampling" not in str(told.value)
    twice = GroupingOptions(groups_per_centre=2)
    assert len(_plan(position, gridsize=1, n_groups=80, pool=pool, options=twice).members) == 80
    with pytest.raises(ValueError, match="enable_oversampling combines neighbours"):
        _plan(position, n_groups=80)
    assert len(_plan(position, n_groups=80, pool=6).members) == 80


def test_a_large_scan_is_grouped_without_loops() -> None:
    """100,000 positions are planned at once, each group complete."""
    groups = _plan(_scatter(100_000))
    assert groups.members.shape == (100_000, 4)


def test_a_single_pattern_is_a_group_of_its_own() -> None:
    """Whatever the rule for neighbours, of which there are none."""
    for options in (GroupingOptions(), GroupingOptions(neighbors=MinDistance())):
        groups = _plan(_scatter(1), gridsize=1, options=options)
        assert groups.members.tolist() == [[0]]


@given(st.integers(20, 60), st.integers(0, 2**31), st.floats(0.0, 10.0), st.floats(15.0, 60.0))
def test_members_keep_their_distance(count: int, seed: int, low: float, high: float) -> None:
    """Every member and partner lies between the distances; who has too few is counted, not padded."""
    position = _scatter(count, seed)
    rule = MinDistance(min_neighbor_distance=low, max_neighbor_distance=high)
    distance = np.linalg.norm(position[:, None] - position[None], axis=-1)
    enough = ((distance >= low) & (distance <= high)).sum(axis=1) - (low == 0) >= 3
    if not enough.any():
        return
    groups = _plan(position, seed, options=GroupingOptions(neighbors=rule))
    assert groups.left_out == (~enough).sum()
    others = np.concatenate([groups.members[:, 1:], groups.neighbours], axis=1)
    reached = distance[groups.members[:, :1], others]
    assert ((reached >= low) & (reached <= high)).all()
    assert all(len(set(row)) == 4 for row in groups.members.tolist())


@pytest.mark.parametrize("pattern", ["Isotropic", "Rectangular"])
def test_one_member_of_each_quadrant(pattern: Literal["Isotropic", "Rectangular"]) -> None:
    """Upper left, upper right, lower left, lower right; the centre at most once."""
    position = _scatter(200)
    rule = FourQuadrant(scan_pattern=pattern, max_neighbor_distance=60.0)
    groups = _plan(position, options=GroupingOptions(neighbors=rule))
    assert len(groups.members) + groups.left_out == 200
    assert all(len(set(row)) == 4 for row in groups.members.tolist())
    full = groups.neighbours[:, 0] != groups.members[:, 0]
    offset = position[groups.members[full]] - position[groups.neighbours[full]]
    signs = np.sign(offset)
    assert (signs == [[-1, -1], [-1, 1], [1, -1], [1, 1]]).all()


def test_a_raster_row_belongs_to_a_quadrant() -> None:
    """On a regular grid, neighbours on the centre's own row count as upper ones, or not at all."""
    grid = np.stack(np.meshgrid(np.arange(6.0), np.arange(6.0), indexing="ij"), -1).reshape(-1, 2)
    on_row = {}
    patterns: tuple[Literal["Isotropic", "Rectangular"], ...] = ("Isotropic", "Rectangular")
    for pattern in patterns:
        rule = FourQuadrant(scan_pattern=pattern, max_neighbor_distance=1.6)
        groups = _plan(grid, options=GroupingOptions(neighbors=rule))
        inner = (grid[groups.neighbours[:, 0]] % 5 != 0).all(axis=1)
        on_row[pattern] = (grid[groups.members[inner, 0], 0] == grid[groups.neighbours[inner, 0], 0]).all()
    assert on_row == {"Isotropic": False, "Rectangular": True}


@given(st.floats(0.0, 0.4), st.floats(0.6, 1.0))
def test_centres_come_from_the_asked_part_of_the_scan(low: float, high: float) -> None:
    """Members may lie outside, centres do not; the full range keeps every pattern."""
    position = _scatter(100)
    options = GroupingOptions(x_bounds=(low, high))
    x = position[_plan(position, options=options).members[:, 0], 1]
    part = (x - position[:, 1].min()) / np.ptp(position[:, 1])
    assert ((part >= low) & (part <= high)).all()
    assert len(_plan(position).members) == 100


def test_several_groups_for_each_centre() -> None:
    """As often as asked, each time drawn anew."""
    groups = _plan(_scatter(30), options=GroupingOptions(groups_per_centre=5))
    centres, counts = np.unique(groups.members[:, 0], return_counts=True)
    assert len(centres) == 30
    assert (counts == 5).all()
    assert len({tuple(row) for row in groups.members.tolist()}) > 100


def test_oversampling_combines_neighbours_without_repeats() -> None:
    """More groups than patterns, all different; what cannot be made is refused."""
    position = _scatter(10)
    groups = _plan(position, n_groups=180, pool=6)
    assert len({(row[0], frozenset(row[1:])) for row in groups.members.tolist()}) == 180
    with pytest.raises(ValueError, match="make 200 different groups"):
        _plan(position, n_groups=201, pool=6)


def test_a_rule_that_repeats_a_pattern_would_be_caught() -> None:
    """The check of distinct members sees a planted repeat."""
    members = _plan(_scatter(30)).members.copy()
    members[3, 2] = members[3, 1]
    assert not all(len(set(row)) == 4 for row in members.tolist())
