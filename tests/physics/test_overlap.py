"""What neighbours say about each other, and how groups become one object."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from ptycho_torch.physics.diffraction import diffraction_intensity
from ptycho_torch.physics.overlap import cross_patterns, merge_group
from ptycho_torch.physics.patches import cut
from tests.strategies.fields import complex_field

CENTRES = torch.tensor([[[8, 8], [8, 11], [12, 9]]])


def _consistent(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    truth = complex_field(1, 24, 24, seed=seed)
    patches = cut(truth, (CENTRES - 8).double(), 16)
    return patches, complex_field(1, 3, 2, 16, 16, seed=seed + 1)


@given(st.integers(0, 2**31))
def test_patches_of_one_object_predict_each_others_patterns(seed: int) -> None:
    """Where all patches agree, every cross pattern is the pattern itself."""
    patches, probes = _consistent(seed)
    own = diffraction_intensity(patches, probes)
    cross = cross_patterns(patches, probes, CENTRES)
    assert cross.target.tolist() == [1, 2, 0, 2, 0, 1]
    assert torch.allclose(cross.intensity, own[0, cross.target])


@given(st.integers(0, 2**31))
def test_patches_shifted_the_wrong_way_disagree(seed: int) -> None:
    """Mirrored positions are caught."""
    patches, probes = _consistent(seed)
    own = diffraction_intensity(patches, probes)
    cross = cross_patterns(patches, probes, -CENTRES)
    assert not torch.allclose(cross.intensity, own[0, cross.target], rtol=0.1)


@given(st.integers(0, 2**31))
def test_a_group_of_agreeing_patches_is_unchanged(seed: int) -> None:
    """Merging and cutting consistent patches is doing nothing."""
    patches, probes = _consistent(seed)
    assert torch.allclose(merge_group(patches, probes, CENTRES), patches)


def test_a_group_that_disagrees_is_averaged_by_illumination() -> None:
    """With equal light, overlapping pixels become the mean."""
    patches = torch.stack([torch.full((4, 4), 1.0 + 0j), torch.full((4, 4), 3.0 + 0j)])[None]
    merged = merge_group(patches, torch.ones(1, 2, 1, 4, 4, dtype=torch.complex64), torch.tensor([[[2, 2], [2, 4]]]))
    assert merged[0, 0, :, :2].real.unique().tolist() == [1.0]
    assert merged[0, 0, :, 2:].real.unique().tolist() == [2.0]
    assert merged[0, 1, :, 2:].real.unique().tolist() == [3.0]
