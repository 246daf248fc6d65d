"""The reconstruction model: one network applied to every pattern, with its own probe."""

import torch
from torch import Tensor, nn

from ptycho_config import Amplitude, ModelConfig, RectangularScaled, TorchOptions
from ptycho_torch.nets import build_network
from ptycho_torch.output_scale import IntensityScale, RectangularScale
from ptycho_torch.physics.diffraction import shift_probe
from ptycho_torch.records import Batch, Prediction


class Reconstructor(nn.Module):
    """Batch to Prediction. The probe of each pattern carries the sub-pixel part of its
    position, so patches lie on the integer grid of the object.

    network: see `nets.build_network`; it starts from the batch's initial patches, or from 1.
    scale: what is learned between the network's patches and the measured intensities.
    """

    def __init__(self, network: nn.Module, scale: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.scale = scale

    def forward(self, batch: Batch) -> Prediction:
        """Clusters `(B, S)` to patches `(B, S, N, N)` and probes `(B, S, P, N, N)`."""
        clusters = batch.amplitude.shape[:2]
        probes = shift_probe(batch.probe, batch.fraction_yx.flatten(0, 1))
        probes = probes.unflatten(0, clusters)
        initial = torch.ones_like(probes[:, :, 0]) if batch.initial is None else batch.initial
        patches: Tensor = self.scale(self.network(batch.amplitude, probes, initial, batch.centre_yx))
        return Prediction(patches, probes)


def build_model(
    model: ModelConfig, options: TorchOptions, seed: int, *, intensity_scale: bool = False
) -> Reconstructor:
    """A fresh model whose weights depend on `seed` alone; no global generator is changed.

    intensity_scale: learn one factor between patches and measured intensities.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build_network(model, options)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # torch's stubs lack it
    return Reconstructor(network, build_scale(options, trainable=intensity_scale))


def build_scale(options: TorchOptions, *, trainable: bool) -> nn.Module:
    """The output scale that the forward model has; `trainable` is about plain amplitudes."""
    match options.forward:
        case RectangularScaled() as forward:
            return RectangularScale(trainable=forward.rect_s1s2_trainable, init=forward.rect_s1s2_init)
        case Amplitude():
            return IntensityScale() if trainable else nn.Identity()
