"""The patterns that form a group: a frozen plan made by pure numpy code before any training."""

from itertools import combinations
from math import comb

import attrs
import numpy as np

from ptycho_config.schema import FourQuadrant, GroupingOptions, InferenceConfig, TorchOptions, TrainingConfig
from ptycho_torch.data.neighbours import BLOCK, MISSING, Index, Position, Table, candidates
from ptycho_torch.memory import shortage
from ptycho_torch.records import Groups

_ALONE = (
    "and with gridsize 1 a group is one pattern: at most as many groups as patterns, times "
    "torch.grouping.groups_per_centre"
)


@attrs.frozen(kw_only=True)
class GroupPlan:
    """The options that decide how patterns are grouped; see those of the same names.

    pool: neighbours that oversampling combines, None where patterns are used as often as `groups_per_centre` says.
    """

    gridsize: int
    neighbor_count: int
    n_groups: int | None = None
    n_subsample: int | None = None
    sequential: bool = False
    pool: int | None = None
    options: GroupingOptions = GroupingOptions()


def group_plan(run: TrainingConfig | InferenceConfig, options: TorchOptions) -> GroupPlan:
    """The plan that the options of a run describe."""
    pool = run.neighbor_pool_size or run.neighbor_count
    return GroupPlan(
        gridsize=run.model.gridsize,
        neighbor_count=run.neighbor_count,
        n_groups=run.n_groups,
        n_subsample=run.n_subsample,
        sequential=isinstance(run, TrainingConfig) and run.sequential_sampling,
        pool=pool if run.enable_oversampling else None,
        options=options.grouping,
    )


def plan_groups(position_yx: Position, plan: GroupPlan, rng: np.random.Generator) -> Groups:
    """Groups of `gridsize^2` distinct patterns around centres, the centre first.

    position_yx: `(n, 2)` in pixels; plan: sizes and rules; rng: of every draw. The other members are drawn from the
    neighbours that the rule allows; the rest remain as candidate partners, nearest first. A centre with too few
    neighbours has no group and is counted in `left_out`. Raises ValueError where the scan cannot fill the plan, and,
    before it is made, for one that does not fit into memory.
    """
    kept = _subsample(len(position_yx), plan.n_subsample, rng)
    position = position_yx[kept]
    others = plan.gridsize**2 - 1
    if others >= len(kept):
        raise ValueError(f"a group of gridsize {plan.gridsize} needs {others + 1} patterns, the scan has {len(kept)}")
    if plan.neighbor_count < others:
        raise ValueError(
            f"neighbor_count {plan.neighbor_count} cannot fill groups of {others + 1} (gridsize {plan.gridsize})"
        )
    centres = inside_bounds(position, plan.options)
    _check_memory(plan, len(centres), len(kept) - 1)
    reach = max(plan.neighbor_count, plan.pool or 0)
    neighbours = candidates(position, centres, plan.options.neighbors, reach)
    usable = (neighbours != MISSING).sum(axis=1) >= others
    if not usable.any() and others:
        raise ValueError(f"no pattern has {others} neighbours as torch.grouping.neighbors demands")
    if not usable.all():
        centres, neighbours = centres[usable], neighbours[usable]
    members, partners = _draw_groups(centres, neighbours, others, plan, rng)
    return Groups(kept[members], kept[partners], left_out=int((~usable).sum()))


def _check_memory(plan: GroupPlan, centres: int, others: int) -> None:
    """Raise ValueError where tables and draws of the plan do not fit into memory; others: patterns that a centre may
    have as neighbours."""
    members = plan.gridsize**2 - 1
    total = centres * plan.options.groups_per_centre
    wanted = total if plan.n_groups is None else plan.n_groups
    near, pool = min(plan.neighbor_count, others), min(plan.pool or 0, others)
    # Neighbours are int32; what is drawn, and the members of groups, int64.
    needed = 4 * centres * max(near, pool) + 8 * min(total, wanted) + wanted * (8 * (1 + members) + 4 * near)
    if wanted > total and pool and members:
        # Each subset is a tuple of Python before it is a row.
        needed += comb(pool, members) * (16 * members + 48)
    if lacking := shortage(needed):
        raise ValueError(
            f"a plan of {wanted} groups of {1 + members} patterns {lacking}; lower n_groups, "
            "torch.grouping.groups_per_centre, neighbor_count or neighbor_pool_size"
        )


