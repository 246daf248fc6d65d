"""From a dataset to the units in which networks see every scan alike."""

import math
from collections.abc import Callable, Sequence

import attrs
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ptycho_config.schema import ModelConfig, ScaleOptions, TorchOptions
from ptycho_torch.data.patterns import StoredPatterns, StreamedAmplitude, amplitude_of, chunks, mean_intensity
from ptycho_torch.errors import DataError
from ptycho_torch.memory import shortage
from ptycho_torch.physics.canvas import canvas_of, patch_corners
from ptycho_torch.physics.differential_phase_contrast import coarse_object, pattern_moments
from ptycho_torch.physics.diffraction import diffraction_intensity, power
from ptycho_torch.physics.probe import smooth_probe, soft_disk
from ptycho_torch.records import Dataset, Scan

_CHUNK = 512
# Of an object, its illumination and what changes it: measured for refinements; networks need more.
_BYTES_A_PIXEL = 40

# The probe scale at which an object of unit modulus fits on average.
UNIT_PROBE_SCALE = 4.0


@attrs.frozen
class Statistics:
    """The quantities that scale a scan: mean intensity `<I>` per pixel, `|P| = sqrt(sum|P|^2)`, the largest
    `sum A` of a pattern (None where no option needs it), and the patterns they were taken over."""

    mean_intensity: float
    probe_norm: float
    largest_sum: float | None
    patterns: int


def statistics_of(
    dataset: Dataset, model: ModelConfig, scale: ScaleOptions, rows: NDArray[np.int64] | None = None
) -> Statistics:
    """The statistics of a dataset, or of sorted rows of it, summed in float64: of the probe that the model
    prepares, and the largest sum where the scale options need it."""
    patterns = dataset.intensity if rows is None else StoredPatterns(dataset.intensity, rows=rows)
    largest = None
    if scale.data_scaling == "Max":
        largest = max(float(np.sqrt(part).sum(axis=(1, 2)).max()) for part in chunks(patterns))
    norm = float(power(prepare_probe(dataset.probe, model).to(torch.complex128)).sum().sqrt())
    return Statistics(mean_intensity(patterns), norm, largest, len(patterns))


def pool_statistics(parts: Sequence[Statistics]) -> Statistics:
    """The statistics of several scans together: means over patterns, the largest of the largest."""
    count = sum(part.patterns for part in parts)
    weights = [part.patterns / count for part in parts]
    largest = [part.largest_sum for part in parts if part.largest_sum is not None]
    return Statistics(
        sum(w * part.mean_intensity for w, part in zip(weights, parts, strict=True)),
        sum(w * part.probe_norm**2 for w, part in zip(weights, parts, strict=True)) ** 0.5,
        max(largest) if largest else None,
        count,
    )


def check_canvas(dataset: Dataset, gpu_free: int | None = None) -> Dataset:
    """The dataset, if the object that all its patterns cover fits into memory, and into the gpu_free bytes of a GPU, if
    one computes. Raises DataError."""
    side = dataset.probe.shape[-1]
    height, width = (math.ceil(extent) + side + 1 for extent in np.ptp(dataset.position_yx, axis=0))
    if lacking := shortage(_BYTES_A_PIXEL * height * width, gpu_free=gpu_free):
        hint = "are positions in object pixels? otherwise bin the patterns, or split the scan"
        raise DataError(dataset.name, f"its object of {height} x {width} px {lacking}", hint)
    return dataset


