"""Simulated scans as different as those that one network shall serve: probe, steps, photons, object.

Every draw is uniform, or uniform in the logarithm, in the ranges below, which are in pixels and radians
and so hold for any wavelength. Objects are dead leaves: opaque shapes of power-law sizes that cover each other,
with the statistics of natural images.
"""

import numpy as np

from ptycho_torch.physics.simulate import Complex, Real, SimulatedScan, complex_object, expected_counts, jittered_raster
from ptycho_torch.pretraining.options import Family
from ptycho_torch.simulation.objects import dead_leaves
from ptycho_torch.simulation.probes import rms_radius

PUPIL = (0.11, 0.37)  # of N, the radius of the aperture in frequency pixels
STOP = (0.0, 0.5)  # of the aperture, a central stop where there is one
SPOT = (0.09, 0.22)  # of N, the rms radius of the probe
ABERRATION_RAD = 1.0  # astigmatism and coma, standard deviation
MODE_POWER = (0.03, 0.25)  # of the mode before, where there are several
JITTER = (0.0, 0.3)  # of the step
LEAVES = (30, 600)
LEAF = (0.01, 0.25)  # of the side of the object, its radius


def random_scan(
    rng: np.random.Generator, pixels: int = 64, side: int = 200, family: Family = Family(), modes: Complex | None = None
) -> SimulatedScan:
    """One scan of the family, drawn by rng: patterns of `pixels`, the object `(side, side)`; modes `(P, N, N)` of unit
    energy together, None to draw a probe too."""
    if modes is None:
        modes = random_probe(rng, pixels)
    # A disc of this rms radius has this diameter.
    diameter = 2.0 * np.sqrt(2.0) * rms_radius(modes)
    position = random_positions(rng, side, pixels, (1.0 - rng.uniform(*family.overlap)) * diameter)
    truth = random_object(rng, side, family)
    expected = expected_counts(truth, modes, position)
    photons = np.exp(rng.uniform(*np.log(family.photons)))
    scale = photons / expected.sum(axis=(1, 2), dtype=np.float64).mean()
    counts = rng.poisson(expected * scale).astype(np.float32)
    return SimulatedScan(counts, position, (modes * np.sqrt(scale)).astype(np.complex64), truth)


def random_probe(rng: np.random.Generator, pixels: int) -> Complex:
    """One to three modes `(P, N, N)`, N = `pixels`, of unit energy together, drawn by rng: a lens or zone
    plate with aberrations, defocused to the drawn spot; modes beyond the first are its transverse excitations."""
    frequency = np.arange(pixels) - pixels // 2
    edge = rng.uniform(*PUPIL) * pixels
    y, x = frequency[:, None] / edge, frequency[None, :] / edge
    radius, angle = np.hypot(y, x), np.arctan2(y, x)
    pupil = np.clip((1.0 - radius) * edge + 0.5, 0.0, 1.0)
    if rng.random() < 0.5:
        pupil *= np.clip((radius - rng.uniform(*STOP)) * edge + 0.5, 0.0, 1.0)
    turns = rng.uniform(0, 2 * np.pi, 2)
    astigmatism, coma = rng.normal(0.0, ABERRATION_RAD, 2)
    phase = astigmatism * radius**2 * np.cos(2 * (angle - turns[0]))
    phase += coma * (3 * radius**3 - 2 * radius) * np.cos(angle - turns[1])
    sign, wanted = rng.choice([-1.0, 1.0]), rng.uniform(*SPOT) * pixels

    def wave(defocus: float) -> Complex:
        spectrum = pupil * np.exp(1j * (phase + sign * defocus * radius**2))
        return np.asarray(np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(spectrum), norm="ortho")), np.complex64)

    # The spot grows with the defocus, once that outweighs the aberrations.
    low, high = 0.0, 4.0 * np.pi * edge * wanted / pixels
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (middle, high) if rms_radius(wave(middle)[None]) < wanted else (low, middle)
    return _add_modes(rng, wave(high), wanted)


def _add_modes(rng: np.random.Generator, mode: Complex, spot: float) -> Complex:
    """Orthogonal modes `P, x' P, y' P` of falling power, x' and y' turned by a random angle."""
    count = int(rng.choice([1, 1, 1, 2, 3]))
    pixel = (np.arange(mode.shape[-1]) - mode.shape[-1] // 2) / spot
    turn = rng.uniform(0, 2 * np.pi)
    along = np.cos(turn) * pixel[:, None] + np.sin(turn) * pixel
    across = np.cos(turn) * pixel - np.sin(turn) * pixel[:, None]
    raw = np.stack([mode, along * mode, across * mode][:count]).reshape(count, -1).astype(np.complex128)
    orthogonal, _ = np.linalg.qr(raw.T)
    power = np.cumprod([1.0, *rng.uniform(*MODE_POWER, count - 1)])
    modes = orthogonal.T * np.sqrt(power / power.sum())[:, None]
    return np.asarray(modes.reshape(count, *mode.shape), np.complex64)


def random_positions(rng: np.random.Generator, side: int, pixels: int, step: float) -> Real:
    """A jittered raster or a Fermat spiral of this step over an object `(side, side)`, drawn by rng; `(n, 2)` as
    (y, x) pixels, half the `pixels` of a pattern from the border."""
    first, last = pixels / 2 + 1.0, side - pixels / 2 - 1.0
    if rng.random() < 0.5:
        jitter = step * rng.uniform(*JITTER)
        count = int((last - first - 2 * jitter) // step) + 1
        return jittered_raster(count, count, step, jitter, first + jitter, rng)
    reach = (last - first) / 2
    count = int(2 * np.pi * reach**2 / step**2)
    number = np.arange(count)
    radius, angle = step / np.sqrt(np.pi) * np.sqrt(number), number * np.pi * (3 - np.sqrt(5))
    spiral = np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1)
    return np.asarray(side / 2 + spiral[(np.abs(spiral) < reach).all(axis=1)], np.float64)


def random_object(rng: np.random.Generator, side: int, family: Family = Family()) -> Complex:
    """Dead leaves `(side, side)` of the family in modulus and phase, drawn by rng: the same leaves, as of one material,
    or others."""
    thickness = _leaves(rng, side)
    other = thickness if rng.random() < 0.5 else _leaves(rng, side)
    darkest, range_rad = rng.uniform(*family.darkest), np.exp(rng.uniform(*np.log(family.phase_rad)))
    return complex_object(1.0 - thickness, other, (darkest, 1.0), (0.0, float(range_rad)))


def _leaves(rng: np.random.Generator, side: int) -> Real:
    return dead_leaves(rng, side, int(np.exp(rng.uniform(*np.log(LEAVES)))), *LEAF)
