"""The reconstruction model: one network applied to every pattern, with its own probe."""

import torch
from torch import Tensor, nn

from ptycho_config import Amplitude, ModelConfig, RectangularScaled, ScaleOptions, TorchOptions, Unrolled
from ptycho_torch.nets import build_network
from ptycho_torch.nets.learned_probe import LearnedProbe
from ptycho_torch.nets.output_scale import IntensityScale, RectangularScale
from ptycho_torch.physics.diffraction import shift_probe
from ptycho_torch.physics.scaling import rms_input_scale
from ptycho_torch.records import Batch, Prediction


class Reconstructor(nn.Module):
    """Batch to Prediction. The probe of each pattern carries the sub-pixel part of its
    position, so patches lie on the integer grid of the object.

    network: see `nets.build_network`; it starts from the batch's initial patches, or from 1.
    scale: what is learned between the network's patches and the measured intensities.
    probe: what is learned about the probe, `(P, N, N)` to `(P, N, N)`.
    """

    def __init__(
        self,
        network: nn.Module,
        scale: nn.Module,
        probe: nn.Module,
        units: ScaleOptions,
        group_size: int,
    ) -> None:
        super().__init__()
        self.network = network
        self.scale = scale
        self.probe = probe
        self.units = units
        self.group_size = group_size

    def forward(self, batch: Batch) -> Prediction:
        """Clusters `(B, S)` to patches `(B, S, N, N)` and probes `(B, S, P, N, N)`."""
        clusters = batch.amplitude.shape[:2]
        probes = shift_probe(self.probe(batch.probe), batch.fraction_yx.flatten(0, 1))
        probes = probes.unflatten(0, clusters)
        initial = torch.ones_like(probes[:, :, 0]) if batch.initial is None else batch.initial
        brightness = self.brightness(batch)
        shown = batch.amplitude * (batch.gain / brightness)
        # What is drawn from a brighter group is brighter by as much.
        drawn = self.network(shown, probes, initial, batch.centre_yx, batch.valid_pixels) * brightness
        patches: Tensor = self.scale(drawn)
        return Prediction(patches, probes)

    def brightness(self, batch: Batch) -> Tensor | float:
        """Of each group against its scan, `(B, S, 1, 1)`; 1 where groups are not scaled alone."""
        if self.units.normalize != "Group" or self.group_size == 1:
            return 1.0
        groups = batch.amplitude.unflatten(1, (-1, self.group_size)).flatten(0, 1)
        gain = rms_input_scale(groups, self.units.data_scaling)
        spread = gain.view(len(batch.amplitude), -1, 1, 1).repeat_interleave(self.group_size, dim=1)
        return batch.gain / spread


def build_model(
    model: ModelConfig,
    options: TorchOptions,
    seed: int,
    *,
    intensity_scale: bool = False,
    learned_probe: tuple[int, ...] | None = None,
) -> Reconstructor:
    """A fresh model whose weights depend on `seed` alone; no global generator is changed.

    intensity_scale: learn one factor between patches and measured intensities. learned_probe: the
    shape `(P, N, N)` of the probe, where it is learned too.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build_network(model, options)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # torch's stubs lack it
    single = isinstance(options.net, Unrolled)
    return Reconstructor(
        network,
        build_scale(options, trainable=intensity_scale),
        LearnedProbe(learned_probe) if learned_probe else nn.Identity(),
        options.scale,
        1 if single else model.gridsize**2,
    )


def build_scale(options: TorchOptions, *, trainable: bool) -> nn.Module:
    """The output scale that the forward model has; `trainable` is about plain amplitudes."""
    match options.forward:
        case RectangularScaled() as forward:
            return RectangularScale(trainable=forward.rect_s1s2_trainable, init=forward.rect_s1s2_init)
        case Amplitude():
            return IntensityScale() if trainable else nn.Identity()
