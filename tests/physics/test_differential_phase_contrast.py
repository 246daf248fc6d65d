"""The first guess of an object from totals and centres of mass."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from ptycho_config.schema import TorchOptions, Unrolled
from ptycho_torch.data.scan import normalise, with_initial_object
from ptycho_torch.evaluation.metrics import contrast_and_detail, scanned_region
from ptycho_torch.physics import differential_phase_contrast as phase_contrast
from ptycho_torch.physics.canvas import canvas_of
from ptycho_torch.physics.differential_phase_contrast import flux_kernels, pattern_moments
from ptycho_torch.physics.diffraction import diffraction_intensity
from ptycho_torch.physics.simulate import defocused_probe, natural_object, simulate_scan
from ptycho_torch.records import Canvas, Dataset
from tests.strategies.fields import complex_field

COARSE = TorchOptions(net=Unrolled(start="coarse"))


@given(st.integers(0, 2**31))
def test_moments_of_a_pattern_are_sums_over_the_object(seed: int) -> None:
    """Total and centre of mass of a pattern are the flux of its exit wave, whatever the wave."""
    probe = torch.from_numpy(defocused_probe(32, 6.0, 4.0)) * (1 + complex_field(2, 32, 32, seed=seed) / 9)
    flat = torch.ones(32, 32, dtype=probe.dtype)
    measured = pattern_moments(diffraction_intensity(flat, probe).sqrt().float()[None])[0]
    expected = flux_kernels(probe.numpy()).sum(axis=(1, 2))
    # The highest frequency has no sign, and rounding of a sum of 1024 float32 remains.
    np.testing.assert_allclose(measured.numpy(), expected, atol=2e-2 * expected[0])


@given(st.integers(0, 2**31))
def test_forward_and_adjoint_belong_together(seed: int) -> None:
    """`<A u, v> = <u, A^T v>`, without which the least squares would not converge."""
    rng = np.random.default_rng(seed)
    probe, corner = defocused_probe(16, 4.0, 3.0)[None], rng.uniform(0, 20, (7, 2))
    system = phase_contrast._system(probe, corner, 36, 36)
    unknown, shown = rng.normal(size=2 * system.height * system.width), rng.normal(size=21)
    left, right = system.forward(unknown) @ shown, unknown @ system.adjoint(shown)
    np.testing.assert_allclose(left, right, rtol=1e-8, atol=1e-10)


def _contrast(*, flip: bool, probe_defocus_rad: float) -> float:
    probe = defocused_probe(64, 10.0, probe_defocus_rad)[None]
    made = simulate_scan(natural_object("camera", "astronaut", 200), seed=0, probe=probe)
    # Zero frequency stays at [N/2, N/2].
    counts = np.roll(made.counts[:, ::-1, ::-1], 1, axis=(1, 2)) if flip else made.counts
    dataset = Dataset("simulated", counts, made.position_yx, made.probe)
    scan = with_initial_object(normalise(dataset), COARSE)
    assert scan.initial is not None
    origin = canvas_of(scan.centre_yx, 64)[0].long()
    canvas = Canvas(scan.initial.numpy(), np.ones(1, np.float32), (int(origin[0]), int(origin[1])))
    box = scanned_region(dataset, canvas)
    rows, columns = (slice(s.start + o, s.stop + o) for s, o in zip(box, canvas.origin_yx, strict=True))
    return contrast_and_detail(canvas.object[box], made.truth[rows, columns])[0]


def test_the_coarse_object_is_most_of_the_contrast() -> None:
    """Without any diffraction beyond three moments, for two focuses; patterns upside down, that is
    with centres of mass of the wrong sign, are caught."""
    assert _contrast(flip=False, probe_defocus_rad=6.0) > 0.7
    assert _contrast(flip=False, probe_defocus_rad=3.0) > 0.7
    assert _contrast(flip=True, probe_defocus_rad=6.0) < 0.5


def test_patterns_of_nothing_start_from_nothing() -> None:
    """A scan of a flat object has a flat first guess."""
    made = simulate_scan(np.ones((120, 120), np.complex64), seed=0, photons=1e8)
    scan = with_initial_object(normalise(Dataset("flat", made.counts, made.position_yx, made.probe)), COARSE)
    assert scan.initial is not None
    assert float((scan.initial - 1).abs().max()) < 0.05


def test_a_flat_start_reads_nothing() -> None:
    """Without a coarse start the scan is what it was."""
    made = simulate_scan(natural_object("camera", "coins", 100), seed=0)
    scan = normalise(Dataset("simulated", made.counts, made.position_yx, made.probe))
    assert with_initial_object(scan, TorchOptions(net=Unrolled(start="flat"))) is scan


@pytest.mark.parametrize("extent", [(36, 41), (301, 77)])
def test_strips_of_an_object_are_the_object(extent: tuple[int, int]) -> None:
    """Rows enlarged from bins in strips are those of the whole, periodic field, bit for bit."""
    field = np.random.default_rng(0).normal(size=extent)
    whole = ndimage.zoom(field, 2, order=1, mode="grid-wrap", grid_mode=True)
    strips = [phase_contrast._enlarge(field, slice(s, min(s + 16, len(whole)))) for s in range(0, len(whole), 16)]
    assert np.array_equal(np.concatenate(strips), whole)


def test_a_position_reads_the_four_bins_around_it() -> None:
    """A plane is read as itself, whatever the fraction; positions left of the grid come back at its end."""
    y, x = np.mgrid[:9, :11].astype(np.float64)
    position = np.random.default_rng(0).uniform(0, 8, (20, 2))
    read = phase_contrast._bilinear(position, 9, 11) @ (2 * y - 3 * x).ravel()
    np.testing.assert_allclose(read, 2 * position[:, 0] - 3 * position[:, 1], atol=1e-12)
    beyond = phase_contrast._bilinear(np.array([[-1.0, 12.0]]), 9, 11) @ (10 * y + x).ravel()
    assert beyond.tolist() == [81.0]
