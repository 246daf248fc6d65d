"""Placing and cutting: adjoint, exact on whole pixels, equal to the golden translations."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from ptycho_torch.physics.patches import Footprints, cut, merge, translate
from tests.strategies.fields import complex_field, inner
from tests.strategies.patches import place

GOLDEN = Path(__file__).parents[1] / "parity" / "physics" / "vectors"
corners = st.lists(st.tuples(st.floats(0, 7), st.floats(0, 6)), min_size=3, max_size=3)


def _corners(values: list[tuple[float, float]]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)[None]


@given(st.integers(0, 2**31), corners)
def test_placing_and_cutting_are_adjoint(seed: int, values: list[tuple[float, float]]) -> None:
    """`<place(a), b> = <a, cut(b)>` at any corners, whole or fractional."""
    a, b = complex_field(1, 3, 6, 6, seed=seed), complex_field(1, 15, 14, seed=seed + 1)
    corner = _corners(values)
    assert torch.isclose(inner(place(a, corner, 15, 14), b), inner(a, cut(b, corner, 6)))


@given(st.integers(0, 2**31), corners)
def test_each_is_the_derivative_of_the_other(seed: int, values: list[tuple[float, float]]) -> None:
    """The gradient of a linear map is its adjoint: of placing it is cutting, and the reverse."""
    a, b = complex_field(1, 3, 6, 6, seed=seed), complex_field(1, 15, 14, seed=seed + 1)
    corner = _corners(values)
    (by_patches,) = torch.autograd.grad(place(a.requires_grad_(), corner, 15, 14), a, b)
    assert torch.allclose(by_patches, cut(b, corner, 6))
    (by_region,) = torch.autograd.grad(cut(b.requires_grad_(), corner, 6), b, a.detach())
    assert torch.allclose(by_region, place(a.detach(), corner, 15, 14))


@given(st.integers(0, 2**31), corners, corners)
def test_regions_do_not_mix(seed: int, first: list[tuple[float, float]], second: list[tuple[float, float]]) -> None:
    """Each region of a batch gets its own patches and gives its own, in place or not."""
    patches, regions = complex_field(2, 3, 6, 6, seed=seed), complex_field(2, 15, 14, seed=seed + 1)
    corner = torch.cat([_corners(first), _corners(second)])
    footprints = Footprints(corner, 6, 15, 14)
    added = regions.clone()
    footprints.add(added, patches)
    assert torch.allclose(added, regions + footprints.place(patches))
    for i in range(2):
        assert torch.allclose(footprints.place(patches)[i], place(patches[i], corner[i], 15, 14))
        assert torch.equal(footprints.cut(regions)[i], cut(regions[i], corner[i], 6))


@given(st.integers(0, 2**31), corners)
def test_placing_loses_nothing(seed: int, values: list[tuple[float, float]]) -> None:
    """The sum over the region is the sum over the patches."""
    patches = complex_field(1, 3, 6, 6, seed=seed)
    assert torch.isclose(place(patches, _corners(values), 15, 14).sum(), patches.sum())


@given(st.integers(0, 2**31), st.integers(0, 7), st.integers(0, 6))
def test_whole_pixels_are_copied(seed: int, y: int, x: int) -> None:
    """No interpolation where none is needed: every value arrives bit for bit."""
    patch = complex_field(1, 1, 6, 6, seed=seed)
    corner = _corners([(y, x)])
    region = place(patch, corner, 15, 14)
    assert torch.equal(region[0, y : y + 6, x : x + 6], patch[0, 0])
    assert torch.equal(cut(region, corner, 6), patch)


def test_a_patch_that_would_leave_the_region_is_refused() -> None:
    """Nothing is dropped at the border."""
    patch = complex_field(1, 1, 6, 6, seed=0)
    for corner in ([(-1.0, 0.0)], [(0.0, 9.0)], [(9.5, 0.0)]):
        with pytest.raises(ValueError, match="does not fit a region of 15 x 14 px"):
            place(patch, _corners(corner), 15, 14)


@given(st.integers(0, 2**31))
def test_patches_of_one_object_merge_to_it(seed: int) -> None:
    """Cuts of an object, merged with any weights, give the object back where they cover it."""
    truth = complex_field(1, 12, 12, seed=seed)
    corner = torch.tensor([[[0, 0], [0, 4], [4, 0], [4, 4]]], dtype=torch.float64)
    weights = torch.rand(1, 4, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) + 0.1
    merged = merge(cut(truth, corner, 8), weights, corner, 12, 12)
    assert torch.allclose(merged, truth)


def test_unlit_pixels_merge_to_vacuum() -> None:
    """Where no weight falls the object is 1 and the gradient is finite."""
    patches = complex_field(1, 1, 4, 4, seed=0).requires_grad_()
    region = merge(patches, torch.ones(1, 1, 4, 4), torch.zeros(1, 1, 2), 6, 6)
    assert torch.equal(region[0, 4:], torch.ones(2, 6, dtype=torch.complex128))
    region.abs().sum().backward()
    assert patches.grad is not None
    assert bool(torch.isfinite(patches.grad.abs()).all())


@given(st.integers(0, 2**31), st.integers(-9, 9), st.integers(-9, 9))
def test_translation_knows_what_it_knows(seed: int, dy: int, dx: int) -> None:
    """Moved values are the old ones, and uncovered pixels are marked and zero."""
    patch = complex_field(1, 8, 8, seed=seed)
    moved, covered = translate(patch, torch.tensor([[dy, dx]]))
    padded = torch.nn.functional.pad(patch, (9, 9, 9, 9)).roll((dy, dx), (-2, -1))[:, 9:17, 9:17]
    marks = torch.nn.functional.pad(torch.ones(1, 8, 8), (9, 9, 9, 9)).roll((dy, dx), (-2, -1))[:, 9:17, 9:17]
    assert torch.equal(moved, padded)
    assert torch.equal(covered, marks.bool())


def test_placing_is_the_golden_bilinear_translation() -> None:
    """`translated(p) = img(p - t)` with zeros outside, for four sub-pixel shifts."""
    golden = np.load(GOLDEN / "model_translation.npz")
    image, shift_xy = torch.from_numpy(golden["img"])[:, None], torch.from_numpy(golden["off"]).double()
    margin, side = 4, image.shape[-1]
    corner = shift_xy.flip(-1).reshape(-1, 1, 2) + margin
    wide = side + 2 * margin
    moved = place(image.to(torch.complex128), corner, wide, wide)[:, margin:-margin, margin:-margin]
    torch.testing.assert_close(moved, torch.from_numpy(golden["translated"]).to(moved), rtol=2e-5, atol=2e-5)


def test_cutting_is_the_golden_extraction() -> None:
    """Patches cut at `-d` from the centre equal the region moved by `+d` and cropped."""
    golden = np.load(GOLDEN / "model_translation.npz")
    region = torch.from_numpy(golden["region"])[:, 0]
    offset_yx = torch.from_numpy(golden["offsets"])[:, :, 0].flip(-1).double()
    side = golden["extracted"].shape[-1]
    corner = (region.shape[-1] - side) // 2 - offset_yx
    patches = cut(region.to(torch.complex128), corner, side)
    torch.testing.assert_close(patches, torch.from_numpy(golden["extracted"]).to(patches), rtol=1e-4, atol=1e-5)


def test_placing_is_the_golden_barycentric_accumulation() -> None:
    """Sums of patches and of their weights on a canvas with sub-pixel positions."""
    golden = np.load(GOLDEN / "barycentric.npz")
    patches = torch.from_numpy(golden["patches"]).to(torch.complex128)
    height, width = golden["canvas_shape"].tolist()
    corner = torch.from_numpy(golden["positions_xy"]).flip(-1).double() - patches.shape[-1] / 2
    canvas = place(patches, corner, height, width)
    torch.testing.assert_close(canvas, torch.from_numpy(golden["canvas"]).to(canvas), rtol=1e-4, atol=1e-5)
    counts = place(torch.ones_like(patches.real), corner, height, width)
    torch.testing.assert_close(counts, torch.from_numpy(golden["counts"]).to(counts), rtol=1e-4, atol=1e-5)
