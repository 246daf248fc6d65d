"""Apply a trained network to a scan and stitch its patches, batch by batch."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from ptycho_config.schema import StitchOptions
from ptycho_torch.data.batches import gather
from ptycho_torch.nets.reconstructor import Reconstructor
from ptycho_torch.reconstruction.scan_measurements import ScanMeasurements
from ptycho_torch.reconstruction.stitch import Stitcher, find_stitch_weights, trim_weights
from ptycho_torch.records import Batch, Canvas, Prediction, Scan

Progress = Callable[[int], object]
Seen = Callable[[Tensor], object]


def predict(
    model: Reconstructor, scan: Scan, groups: Tensor, batch_size: int, device: torch.device
) -> Iterator[tuple[Tensor, Prediction]]:
    """`(groups, Prediction)` of one batch after another, on `device`, without gradients.

    model: moved to the device. scan: in the units of the network. groups: indices `(M, C)` of patterns.
    batch_size: groups at once. A network that sees one object sees that of all chosen patterns.
    """
    model = model.to(device).eval()
    if model.sees == "object":
        yield from _predict_object(model, scan, groups, batch_size, device)
        return
    for chunk in groups.split(batch_size):
        batch = gather(scan, chunk, merged=chunk.shape[1])
        batch = Batch._make(part.to(device) if isinstance(part, Tensor) else part for part in batch)
        with torch.inference_mode():
            yield chunk, model(batch)


def _predict_object(
    model: Reconstructor, scan: Scan, groups: Tensor, batch_size: int, device: torch.device
) -> Iterator[tuple[Tensor, Prediction]]:
    with torch.inference_mode():
        probe = model.probe(scan.probe.to(device))
        measured = ScanMeasurements(scan, groups.unique(), probe, batch_size, device)
        object_ = model.reconstruct(measured)[0]
        for chunk in groups.split(batch_size):
            view = measured.view(chunk.flatten())
            patches = view.footprints.cut(object_)
            yield chunk, Prediction(patches.unflatten(0, chunk.shape), view.probes.unflatten(0, chunk.shape))


def reconstruct_scan(
    model: Reconstructor,
    scan: Scan,
    groups: Tensor,
    *,
    batch_size: int,
    stitch: StitchOptions,
    trim: int,
    device: torch.device,
    progress: Progress,
    seen: Seen = lambda _: None,
) -> Canvas:
    """The patches of chosen groups, weighted and added where they belong; in the units of the dataset.

    model, scan, device: as for `predict`. groups: indices `(M, C)` of patterns. batch_size: groups at once.
    stitch: weights and the least illumination. trim: px of the central square of a
    patch that counts, 0 for all. progress: called with the number of groups of each finished batch.
    seen: called with its patches `(B, C, N, N)`. Raises ConfigError where the package of the stitch weights is missing.
    """
    weigh = find_stitch_weights(stitch)
    stitcher = Stitcher(scan.centre_yx, scan.probe.shape[-1], device)
    for chunk, (patches, probes) in predict(model, scan, groups, batch_size, device):
        weights = trim_weights(weigh(probes.flatten(0, 1)), trim)
        centre = scan.centre_yx[chunk.flatten()].to(device)
        stitcher.add(patches.flatten(0, 1), weights, centre)
        seen(patches)
        progress(len(chunk))
    return stitcher.canvas(stitch.illumination_floor, scan.object_scale)
