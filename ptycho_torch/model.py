"""The reconstruction model: one network applied to every pattern, with its own probe."""

import torch
from torch import Tensor, nn

from ptycho_config import ModelConfig, TorchOptions
from ptycho_torch.nets import build_network
from ptycho_torch.physics.diffraction import shift_probe
from ptycho_torch.records import Batch, Prediction


class Reconstructor(nn.Module):
    """Batch to Prediction. The probe of each pattern carries the sub-pixel part of its
    position, so patches lie on the integer grid of the object."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, batch: Batch) -> Prediction:
        """Clusters `(B, S)` to patches `(B, S, N, N)` and probes `(B, S, P, N, N)`."""
        clusters = batch.amplitude.shape[:2]
        probes = shift_probe(batch.probe, batch.fraction_yx.flatten(0, 1))
        patches: Tensor = self.network(batch.amplitude.flatten(0, 1), probes)
        return Prediction(patches.unflatten(0, clusters), probes.unflatten(0, clusters))


def build_model(model: ModelConfig, options: TorchOptions, seed: int) -> Reconstructor:
    """A fresh model whose weights depend on `seed` alone; no global generator is changed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build_network(model, options)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # torch's stubs lack it
    return Reconstructor(network)
