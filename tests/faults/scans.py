"""Small simulated scans: good ones, and a good one with one fault each."""

import functools
from collections.abc import Callable
from typing import Any

import attrs
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.ndimage import zoom

from ptycho_torch.judgement.turned import rotate_positions
from ptycho_torch.physics.pupil import Aberration, aberrated_probe
from ptycho_torch.physics.simulate import (
    complex_object,
    defocused_probe,
    expected_counts,
    jittered_raster,
    natural_image,
)
from ptycho_torch.records import Dataset

SIDE, ROWS = 32, 13
Intensity = NDArray[np.float32]
Fault = Callable[[Dataset], Dataset]

# Two objects and seeds; the second is a slow test.
IMAGES = [("coins", "camera"), ("astronaut", "moon")]
SEEDS = [0, pytest.param(1, marks=pytest.mark.slow)]


def true_object(
    *,
    images: tuple[str, str] = ("coins", "camera"),
    phase: float = 1.2,
    darkest: float = 0.6,
    step: float = 4.0,
    side: int = SIDE,
    **_: Any,
) -> NDArray[np.complex64]:
    """The object of a good scan with the same options."""
    size = int(side + ROWS * step + 8)
    amplitude, angle = (natural_image(name, size) for name in images)
    return complex_object(amplitude, angle, (darkest, 1.0), (0.0, phase))


@functools.cache
def good(
    seed: int = 1,
    images: tuple[str, str] = ("coins", "camera"),
    photons: float = 2e5,
    defocus: float = 5.0,
    phase: float = 1.2,
    darkest: float = 0.6,
    step: float = 4.0,
    modes: int = 1,
    gain: float = 1.0,
    monitor: float = 0.0,
    side: int = SIDE,
    astigmatism: float = 0.0,
) -> Dataset:
    """A scan of an object of two test images with so many photons a pattern; nothing is wrong with it."""
    rng = np.random.default_rng(seed)
    truth = true_object(images=images, phase=phase, darkest=darkest, step=step, side=side)
    first = defocused_probe(side, side / 4, defocus)
    if astigmatism:
        first = aberrated_probe(torch.from_numpy(first)[None], Aberration(0, astigmatism, astigmatism))[0].numpy()
    second = first * (np.arange(side) - side / 2)
    probe = np.stack([first, 0.5 * second / np.linalg.norm(second)])[:modes].astype(np.complex64)
    position = jittered_raster(ROWS, ROWS, step, min(1.0, step / 4), side / 2 + 2, rng)
    expected = expected_counts(truth, probe, position)
    scale = photons / expected.sum((1, 2), dtype=np.float64).mean()
    counts = gain * rng.poisson(expected * scale).astype(np.float32)
    counts /= rng.normal(1, monitor, len(counts)).astype(np.float32)[:, None, None]
    stored = (probe * np.sqrt(gain * scale)).astype(np.complex64)
    return Dataset(name="scan", intensity=counts, position_yx=position, probe=stored)


def _frames(change: Callable[[Any], object]) -> Fault:
    """Change a copy of the patterns in place."""

    def make(dataset: Dataset) -> Dataset:
        counts = np.array(dataset.intensity[:])
        change(counts)
        return attrs.evolve(dataset, intensity=counts)

    return make


def _moved(change: Callable[[Any], NDArray[np.float64]]) -> Fault:
    return lambda dataset: attrs.evolve(dataset, position_yx=change(dataset.position_yx.copy()))


STRIPES = np.zeros((SIDE, SIDE), np.bool_)
STRIPES[:, 19:21] = STRIPES[20:22] = True
STOP = np.zeros((SIDE, SIDE), np.bool_)
STOP[14:18, 14:18] = True
NOISY = np.random.default_rng(5).uniform(0.5, 1.5, (ROWS**2,)).astype(np.float32)


def _fill(mask: NDArray[np.bool_], value: float) -> Fault:
    return _frames(lambda counts: counts.__setitem__((slice(None), mask), value))


def _hot(counts: Intensity) -> None:
    counts[:, 6, 25] = np.round(3e4 * NOISY)


def _clip(counts: Intensity) -> None:
    np.minimum(counts, np.floor(0.3 * counts.max()), out=counts)


def _wrap(counts: Intensity) -> None:
    counts *= np.float32(90000 / counts.max())
    counts[:] = np.mod(np.round(counts), 2**16)


def _dark(counts: Intensity) -> None:
    counts[[5, 60, 61]] = 0


def _copy(counts: Intensity) -> None:
    counts[81:83] = counts[80]


def _spike(position: NDArray[np.float64]) -> NDArray[np.float64]:
    position[70], position[90] = (1500.0, 40.0), (30.0, -900.0)
    return position


def _amplitudes(dataset: Dataset) -> Dataset:
    root = np.sqrt(dataset.intensity[:])
    return attrs.evolve(dataset, intensity=root / root.max())


def _reverse_lines(position: NDArray[np.float64]) -> NDArray[np.float64]:
    lines = position.reshape(ROWS, ROWS, 2)
    lines[1::2] = lines[1::2, ::-1].copy()
    return lines.reshape(-1, 2)