def normalise(
    dataset: Dataset,
    model: ModelConfig = ModelConfig(),
    scale: ScaleOptions = ScaleOptions(),
    statistics: Statistics | None = None,
) -> Scan:
    """`A = sqrt(I / <I>)` and `P -> f P`, so that objects of different scans are alike.

    With `probe_normalize`, `f = (4 / probe_scale) N / |P|`: an object of modulus `probe_scale / 4` fits on average;
    without, `f = 1 / sqrt(<I>)` and the network draws the object of the file. The object of the dataset is the
    network's object times `object_scale = f sqrt(<I>)`. The model decides whether the probe is smoothed or masked
    before; the scale options decide the rest. Without statistics, the dataset's own.
    """
    if statistics is None:
        statistics = statistics_of(dataset, model, scale)
    root = math.sqrt(statistics.mean_intensity)
    probe = prepare_probe(dataset.probe, model)
    factor = 1 / root
    if scale.probe_normalize:
        factor = UNIT_PROBE_SCALE / model.probe_scale * dataset.probe.shape[-1] / statistics.probe_norm
    centre, fraction = split_positions(dataset.position_yx)
    stored, mean, valid = dataset.intensity, statistics.mean_intensity, dataset.valid_pixels
    amplitude = amplitude_of(stored, mean) if isinstance(stored, np.ndarray) else StreamedAmplitude(stored, mean)
    flux, background = dataset.flux, dataset.background
    return Scan(
        amplitude=amplitude,
        probe=probe * factor,
        centre_yx=torch.from_numpy(centre),
        fraction_yx=torch.from_numpy(fraction),
        object_scale=factor * root,
        probe_factor=factor,
        input_gain=_input_gain(scale, statistics),
        valid_pixels=None if valid is None or valid.all() else torch.from_numpy(np.fft.ifftshift(valid)),
        label=None if dataset.label is None else torch.from_numpy(dataset.label) / (factor * root),
        flux=None if flux is None else torch.from_numpy(flux.astype(np.float32)),
        background=None if background is None else torch.from_numpy(np.fft.ifftshift(background) / np.float32(mean)),
        components=None if dataset.components is None else torch.from_numpy(dataset.components) * factor,
        weights=None if dataset.weights is None else torch.from_numpy(dataset.weights),
        geometry=dataset.geometry,
    )


def _input_gain(scale: ScaleOptions, statistics: Statistics) -> float:
    """The factor from amplitudes of unit mean power to what the network is shown."""
    root = math.sqrt(statistics.mean_intensity)
    if scale.normalize == "None":
        return root
    if scale.data_scaling == "Max":
        assert statistics.largest_sum is not None
        return root / statistics.largest_sum
    return 1.0


def with_initial_object(scan: Scan, options: TorchOptions) -> Scan:
    """The scan with the object that the network of the options starts from, where that is not flat."""
    return with_coarse_object(scan) if options.net.start == "coarse" else scan


def with_coarse_object(scan: Scan) -> Scan:
    """The scan with the first guess of totals and centres of mass of its patterns as `initial`.

    Reads every pattern once, in pieces. Source: `physics.differential_phase_contrast`.
    """
    origin, height, width = canvas_of(scan.centre_yx, scan.probe.shape[-1])
    filled = _fill_invalid(scan)
    # One array made beforehand: small results left among large pieces would keep the memory of those.
    moments = torch.empty(len(scan.centre_yx), 3, dtype=torch.float64)
    for rows in torch.arange(len(moments)).split(_CHUNK):
        moments[rows] = pattern_moments(filled(scan.signal(rows)))
    # Brought to the power of the probe, so that the mean modulus is 1 there and `level` here.
    energy = moments[:, 0].mean()
    level = torch.sqrt(energy / power(scan.probe).double().sum())
    moments /= level.square()
    corner = patch_corners(scan.position_yx, scan.probe.shape[-1], origin)
    initial = coarse_object(moments.numpy(), scan.probe.numpy(), corner.numpy(), height, width)
    return attrs.evolve(scan, initial=torch.from_numpy(initial) * level.float())


def _fill_invalid(scan: Scan) -> Callable[[Tensor], Tensor]:
    """Puts what a flat object would show where nothing was measured, so that it adds no structure."""
    valid_pixels = scan.valid_pixels
    if valid_pixels is None:
        return lambda amplitude: amplitude
    flat = diffraction_intensity(torch.ones_like(scan.probe[0]), scan.probe).sqrt()

    def fill(amplitude: Tensor) -> Tensor:
        seen = (amplitude.square() * valid_pixels).sum(dim=(-2, -1), keepdim=True)
        level = (seen / (flat.square() * valid_pixels).sum()).sqrt()
        return torch.where(valid_pixels, amplitude, flat * level)

    return fill


def prepare_probe(stored: NDArray[np.complex64], model: ModelConfig) -> Tensor:
    """The stored probe `(P, N, N)` smoothed and masked as the model says."""
    probe = torch.tensor(stored)
    if model.gaussian_smoothing_sigma > 0:
        probe = smooth_probe(probe, model.gaussian_smoothing_sigma)
    if model.probe_mask:
        probe = probe * soft_disk(probe.shape[-1], model.probe_mask_diameter, model.probe_mask_sigma)
    return probe


def split_positions(position_yx: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Nearest integer pixel and the rest, `position = centre + fraction`."""
    nearest = np.round(position_yx)
    return nearest.astype(np.int64), (position_yx - nearest).astype(np.float32)
