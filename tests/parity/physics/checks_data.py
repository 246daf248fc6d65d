"""Grouping and scaling."""

from math import isqrt

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching
from scipy.spatial import cKDTree

from ptycho_config.schema import GroupingOptions
from ptycho_torch.data.grouping import GroupPlan, inside_bounds, plan_groups
from ptycho_torch.data.neighbours import nearest
from ptycho_torch.physics.probe import soft_disk
from ptycho_torch.physics.scaling import rms_input_scale
from ptycho_torch.records import Groups
from tests.parity.physics.arrays import Vectors, tensor
from tests.parity.physics.formulas.probes import normalise_probe
from tests.parity.physics.formulas.reassembly import group_offsets
from tests.parity.physics.formulas.scaling import count_statistics, energy_scale, intensity_scale, physics_scale
from tests.parity.physics.verdict import Array, Finding, Holds, Part, Same, equal

K_SINGLE = 4
POOL = 7
PROBE_MASK_SIGMA = 1.0


def _position_yx(z: Vectors) -> Array:
    return np.stack([z["ycoords"], z["xcoords"]], axis=1)


def _allowed(position: Array, count: int, *, itself: bool = False) -> Array:
    """`[s, j]`: pattern j is one of the `count` nearest others of pattern s (ties count as near)."""
    everyone = np.arange(len(position))
    reach = nearest(cKDTree(position), everyone, count)[1][:, -1]
    distance = np.linalg.norm(position[:, None] - position, axis=-1)
    allowed: Array = distance <= reach[:, None] * (1 + 1e-12)
    allowed[everyone, everyone] = itself
    return allowed


def _explained(allowed: Array, members: Array) -> Array:
    """`[b, s]`: all members of row b are allowed beside pattern s."""
    made: Array = allowed[:, members].all(axis=-1).T
    return made


def _distinct(members: Array) -> bool:
    ordered = np.sort(members, axis=1)
    return bool((ordered[:, 1:] != ordered[:, :-1]).all())


def _common(z: Vectors, prefix: str) -> list[Part]:
    """Indices of patterns, none twice in a row, at the positions that centre and offset say."""
    members = z[f"{prefix}_nn_indices"]
    if prefix == "nearest":
        place_xy = z["nearest_coords_global"][:, :, 0]
    else:
        place_xy = (z[f"{prefix}_coords_offsets"] - z[f"{prefix}_coords_relative"])[:, 0].transpose(0, 2, 1)
    inside = bool((members >= 0).all() and (members < len(z["xcoords"])).all())
    parts: list[Part] = [
        Holds("indices are patterns of the scan", inside),
        Holds("members of a row differ", _distinct(members)),
    ]
    return [*parts, Same(_position_yx(z)[members][..., ::-1], place_xy)] if inside else parts


def _ours(groups: Groups, allowed: Array, shape: tuple[int, ...]) -> list[Part]:
    """The same promises of our plan, and its centre is a member."""
    beside = allowed[groups.members[:, :1], groups.members[:, 1:]]
    return [
        Holds("our plan has as many groups of as many members", groups.members.shape == shape),
        Holds("members of our groups differ", _distinct(groups.members)),
        Holds("our members are among the nearest of the first", beside.all()),
    ]


def _plan(z: Vectors, prefix: str, count: int, pool: int | None = None) -> Groups:
    members = z[f"{prefix}_nn_indices"]
    plan = GroupPlan(
        gridsize=isqrt(members.shape[1]),
        neighbor_count=count,
        n_groups=len(members),
        sequential=prefix == "sequential",
        pool=pool,
    )
    return plan_groups(_position_yx(z), plan, np.random.default_rng(int(z["seed"])))


def drawn_indices(z: Vectors, key: str) -> Finding:
    """A different seed pattern for each row; the members are neighbours of it."""
    prefix = key.partition("_")[0]
    members, count = z[key], int(z["K"]) if prefix != "single" else K_SINGLE
    allowed = _allowed(_position_yx(z), count)
    parts = _common(z, prefix)
    if prefix == "single":
        parts.append(Holds("no pattern is drawn twice", len(np.unique(members)) == len(members)))
    elif prefix == "sequential":
        rows = np.arange(len(members))
        parts.append(Holds("row b is around pattern b", _explained(allowed, members)[rows, rows].all()))
    else:
        match = maximum_bipartite_matching(csr_array(_explained(allowed, members)), perm_type="column")
        parts.append(Holds("every row is around a pattern of its own", (match >= 0).all()))
    groups = _plan(z, prefix, count)
    if prefix == "sequential":
        parts.append(Same(groups.members[:, 0], np.arange(len(members))))
    parts += _ours(groups, allowed, members.shape)
    return Finding(rules=("another_generator",), explained=parts)


def oversampled_indices(z: Vectors, key: str) -> Finding:
    """Combinations of the pool of one pattern, nearest first, none oftener than there are patterns."""
    members, position = z[key], _position_yx(z)
    allowed = _allowed(position, POOL)
    around = _explained(allowed, members)
    distance = np.linalg.norm(position[members][:, None] - position[None, :, None], axis=-1)
    around &= (np.diff(distance, axis=-1) >= 0).all(axis=-1)
    copies = (members[:, None] == members).all(axis=-1).sum(axis=1)
    parts = [
        *_common(z, "oversample"),
        Holds("every row lists neighbours of one pattern, nearest first", around.any(axis=1).all()),
        Holds("no combination is drawn twice around one pattern", (copies <= around.sum(axis=1)).all()),
        *_ours(_plan(z, "oversample", int(z["K"]), POOL), allowed, members.shape),
    ]
    return Finding(rules=("another_generator",), explained=parts)