def _enlarge(counts: Intensity) -> None:
    cut = slice(SIDE // 8, SIDE // 8 + SIDE)
    for number, pattern in enumerate(counts):
        counts[number] = zoom(pattern, 1.25, order=1)[cut, cut]


def _probe(change: Callable[[NDArray[np.complex64]], Any]) -> Fault:
    return lambda dataset: attrs.evolve(dataset, probe=np.asarray(change(dataset.probe), np.complex64))


def _beam_behind_stop(dataset: Dataset) -> Dataset:
    """A probe without structure, whose pattern lies behind a large beam stop; the file marks it."""
    pixel = np.hypot(*(np.indices((SIDE, SIDE)) - SIDE // 2))
    valid, wide = pixel > 4, np.exp(-((pixel / 6) ** 2))
    probe = wide / np.linalg.norm(wide) * np.linalg.norm(dataset.probe)
    return attrs.evolve(
        dataset,
        probe=probe[None].astype(np.complex64),
        intensity=np.where(valid, dataset.intensity[:], np.float32(0)),
        valid_pixels=valid,
    )


# Each fault with the name of the evidence, and words of what is said of it.
FAULTS: dict[str, tuple[Fault, str, str]] = {
    "fill value": (_fill(STRIPES, 2.0**32 - 1), "fill value", "124 pixels hold 4294967296 in every pattern"),
    "dead stripes": (_fill(STRIPES, 0), "dead pixels", "are 0 in every pattern"),
    "beam stop": (_fill(STOP, 0), "dead pixels", "16 pixels are 0"),
    "hot pixel": (_frames(_hot), "hot pixels", "[6, 25]"),
    "clipped": (_frames(_clip), "clipped pixels", "are clipped at"),
    "wrapped counter": (_frames(_wrap), "wrapped counter", "the counter is too short"),
    "dark patterns": (_frames(_dark), "dark patterns", "left out: 5, 60, 61"),
    "bright pattern": (_frames(lambda c: c.__setitem__(77, 1e3 * c[77])), "bright patterns", "left out: 77"),
    "spike": (_frames(lambda c: c.__setitem__((33, 5, 27), c[33].sum())), "spikes", "left out: 33"),
    "copies": (_frames(_copy), "copies", "left out: 81, 82"),
    "x and y exchanged": (_moved(lambda yx: yx[:, ::-1].copy()), "orientation", "with x and y exchanged"),
    "positions negated": (_moved(lambda yx: -yx), "orientation", "with x and y negated"),
    "x negated": (_moved(lambda yx: yx * (1, -1)), "orientation", "with x negated"),
    "positions 1.5 times": (_moved(lambda yx: 1.5 * yx), "scale", "fit the positions times 0.71"),
    "positions halved": (_moved(lambda yx: 0.5 * yx), "scale", "fit the positions times 2"),
    "shuffled": (_moved(lambda yx: np.random.default_rng(3).permutation(yx)), "order", "those of other patterns"),
    "positions late": (_moved(lambda yx: np.roll(yx, 1, axis=0)), "lag", "one pattern earlier"),
    "positions three late": (_moved(lambda yx: np.roll(yx, 3, axis=0)), "lag", "3 patterns earlier"),
    "every second line reversed": (_moved(_reverse_lines), "order", "with every second line reversed"),
    "x 1.5 times": (_moved(lambda yx: yx * (1, 1.5)), "scale", "fit the positions times 0.71 in x"),
    "positions three times": (_moved(lambda yx: 3 * yx), "scale", "fit the positions times 0.35"),
    "positions rotated": (_moved(lambda yx: rotate_positions(yx, -45)), "rotation", "rotated by +45 degrees"),
    "positions in micrometres": (_moved(lambda yx: 0.05 * yx), "scale", "positions are in another unit"),
    "positions ten times": (_moved(lambda yx: 10 * yx), "scale", "positions are in another unit"),
    "other distance": (_frames(_enlarge), "size", "about 1.3 times as large as that of the probe"),
    "spikes of the encoder": (
        _moved(_spike),
        "position spikes",
        "70, 90; with them the object would have 1515 x 999 px",
    ),
    "corner-centred": (
        _frames(lambda c: c.__setitem__(..., np.fft.ifftshift(c.copy(), axes=(1, 2)))),
        "beam",
        "zero frequency is in the corner",
    ),
    "off-centre": (_frames(lambda c: c.__setitem__(..., np.roll(c.copy(), 7, axis=1))), "beam", "7, 0 px"),
    "off-centre by 2 px": (
        _frames(lambda c: c.__setitem__(..., np.roll(c.copy(), (2, -1), (1, 2)))),
        "beam",
        "lie 2, -1 px (y, x) from that of the probe",
    ),
    "squared counts": (
        lambda dataset: attrs.evolve(dataset, intensity=np.square(dataset.intensity[:])),
        "squares",
        "squares of whole numbers",
    ),
    "probe power": (_probe(lambda probe: 0.1 * probe), "probe power", "times the power of a pattern"),
    "another probe": (_probe(np.abs), "probe", "is not like the mean pattern"),
    "light behind the beam stop": (_beam_behind_stop, "hidden light", "% of the light"),
    "amplitudes": (_amplitudes, "amplitudes", "read as counts"),
}

GOOD: dict[str, dict[str, Any]] = {
    "many photons": {"photons": 1e8},
    "6,000 photons": {"photons": 6e3},
    "300 photons": {"photons": 300.0},
    "weak phase": {"phase": 0.1, "darkest": 0.98},
    "weak phase, 6,000 photons": {"phase": 0.1, "darkest": 0.98, "photons": 6e3},
    "thick phase": {"phase": 6.0},
    "other defocus": {"defocus": -5.0},
    "in focus": {"defocus": 0.0, "step": 2.0},
    "little overlap": {"step": 7.0},
    "partial coherence": {"modes": 2},
    "detector with a gain": {"gain": 37.0, "photons": 2e3},
    "divided by a monitor": {"monitor": 0.1, "photons": 6e3},
    "128 px": {"side": 128, "step": 8.0},
}
