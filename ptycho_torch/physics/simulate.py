"""Simulated scans with a known truth: natural-image objects, a defocused probe, Poisson counts."""

import attrs
import numpy as np
from numpy.typing import NDArray
from skimage import color, data, transform

from ptycho_torch.physics.canvas import patch_corners

Complex = NDArray[np.complex64]
Real = NDArray[np.float64]


@attrs.frozen(eq=False)
class SimulatedScan:
    """counts `(n, N, N)` with zero frequency at the centre, position_yx `(n, 2)` in object px, probe
    `(P, N, N)` in the square root of counts, and truth, the object `(H, W)`."""

    counts: NDArray[np.float32]
    position_yx: Real
    probe: Complex
    truth: Complex


def defocused_probe(side: int, pupil_px: float, defocus_rad: float) -> Complex:
    """`P = F^-1[circ(q / q0) exp(i D (q / q0)^2)]`: a lens of radius `q0 = pupil_px` frequency
    pixels, `D = defocus_rad` of quadratic phase at its edge. Unit energy, centred, `(N, N)`, N = `side`.

    Geometric radius of the defocused spot: `side * D / (pi * q0)` pixels.
    """
    frequency = np.arange(side) - side // 2
    radius = np.hypot(frequency[:, None], frequency[None, :]) / pupil_px
    edge = np.clip((1.0 - radius) * pupil_px + 0.5, 0.0, 1.0)
    pupil = edge * np.exp(1j * defocus_rad * radius**2)
    probe = np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(pupil), norm="ortho"))
    return (probe / np.linalg.norm(probe)).astype(np.complex64)


def jittered_raster(
    rows: int, columns: int, step_px: float, jitter_px: float, first_px: float, rng: np.random.Generator
) -> Real:
    """Scan positions (y, x) `(rows*columns, 2)` in px: a raster of step_px from first_px on, plus uniform
    jitter of at most jitter_px along each axis, drawn from `rng`."""
    y, x = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
    raster: Real = first_px + step_px * np.stack([y.ravel(), x.ravel()], axis=1).astype(np.float64)
    return raster + rng.uniform(-jitter_px, jitter_px, raster.shape)


def complex_object(
    amplitude_image: NDArray[np.float64],
    phase_image: NDArray[np.float64],
    amplitude_range: tuple[float, float] = (0.6, 1.0),
    phase_range_rad: tuple[float, float] = (0.0, 1.2),
) -> Complex:
    """`O = A exp(i phi)` `(H, W)`: amplitude_image and phase_image `(H, W)`, of any unit, mapped linearly
    onto amplitude_range and phase_range_rad."""

    def onto(image: NDArray[np.float64], bounds: tuple[float, float]) -> NDArray[np.float64]:
        unit: Real = (image - image.min()) / np.ptp(image)
        return bounds[0] + (bounds[1] - bounds[0]) * unit

    amplitude, phase = onto(amplitude_image, amplitude_range), onto(phase_image, phase_range_rad)
    return np.asarray(amplitude * np.exp(1j * phase), np.complex64)


def shift_field(field: Complex, shift_yx: Real) -> Complex:
    """`P(r - s)` for a field `(P, N, N)` and every shift_yx `(n, 2)` in px, by Fourier phase ramps: `(n, P, N, N)`."""
    frequency = np.fft.fftfreq(field.shape[-1])
    ramp_y = np.exp(-2j * np.pi * shift_yx[:, :1] * frequency)
    ramp_x = np.exp(-2j * np.pi * shift_yx[:, 1:] * frequency)
    spectrum = np.fft.fft2(field) * (ramp_y[:, :, None] * ramp_x[:, None, :])[:, None]
    return np.fft.ifft2(spectrum).astype(np.complex64)


def expected_counts(
    object_: Complex, probe: Complex, position_yx: Real, origin_yx: tuple[int, int] = (0, 0)
) -> NDArray[np.float32]:
    """`I_j = sum_p |F(P_p(r - f_j) O(r + c_j))|^2` at every position, `(n, N, N)` centred.

    Patch `j` covers object pixels `c_j .. c_j + N`, `c_j = round(r_j) - N/2 - origin`; the
    sub-pixel rest `f_j` moves the probe.

    object_ `(H, W)` and probe `(P, N, N)` complex; position_yx `(n, 2)` in px; origin_yx: the object
    pixel of element [0, 0]. Raises ValueError where a patch leaves the object.
    """
    side = probe.shape[-1]
    nearest = np.round(position_yx)
    corner = patch_corners(nearest.astype(np.int64), side, np.asarray(origin_yx))
    if (corner < 0).any() or (corner + side > object_.shape).any():
        raise ValueError(f"a patch of {side} px leaves the object of shape {object_.shape}: move the positions")
    windows = np.lib.stride_tricks.sliding_window_view(object_, (side, side))
    patches = windows[corner[:, 0], corner[:, 1]]
    counts = np.empty((len(corner), side, side), np.float32)
    for chunk in np.array_split(np.arange(len(corner)), max(1, len(corner) // 128)):
        shifted = shift_field(probe, position_yx[chunk] - nearest[chunk])
        waves = np.fft.fft2(shifted * patches[chunk, None], norm="ortho")
        intensity = (np.abs(waves) ** 2).sum(axis=1)
        counts[chunk] = np.fft.fftshift(intensity, axes=(-2, -1))
    return counts


def natural_image(name: str, side: int) -> Real:
    """The test image of scikit-image of that name, as `(side, side)` grey values in [0, 1]."""
    image = getattr(data, name)()
    grey = color.rgb2gray(image[..., :3]) if image.ndim == 3 else image / 255.0
    shortest = min(grey.shape)
    return np.asarray(transform.resize(grey[:shortest, :shortest], (side, side), anti_aliasing=True), np.float64)


def natural_object(amplitude: str, phase: str, side: int) -> Complex:
    """An object `(side, side)` whose amplitude and phase are two test images, see `natural_image`."""
    return complex_object(natural_image(amplitude, side), natural_image(phase, side))


def simulate_scan(
    truth: Complex,
    *,
    seed: int,
    probe: Complex | None = None,
    photons: float = 6e5,
    step_px: float = 6.0,
    jitter_px: float = 1.5,
) -> SimulatedScan:
    """A jittered raster, see `jittered_raster`, over the whole of a square object, with Poisson noise.

    truth: the object `(H, H)`. seed: of positions and noise. probe `(P, N, N)`: by default a defocused
    lens with a spot of about 24 px, so that steps of 6 px overlap by 75 %. photons: the mean count per
    pattern. step_px, jitter_px: of the raster.
    """
    rng = np.random.default_rng(seed)
    modes = defocused_probe(64, pupil_px=10.0, defocus_rad=6.0)[None] if probe is None else probe
    side = modes.shape[-1]
    first = side / 2 + jitter_px + 1.0
    count = int((truth.shape[0] - side - 2 * jitter_px - 2.0) // step_px) + 1
    position = jittered_raster(count, count, step_px, jitter_px, first, rng)
    expected = expected_counts(truth, modes, position)
    scale = photons / expected.sum(axis=(1, 2), dtype=np.float64).mean()
    counts = rng.poisson(expected * scale).astype(np.float32)
    return SimulatedScan(counts, position, (modes * np.sqrt(scale)).astype(np.complex64), truth)
