"""Results as files: the ptychodus product HDF5 and a plain NPZ."""

from pathlib import Path

import h5py
import numpy as np

from ptycho_torch.data.patterns import mean_intensity
from ptycho_torch.files import replacing
from ptycho_torch.records import Canvas, Dataset

_UNKNOWN = ("detector_object_distance_m", "photon_energy_eV", "exposure_time_s", "mass_attenuation_m2_per_kg")
_UNITS = "The scan file gives no pixel size: all lengths are in object pixels, stored as metres."


def write_product(path: Path, dataset: Dataset, canvas: Canvas, losses: list[float]) -> None:
    """The ptychodus product: positions, probe `(1, P, N, N)`, object `(1, H, W)`, losses.

    ptychodus puts position x at array column `(x - center_x) / width + (W - 1) / 2` and the
    patch around it symmetrically; here the patch of x starts at column `x - N/2 - origin`.
    Both agree for `center_x = origin + W / 2`.
    """
    count = len(dataset.position_yx)
    height, width = canvas.object.shape
    origin_y, origin_x = canvas.origin_yx
    with replacing(path) as temporary, h5py.File(temporary, "w") as product:
        product.attrs.update({"name": dataset.name, "comments": _UNITS, "far_field": True})
        product.attrs.update(dict.fromkeys(_UNKNOWN, 0.0))
        product.attrs["probe_photon_count"] = mean_intensity(dataset.intensity) * dataset.probe[0].size
        product["probe_position_indexes"] = np.arange(count)
        product["probe_position_x_m"] = dataset.position_yx[:, 1]
        product["probe_position_y_m"] = dataset.position_yx[:, 0]
        product["probe"] = dataset.probe[None]
        product["opr_weights"] = np.ones((count, 1))
        product["object"] = canvas.object[None]
        product["object_layer_spacing_m"] = np.empty(0)
        product["loss_epochs"] = np.arange(len(losses))
        product["loss_values"] = np.asarray(losses, np.float64)
        for name in ("probe", "object"):
            product[name].attrs.update({"pixel_width_m": 1.0, "pixel_height_m": 1.0})
        product["object"].attrs["center_x_m"] = origin_x + width / 2
        product["object"].attrs["center_y_m"] = origin_y + height / 2


def write_reconstruction(path: Path, canvas: Canvas) -> None:
    """`object` complex64 (H, W), `origin_px` (y, x): the object pixel of element [0, 0], and
    `illumination` float32 (H, W), the summed weights."""
    with replacing(path) as temporary:
        np.savez(
            temporary,
            object=canvas.object,
            origin_px=np.asarray(canvas.origin_yx, np.int64),
            illumination=canvas.illumination,
        )
