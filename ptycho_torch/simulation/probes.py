"""Simulated probes: complex `(modes, N, N)` of unit energy together, centred on `[N/2, N/2]`."""

from collections.abc import Sequence
from math import factorial

import numpy as np
from numpy.typing import NDArray

Modes = NDArray[np.complex64]


def lens_probe(
    side: int, pupil: float, stop: float = 0.0, defocus_rad: float = 0.0, zernike_rad: Sequence[float] = ()
) -> Modes:
    """`P = F^-1[A(q) exp(i (D q^2 + sum_j c_j Z_j(q)))]`, q the frequency over that of the edge of the aperture A.

    side: N, px; pupil: radius of the aperture, of the frequencies up to N/2; stop: of a central stop, of the aperture;
    defocus_rad: D; zernike_rad: c_j from Noll index 5 on. Returns `(1, N, N)`.
    """
    frequency = np.arange(side) - side // 2
    edge = pupil * side / 2
    y, x = np.meshgrid(frequency / edge, frequency / edge, indexing="ij")
    radius, angle = np.hypot(y, x), np.arctan2(y, x)
    aperture = np.clip((1.0 - radius) * edge + 0.5, 0.0, 1.0)
    if stop:
        aperture *= np.clip((radius - stop) * edge + 0.5, 0.0, 1.0)
    phase = defocus_rad * radius**2
    for index, coefficient in enumerate(zernike_rad, 5):
        phase = phase + coefficient * zernike(index, radius, angle)
    wave = np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(aperture * np.exp(1j * phase)), norm="ortho"))
    return np.asarray(wave / np.linalg.norm(wave), np.complex64)[None]


def zernike(index: int, radius: NDArray[np.float64], angle: NDArray[np.float64]) -> NDArray[np.float64]:
    """The Zernike polynomial of a Noll index (1: piston), of unit rms over the disc, 0 outside; radius 1 at its edge,
    angle in rad from x to y (Noll, J. Opt. Soc. Am. 66, 207 (1976))."""
    n = 0
    while (n + 1) * (n + 2) // 2 < index:
        n += 1
    place = index - n * (n + 1) // 2
    m = 2 * (place // 2) if n % 2 == 0 else 2 * ((place + 1) // 2) - 1
    radial = np.zeros_like(radius)
    for k in range((n - m) // 2 + 1):
        weight = (
            (-1) ** k * factorial(n - k) / (factorial(k) * factorial((n + m) // 2 - k) * factorial((n - m) // 2 - k))
        )
        radial += weight * np.clip(radius, 0, 1) ** (n - 2 * k)
    if m:
        radial *= np.sqrt(2.0) * (np.cos(m * angle) if index % 2 == 0 else np.sin(m * angle))
    return np.where(radius <= 1, np.sqrt(n + 1.0) * radial, 0.0)


def gaussian_probe(side: int, rms_px: float, curvature_rad: float = 0.0) -> Modes:
    """`exp(-r^2 / 4 s^2) exp(i C r^2 / 4 s^2)`, `(1, N, N)`.

    side: N, px; rms_px: s, the rms radius of the intensity along an axis; curvature_rad: C, the phase at 2 s.
    """
    pixel = np.arange(side) - side // 2
    square = (pixel[:, None] ** 2 + pixel[None, :] ** 2) / (4 * rms_px**2)
    wave = np.exp((-1 + 1j * curvature_rad) * square)
    return np.asarray(wave / np.linalg.norm(wave), np.complex64)[None]


def add_modes(mode: Modes, count: int, power: float) -> Modes:
    """The mode `(1, N, N)` and its products with x, y, xy, ..., made orthogonal: count modes `(P, N, N)` of unit
    energy together, each with `power` times the energy of the one before."""
    pixel = (np.arange(mode.shape[-1]) - mode.shape[-1] // 2) / rms_radius(mode)
    y, x = pixel[:, None], pixel[None, :]
    factors = [np.ones_like(y * x), x + 0 * y, y + 0 * x, x * y, x**2 - y**2, x**2 + y**2][:count]
    raw = np.stack([factor * mode[0] for factor in factors]).reshape(count, -1).astype(np.complex128)
    orthogonal, triangle = np.linalg.qr(raw.T)
    orthogonal = orthogonal * np.exp(1j * np.angle(np.diag(triangle)))
    energy = power ** np.arange(count)
    modes = orthogonal.T * np.sqrt(energy / energy.sum())[:, None]
    return np.asarray(modes.reshape(count, *mode.shape[1:]), np.complex64)


def defocus(modes: Modes, defocus_rad: float) -> Modes:
    """The modes `(P, N, N)` at another distance: their spectrum times `exp(i D q^2)`, with D = defocus_rad at the
    radius that holds 99 % of its energy."""
    spectrum = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(modes, axes=(1, 2))), axes=(1, 2))
    frequency = np.arange(modes.shape[-1]) - modes.shape[-1] // 2
    square = frequency[:, None] ** 2 + frequency[None, :] ** 2
    energy = (np.abs(spectrum) ** 2).sum(axis=0).ravel()
    order = np.argsort(square.ravel(), kind="stable")
    edge = square.ravel()[order][np.searchsorted(np.cumsum(energy[order]), 0.99 * energy.sum())]
    turned = spectrum * np.exp(1j * defocus_rad * square / max(float(edge), 1.0))
    return np.asarray(np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(turned, axes=(1, 2))), axes=(1, 2)), np.complex64)


def disk_probe(modes: Modes, factor: float) -> Modes:
    """A real disc `(1, N, N)` of unit energy, of factor times the rms radius of the modes."""
    pixel = np.arange(modes.shape[-1]) - modes.shape[-1] // 2
    distance = np.hypot(pixel[:, None], pixel[None, :])
    disc = np.clip(factor * rms_radius(modes) - distance + 0.5, 0, 1)
    return np.asarray(disc / np.linalg.norm(disc), np.complex64)[None]


def rms_radius(modes: Modes) -> float:
    """`sqrt(sum |r - <r>|^2 |P|^2 / sum |P|^2)` in pixels, modes `(P, N, N)`."""
    intensity = (np.abs(modes) ** 2).sum(axis=0, dtype=np.float64)
    intensity /= intensity.sum()
    pixel = np.arange(intensity.shape[-1])
    rows, columns = intensity.sum(axis=1), intensity.sum(axis=0)
    spread = [(weights * pixel**2).sum() - (weights * pixel).sum() ** 2 for weights in (rows, columns)]
    return float(np.sqrt(sum(spread)))
