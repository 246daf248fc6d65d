"""Apply a trained network to a scan and stitch what it says, batch by batch."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from ptycho_torch.model import Reconstructor
from ptycho_torch.physics.diffraction import mode_sum_intensity
from ptycho_torch.records import Batch, Canvas, Prediction, Scan
from ptycho_torch.stitch import Stitcher

Progress = Callable[[int], object]


def predict(
    model: Reconstructor, scan: Scan, rows: Tensor, batch_size: int, device: torch.device
) -> Iterator[tuple[Tensor, Prediction]]:
    """`(rows, Prediction)` for every chosen pattern, on `device`, without gradients."""
    model = model.to(device).eval()
    for chunk in rows.split(batch_size):
        batch = Batch(
            amplitude=scan.amplitude[chunk, None].to(device),
            probe=scan.probe.to(device),
            centre_yx=scan.centre_yx[chunk, None].to(device),
            fraction_yx=scan.fraction_yx[chunk, None].to(device),
            merged=1,
        )
        with torch.inference_mode():
            yield chunk, model(batch)


def reconstruct_scan(
    model: Reconstructor,
    scan: Scan,
    rows: Tensor,
    *,
    batch_size: int,
    illumination_floor: float,
    device: torch.device,
    progress: Progress,
) -> Canvas:
    """Patches of the chosen patterns, weighted by their illumination and added where they
    belong; in the units of the dataset. `progress` is told the size of each finished batch."""
    stitcher = Stitcher(scan.centre_yx, scan.probe.shape[-1], device)
    for chunk, (patches, probes) in predict(model, scan, rows, batch_size, device):
        stitcher.add(patches[:, 0], mode_sum_intensity(probes[:, 0]), scan.centre_yx[chunk].to(device))
        progress(len(chunk))
    return stitcher.canvas(illumination_floor, scan.object_scale)
