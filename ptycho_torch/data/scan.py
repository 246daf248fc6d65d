"""From a dataset to the units in which networks see every scan alike."""

import numpy as np
import torch
from numpy.typing import NDArray

from ptycho_torch.records import Dataset, Scan


def normalise(dataset: Dataset) -> Scan:
    """`A = sqrt(I / <I>)`, `P -> P N / |P|`, so that an object of unit modulus fits on average.

    With `<I>` the mean intensity per pixel and `|P|^2 = sum|P|^2`, the object of the dataset
    is the network's object times `object_scale = N sqrt(<I>) / |P|`.
    """
    side = dataset.probe.shape[-1]
    mean = float(dataset.intensity.mean(dtype=np.float64))
    norm = float(np.sqrt(np.square(np.abs(dataset.probe.astype(np.complex128))).sum()))
    ordered = np.fft.ifftshift(dataset.intensity, axes=(-2, -1))
    centre, fraction = split_positions(dataset.position_yx)
    return Scan(
        amplitude=torch.from_numpy(np.sqrt(ordered / np.float32(mean))),
        probe=torch.from_numpy(dataset.probe * np.complex64(side / norm)),
        centre_yx=torch.from_numpy(centre),
        fraction_yx=torch.from_numpy(fraction),
        object_scale=side * mean**0.5 / norm,
    )


def split_positions(
    position_yx: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Nearest integer pixel and the rest, `position = centre + fraction`."""
    nearest = np.round(position_yx)
    return nearest.astype(np.int64), (position_yx - nearest).astype(np.float32)
