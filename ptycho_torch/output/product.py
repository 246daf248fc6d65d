"""Results as files: the ptychodus product HDF5 and a plain NPZ."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ptycho_torch.data.geometry import array_centre
from ptycho_torch.data.patterns import mean_intensity
from ptycho_torch.files import atomic_write
from ptycho_torch.output.hdf5_file import create_hdf5
from ptycho_torch.output.npz_file import write_arrays
from ptycho_torch.records import Canvas, Dataset, Geometry

_UNKNOWN = ("exposure_time_s", "mass_attenuation_m2_per_kg")
_UNITS = "The scan file gives no pixel size: all lengths are in object pixels, stored as metres."
_PIXELS = Geometry(pixel_m=(1.0, 1.0), origin_m=(0.0, 0.0))


def write_product(
    path: Path,
    dataset: Dataset,
    canvas: Canvas,
    losses: Sequence[float],
    maps: Mapping[str, NDArray[np.float32]] = MappingProxyType({}),
) -> None:
    """Write the ptychodus product to path: positions and probe `(1, P, N, N)` of the dataset, the object
    `(1, H, W)` of the canvas, losses by epoch, and maps `(H, W)` of the object by their names. Components of a probe
    that varies follow the mean one in `probe` `(1 + K, P, N, N)`, their weights in `opr_weights` `(n, 1 + K)`.

    Lengths are metres where the scan knows its geometry: `x_m = origin_m + x_px dx`. ptychodus puts position x at array
    column `(x - center_x) / dx + (W - 1) / 2` and the patch around it symmetrically; here the patch of x starts at
    column `x - N//2 - origin`. Both agree for an object whose centre is the position `origin + array_centre(W, N)`.
    `origin_px` (y, x) of the object is that origin, in pixels of the scan. Unknown numbers are 0.
    """
    with atomic_write(path) as temporary, create_hdf5(temporary) as product:
        write_places(
            product, dataset.name, dataset.position_yx, dataset.probe, canvas.object, canvas.origin_yx, dataset.geometry
        )
        if dataset.components is not None and dataset.weights is not None:
            _write_variation(product, dataset.components, dataset.weights)
        product.attrs["probe_photon_count"] = mean_intensity(dataset.intensity) * dataset.probe[0].size
        product["loss_epochs"] = np.arange(len(losses))
        product["loss_values"] = np.asarray(losses, np.float64)
        product["object"].attrs["origin_px"] = np.asarray(canvas.origin_yx, np.int64)
        for name, values in maps.items():
            product[name] = values


def write_places(
    product: h5py.File,
    name: str,
    position_yx: NDArray[np.float64],
    probe: NDArray[Any],
    object_: NDArray[Any],
    origin_yx: tuple[int, int],
    geometry: Geometry | None,
) -> None:
    """Write a scan called name to an open product, all but its patterns: position_yx `(n, 2)` px, probe `(P, N, N)`,
    object_ `(H, W)` whose pixel `[0, 0]` is that of the scan at origin_yx, and geometry, None for lengths in pixels."""
    known = geometry or _PIXELS
    pixel, start = np.array(known.pixel_m), np.array(known.origin_m)
    position = start + position_yx * pixel
    middle = [array_centre(length, probe.shape[-1]) for length in object_.shape]
    centre = start + (np.array(origin_yx) + middle) * pixel
    product.attrs.update({"name": name, "comments": "" if geometry else _UNITS, "far_field": True})
    product.attrs.update(dict.fromkeys(_UNKNOWN, 0.0))
    product.attrs["photon_energy_eV"] = known.photon_energy_ev or 0.0
    product.attrs["detector_object_distance_m"] = known.distance_m or 0.0
    product["probe_position_indexes"] = np.arange(len(position))
    product["probe_position_x_m"] = position[:, 1]
    product["probe_position_y_m"] = position[:, 0]
    product["probe"] = probe[None]
    product["opr_weights"] = np.ones((len(position), 1))
    product["object"] = object_[None]
    product["object_layer_spacing_m"] = np.empty(0)
    for array in ("probe", "object"):
        product[array].attrs.update({"pixel_width_m": pixel[1], "pixel_height_m": pixel[0]})
    product["object"].attrs.update({"center_x_m": centre[1], "center_y_m": centre[0]})


def _write_variation(product: h5py.File, components: NDArray[np.complex64], weights: NDArray[np.float32]) -> None:
    """Replace probe and weights of an open product by those of a probe whose first mode varies."""
    mean, attributes = product["probe"][()], dict(product["probe"].attrs)
    further = np.zeros((len(components), *mean.shape[1:]), mean.dtype)
    further[:, 0] = components
    del product["probe"], product["opr_weights"]
    product["probe"] = np.concatenate([mean, further])
    product["probe"].attrs.update(attributes)
    product["opr_weights"] = np.concatenate([np.ones((len(weights), 1)), weights], axis=1)


def write_reconstruction(
    path: Path, canvas: Canvas, maps: Mapping[str, NDArray[np.float32]] = MappingProxyType({})
) -> None:
    """Write a canvas to path as NPZ: `object` complex64 (H, W), `origin_px` (y, x): the object pixel of
    element [0, 0], `illumination` float32 (H, W), the summed weights, and maps `(H, W)` by their names."""
    origin = np.asarray(canvas.origin_yx, np.int64)
    write_arrays(path, {"object": canvas.object, "origin_px": origin, "illumination": canvas.illumination, **maps})
