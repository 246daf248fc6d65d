"""From a dataset to the units in which networks see every scan alike."""

import attrs
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ptycho_config import ModelConfig, Primed, TorchOptions
from ptycho_torch.data.patterns import StreamedAmplitude, amplitude_of, mean_intensity
from ptycho_torch.physics.diffraction import power
from ptycho_torch.physics.phase_contrast import coarse_object, pattern_moments
from ptycho_torch.physics.probe import smoothed, soft_disk
from ptycho_torch.records import Amplitudes, Dataset, Patterns, Scan
from ptycho_torch.stitch import canvas_of

_CHUNK = 512


def normalise(dataset: Dataset, model: ModelConfig = ModelConfig()) -> Scan:
    """`A = sqrt(I / <I>)`, `P -> P N / |P|`, so that an object of unit modulus fits on average.

    With `<I>` the mean intensity per pixel and `|P|^2 = sum|P|^2`, the object of the dataset
    is the network's object times `object_scale = N sqrt(<I>) / |P|`. The model decides whether
    the probe is smoothed or masked before.
    """
    side = dataset.probe.shape[-1]
    mean = mean_intensity(dataset.intensity)
    probe = prepared_probe(torch.from_numpy(dataset.probe), model)
    norm = float(power(probe.to(torch.complex128)).sum().sqrt())
    centre, fraction = split_positions(dataset.position_yx)
    scale = side * mean**0.5 / norm
    return Scan(
        amplitude=_amplitudes(dataset.intensity, mean),
        probe=probe * (side / norm),
        centre_yx=torch.from_numpy(centre),
        fraction_yx=torch.from_numpy(fraction),
        object_scale=scale,
        label=None if dataset.label is None else torch.from_numpy(dataset.label) / scale,
    )


def started(scan: Scan, options: TorchOptions) -> Scan:
    """The scan with the object that its network starts from, where that is not flat.

    Reads every pattern once, in pieces.
    """
    if not (isinstance(options.net, Primed) and options.net.start == "coarse"):
        return scan
    origin, height, width = canvas_of(scan.centre_yx, scan.probe.shape[-1])
    rows = torch.arange(len(scan.centre_yx)).split(_CHUNK)
    moments = torch.cat([pattern_moments(scan.amplitude[chunk]) for chunk in rows])
    corner = scan.centre_yx + scan.fraction_yx.double() - scan.probe.shape[-1] // 2 - origin
    initial = coarse_object(moments.double().numpy(), scan.probe.numpy(), corner.numpy(), height, width)
    return attrs.evolve(scan, initial=torch.from_numpy(initial))


def _amplitudes(intensity: Patterns, mean: float) -> Amplitudes:
    if isinstance(intensity, np.ndarray):
        return amplitude_of(intensity, mean)
    return StreamedAmplitude(intensity, mean)


def prepared_probe(probe: Tensor, model: ModelConfig) -> Tensor:
    """The probe `(P, N, N)` smoothed and masked as the model says."""
    if model.gaussian_smoothing_sigma > 0:
        probe = smoothed(probe, model.gaussian_smoothing_sigma)
    if model.probe_mask:
        probe = probe * soft_disk(probe.shape[-1], model.probe_mask_diameter, model.probe_mask_sigma)
    return probe


def split_positions(
    position_yx: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Nearest integer pixel and the rest, `position = centre + fraction`."""
    nearest = np.round(position_yx)
    return nearest.astype(np.int64), (position_yx - nearest).astype(np.float32)