def grouped_offsets(z: Vectors, key: str) -> Finding:
    """`o = mean_c r_c` and `d_c = o - r_c` of the members that they drew."""
    prefix = key.partition("_")[0]
    position = _position_yx(z)[z[f"{prefix}_nn_indices"]]
    centre, offset = (part.flip(-1) for part in group_offsets(tensor(position)))
    if prefix == "nearest":
        global_xy = tensor(position).flip(-1)
        made = {"center": centre, "relative": offset, "global": global_xy}
        return equal(made[key.rpartition("_")[2]][:, :, None], z[key])
    chosen = centre if key.endswith("offsets") else offset
    return equal(chosen.transpose(1, 2)[:, None], z[key])


def normalised_patterns(z: Vectors, key: str) -> Finding:
    """`X sqrt((N/2)^2 / mean sum X^2)` of the drawn groups, channels last."""
    groups = tensor(z["diff3d"])[z[f"{key.partition('_')[0]}_nn_indices"].astype(np.int64)]
    scale = energy_scale(groups, (groups.shape[-1] / 2) ** 2, "Batch")
    return equal((scale * groups).permute(0, 2, 3, 1), z[key])


def _bounds(z: Vectors) -> tuple[float, float]:
    low, high = z["bounds"].tolist()
    return low, high


def valid_indices(z: Vectors, key: str) -> Finding:
    """Points in the given part of the scan's width and height."""
    options = GroupingOptions(x_bounds=_bounds(z), y_bounds=_bounds(z))
    return equal(inside_bounds(_position_yx(z), options), z[key])


def _around_each(z: Vectors) -> Groups:
    options = GroupingOptions(x_bounds=_bounds(z), y_bounds=_bounds(z), groups_per_centre=int(z["n_subsample"]))
    gridsize = isqrt(z["nearest_nn_indices"].shape[1])
    plan = GroupPlan(gridsize=gridsize, neighbor_count=int(z["K"]), options=options)
    return plan_groups(_position_yx(z), plan, np.random.default_rng(int(z["seed"])))


def centre_ids(z: Vectors, key: str) -> Finding:
    """Every point within the bounds, `n_subsample` times."""
    return equal(_around_each(z).members[:, 0], z[key])


def nearest_indices(z: Vectors, key: str) -> Finding:
    """Members from the centre and its K nearest within the bounds; ours from the whole scan."""
    members, position, centre = z[key], _position_yx(z), z["nearest_center_scan_id"]
    valid = inside_bounds(position, GroupingOptions(x_bounds=_bounds(z), y_bounds=_bounds(z)))
    within = np.zeros((len(position), len(position)), bool)
    within[np.ix_(valid, valid)] = _allowed(position[valid], int(z["K"]), itself=True)
    parts = [
        *_common(z, "nearest"),
        Holds(
            "members are the centre or among its K nearest within the bounds", within[centre[:, None], members].all()
        ),
        *_ours(_around_each(z), _allowed(position, int(z["K"])), members.shape),
    ]
    return Finding(rules=("another_generator", "neighbours_from_the_whole_scan"), explained=parts)


def amplitude_scales(z: Vectors, key: str) -> Finding:
    """`rms_METHOD_OVER` and `physics_METHOD_OVER`."""
    kind, method, over = key.split("_")
    amplitude = tensor(z["amplitude"])
    if kind == "physics":
        return equal(physics_scale(amplitude, over, method), z[key])  # type: ignore[arg-type]
    # A scan is a group of all of its patterns.
    groups = amplitude if over == "Group" else amplitude.flatten(0, 1)[None]
    return equal(rms_input_scale(groups, method), z[key])  # type: ignore[arg-type]


def photon_scale(z: Vectors, key: str) -> Finding:
    """`sqrt(nphotons / mean sum X^2)`."""
    return equal(intensity_scale(tensor(z["amplitude"]), float(z["nphotons"])), z[key])


def counted(z: Vectors, key: str) -> Finding:
    """Frozen statistics of counts."""
    return equal(getattr(count_statistics([tensor(z["counts"])]), key.removeprefix("ci_")), z[key])


def normalised_probes(z: Vectors, key: str) -> Finding:
    """`probe_NAME` and `q_NAME`, NAME single or multi, perhaps with `_mask`."""
    kind, name, *masked = key.split("_")
    probe = tensor(z["probe" if name == "single" else "probe_modes"])
    mask = soft_disk(probe.shape[-1], None, PROBE_MASK_SIGMA) if masked else None
    made = normalise_probe(probe, float(z["probe_scale"]), mask)
    return equal(made.probe if kind == "probe" else made.factor, z[key])


def default_mask(z: Vectors, key: str) -> Finding:
    """A soft disk of half the width."""
    return equal(soft_disk(z["probe"].shape[-1], None, PROBE_MASK_SIGMA), z[key])