def _subsample(count: int, wanted: int | None, rng: np.random.Generator) -> Index:
    if wanted is None:
        return np.arange(count)
    if wanted > count:
        raise ValueError(f"n_subsample is {wanted}, but the scan has {count} patterns")
    return np.sort(rng.choice(count, wanted, replace=False))


def inside_bounds(position_yx: Position, options: GroupingOptions) -> Index:
    """The patterns whose position_yx `(n, 2)` lies in the parts of the scan's height and width that options
    give. Raises ValueError where there is none."""
    extent = np.ptp(position_yx, axis=0)
    part = (position_yx - position_yx.min(axis=0)) / np.where(extent > 0, extent, 1.0)
    low, high = np.array([options.y_bounds, options.x_bounds]).T
    # A scan along a line has no width to take a part of.
    found: Index = np.flatnonzero(((extent == 0) | ((part >= low) & (part <= high))).all(axis=1))
    if len(found) == 0:
        raise ValueError(
            f"no position lies inside torch.grouping x_bounds {options.x_bounds}, y_bounds {options.y_bounds}"
        )
    return found


def _draw_groups(
    centres: Index, neighbours: Table, others: int, plan: GroupPlan, rng: np.random.Generator
) -> tuple[Index, Index | Table]:
    """Members `(B, C)` and candidate partners `(B, K)` of the groups that the plan wants."""
    repeats = plan.options.groups_per_centre
    total = len(centres) * repeats
    wanted = total if plan.n_groups is None else plan.n_groups
    if wanted > total and plan.pool is not None and others:
        return _combine(centres, neighbours[:, : plan.pool], others, wanted, rng)
    if wanted > total:
        more = "enable_oversampling combines neighbours in more ways" if others else _ALONE
        raise ValueError(
            f"n_groups is {wanted}, but there are {total} groups ({len(centres)} centres, {repeats} each); "
            f"null takes them all, {more}"
        )
    every = plan.sequential or wanted == total
    rows = (np.arange(wanted) if every else np.sort(rng.choice(total, wanted, replace=False))) // repeats
    if isinstance(plan.options.neighbors, FourQuadrant):
        return _quadrant_members(centres[rows], neighbours[rows])
    neighbours = neighbours[:, : plan.neighbor_count]
    members = np.empty((wanted, 1 + others), np.int64)
    partners = np.empty((wanted, neighbours.shape[1] - others), np.int32)
    for start in range(0, wanted, BLOCK):
        block = slice(start, start + BLOCK)
        part = rows[block]
        members[block], partners[block] = _draw_members(centres[part], neighbours[part], others, rng)
    return members, partners


def _draw_members(centres: Index, chosen: Table, others: int, rng: np.random.Generator) -> tuple[Index, Table]:
    """Each centre with `others` of its chosen neighbours, drawn, and those that are left, nearest first."""
    missing = chosen == MISSING
    order = np.argsort(np.where(missing, np.inf, rng.random(chosen.shape)), axis=1)
    drawn, left = order[:, :others], np.sort(order[:, others:], axis=1)
    members = np.concatenate([centres[:, None], np.take_along_axis(chosen, drawn, axis=1)], axis=1)
    # Where there is no further partner, the nearest neighbour stands in.
    filled = np.where(missing, chosen[:, :1], chosen)
    return members, np.take_along_axis(filled, left, axis=1)


def _quadrant_members(centres: Index, neighbours: Table) -> tuple[Index, Index]:
    """The four quadrants, an empty one taken by the centre; the centre is the partner otherwise."""
    members = np.where(neighbours == MISSING, centres[:, None], neighbours)
    partners = np.where((neighbours == MISSING).any(axis=1, keepdims=True), members[:, :1], centres[:, None])
    return members, partners


def _combine(centres: Index, pool: Table, others: int, wanted: int, rng: np.random.Generator) -> tuple[Index, Table]:
    """`wanted` different groups: a centre with any `others` of its pool."""
    subsets = np.array(list(combinations(range(pool.shape[1]), others)), np.int64)
    total = len(centres) * len(subsets)
    if wanted > total:
        raise ValueError(
            f"n_groups is {wanted}, but {len(centres)} centres with {pool.shape[1]} neighbours each make "
            f"{total} different groups; raise neighbor_pool_size"
        )
    centre, subset = np.divmod(np.sort(rng.choice(total, wanted, replace=False)), len(subsets))
    drawn = np.take_along_axis(pool[centre], subsets[subset], axis=1)
    return np.concatenate([centres[centre][:, None], drawn], axis=1), pool[centre]
