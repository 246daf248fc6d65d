"""Simulated scans with a known truth: natural-image objects, a defocused probe, Poisson counts."""

import attrs
import numpy as np
from numpy.typing import NDArray
from skimage import color, data, transform

Complex = NDArray[np.complex64]
Real = NDArray[np.float64]


@attrs.frozen(eq=False)
class SimulatedScan:
    """Counts `(n, N, N)` centred, positions `(n, 2)` as (y, x) object pixels, the probe
    `(P, N, N)` in the square root of counts, and the object `(H, W)` they came from."""

    counts: NDArray[np.float32]
    position_yx: Real
    probe: Complex
    truth: Complex


def defocused_probe(side: int, pupil_px: float, defocus_rad: float) -> Complex:
    """`P = F^-1[circ(q / q0) exp(i D (q / q0)^2)]`: a lens of radius `q0 = pupil_px` frequency
    pixels, `D = defocus_rad` of quadratic phase at its edge. Unit energy, centred, `(N, N)`.

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
    """Scan positions `(rows*columns, 2)` as (y, x) pixels: a raster plus uniform jitter."""
    y, x = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
    raster: Real = first_px + step_px * np.stack([y.ravel(), x.ravel()], axis=1).astype(np.float64)
    return raster + rng.uniform(-jitter_px, jitter_px, raster.shape)


def complex_object(
    amplitude_image: NDArray[np.float64],
    phase_image: NDArray[np.float64],
    amplitude_range: tuple[float, float] = (0.6, 1.0),
    phase_range_rad: tuple[float, float] = (0.0, 1.2),
) -> Complex:
    """`O = A exp(i phi)`, both images mapped linearly onto their ranges."""

    def onto(image: NDArray[np.float64], bounds: tuple[float, float]) -> NDArray[np.float64]:
        unit: Real = (image - image.min()) / np.ptp(image)
        return bounds[0] + (bounds[1] - bounds[0]) * unit

    amplitude, phase = onto(amplitude_image, amplitude_range), onto(phase_image, phase_range_rad)
    return np.asarray(amplitude * np.exp(1j * phase), np.complex64)


def shift_field(field: Complex, shift_yx: Real) -> Complex:
    """`P(r - s)` for every shift `(n, 2)`: Fourier phase ramps, returns `(n, P, N, N)`."""
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
    sub-pixel rest `f_j` moves the probe. object `(H, W)`, probe `(P, N, N)`.
    """
    side = probe.shape[-1]
    nearest = np.round(position_yx)
    corner = nearest.astype(np.int64) - side // 2 - np.asarray(origin_yx)
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
    """A test image of scikit-image as `(side, side)` grey values."""
    image = getattr(data, name)()
    grey = color.rgb2gray(image[..., :3]) if image.ndim == 3 else image / 255.0
    shortest = min(grey.shape)
    return np.asarray(
        transform.resize(grey[:shortest, :shortest], (side, side), anti_aliasing=True), np.float64
    )


def natural_object(amplitude: str, phase: str, side: int) -> Complex:
    """An object whose amplitude and phase are two different natural images."""
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
    """A jittered raster over the whole of a square object, with Poisson noise.

    The default probe is a defocused lens with a spot of about 24 px, so that 6 px steps
    overlap by 75 %; `photons` is the mean count per pattern.
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
