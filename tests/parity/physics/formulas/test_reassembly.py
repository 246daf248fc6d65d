"""Regions of groups: what one object shows is put together again, at fractional places too."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from ptycho_torch.physics.overlap import merge_weights
from ptycho_torch.physics.patches import cut, merge
from tests.parity.physics.formulas.reassembly import (
    central_crop,
    even_margin,
    group_corners,
    group_offsets,
    reassemble_group,
    region_side,
)
from tests.strategies.fields import complex_field

seeds = st.integers(0, 2**31)
places = st.lists(st.tuples(st.floats(-2, 2), st.floats(-2, 2)), min_size=4, max_size=4)
N, M = 16, 24


def _weights(seed: int) -> Tensor:
    """Of a probe, 0 at the border of the patch."""
    light = merge_weights(complex_field(1, 4, 2, N, N, seed=seed), "probe")
    return light * torch.nn.functional.pad(torch.ones(N - 4, N - 4), [2] * 4)


def _offsets(values: list[tuple[float, float]]) -> Tensor:
    return group_offsets(torch.tensor([values], dtype=torch.float64))[1]


@given(places)
def test_offsets_point_from_the_patches_to_the_middle_of_the_group(values: list[tuple[float, float]]) -> None:
    """`r + d = o` for every member, and they sum to nothing."""
    position = torch.tensor([values], dtype=torch.float64)
    centre, offset = group_offsets(position)
    torch.testing.assert_close(position + offset, centre.expand_as(position))
    torch.testing.assert_close(offset.sum(dim=1), torch.zeros(1, 2).double(), atol=1e-9, rtol=0)


@given(seeds, places)
def test_patches_of_a_flat_object_make_a_flat_region(seed: int, values: list[tuple[float, float]]) -> None:
    """Whatever the weights and the fractions: a mean of equal values is that value; vacuum elsewhere."""
    patches = torch.full((1, 4, N, N), 0.5 + 2j, dtype=torch.complex128)
    made = reassemble_group(patches, _weights(seed), _offsets(values), M)
    lit = made.weight > 0
    torch.testing.assert_close(made.object[lit], torch.full_like(made.object[lit], 0.5 + 2j))
    assert bool((made.object[~lit] == 1).all())


@given(seeds, st.lists(st.tuples(st.integers(-2, 2), st.integers(-2, 2)), min_size=4, max_size=4))
def test_whole_pixels_give_the_object_back_and_agree_with_merging(seed: int, values: list[tuple[int, int]]) -> None:
    """Cut at `+d`, put together at `-d`."""
    truth, weights = complex_field(1, M, M, seed=seed), _weights(seed)
    offset = torch.tensor([values], dtype=torch.float64)
    patches = cut(truth, group_corners(offset, N, M), N)
    made = reassemble_group(patches, weights, offset, M)
    lit = made.weight > 0
    torch.testing.assert_close(made.object[lit], truth[lit])
    torch.testing.assert_close(made.object, merge(patches, weights, group_corners(offset, N, M), M, M))


def test_patches_moved_the_wrong_way_disagree() -> None:
    """Mirrored offsets are seen."""
    truth, offset = complex_field(1, M, M, seed=0), _offsets([(0, 0), (1, 2), (-2, 1), (1, -1)])
    offset = offset.round()
    patches = cut(truth, group_corners(offset, N, M), N)
    mirrored = reassemble_group(patches, _weights(0), -offset, M)
    assert not torch.allclose(mirrored.object, truth, atol=0.5)


def test_weight_is_counted_at_the_pixel_where_it_falls() -> None:
    """Half a pixel apart, a patch of weight 3 and one of weight 1."""
    patches = torch.tensor([1.0, 5.0], dtype=torch.complex128)[:, None, None].expand(2, N, N)[None]
    weights = torch.tensor([3.0, 1.0])[:, None, None].expand(2, N, N)[None].double()
    made = reassemble_group(patches, weights, _offsets([(0.0, 0.0), (0.5, 0.0)]), M)
    assert made.object[0, M // 2, M // 2] == pytest.approx((3 * 1 + 1 * 5) / 4)


def test_what_would_leave_the_region_is_refused() -> None:
    """Nothing is clipped."""
    patches = torch.ones(1, 4, N, N, dtype=torch.complex128)
    offset = _offsets([(0, 0), (0, 0), (0, 0), (0, 13)])
    with pytest.raises(ValueError, match="does not fit a region of 24 x 24 px"):
        reassemble_group(patches, patches.real, offset, M)


@given(st.floats(0, 50), st.integers(1, 3), st.sampled_from([64, 65]))
def test_a_region_grows_by_whole_pixels_on_both_sides(distance: float, gridsize: int, side: int) -> None:
    """By the next even number, once for each further column of the group."""
    margin = even_margin(distance)
    assert margin % 2 == 0
    assert margin - 2 < distance <= margin or distance == margin == 0
    assert region_side(side, gridsize, distance) == side + (gridsize - 1) * margin


@given(st.integers(4, 12), st.integers(1, 12))
def test_a_crop_keeps_the_centre(full: int, side: int) -> None:
    """Pixel `N//2` becomes pixel `k//2`; what is larger than the patch is refused."""
    patch = torch.arange(full * full).reshape(1, full, full)
    if side > full:
        with pytest.raises(ValueError, match=f"a crop of {side} px does not fit into patches of {full} px"):
            central_crop(patch, side)
        return
    crop = central_crop(patch, side)
    assert crop.shape == (1, side, side)
    assert crop[0, side // 2, side // 2] == patch[0, full // 2, full // 2]
