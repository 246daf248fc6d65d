"""The reconstruction model: a network with its probe and its output scale."""

from typing import cast

import torch
from torch import Tensor, nn

from ptycho_config.schema import Amplitude, ModelConfig, RectangularScaled, ScaleOptions, TorchOptions
from ptycho_config.schema.networks import Sees
from ptycho_torch.nets.build import build_network, check_network_size
from ptycho_torch.nets.initial import output_factor, set_first_weights
from ptycho_torch.nets.measurements import Measurements
from ptycho_torch.nets.network import Network, ObjectNetwork
from ptycho_torch.nets.output_scale import IntensityScale, RectangularScale
from ptycho_torch.nets.size import limited_size
from ptycho_torch.physics.diffraction import power, shift_probe
from ptycho_torch.physics.scaling import rms_input_scale
from ptycho_torch.records import Batch, Prediction


class LearnedProbe(nn.Module):
    """`P -> (P + D) |P| / |P + D|`: a learned change D of every mode, at the power of the file's probe.

    The power is kept because a brighter probe and a darker object give the same patterns. Starts at `D = 0`.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.real = nn.Parameter(torch.zeros(shape))
        self.imaginary = nn.Parameter(torch.zeros(shape))

    def forward(self, probe: Tensor) -> Tensor:
        """`(P, N, N)` to the same; scans may have fewer modes than were learned."""
        modes = probe.shape[0]
        changed = probe + torch.complex(self.real[:modes], self.imaginary[:modes])
        return changed * (power(probe).sum() / power(changed).sum()).sqrt()


class Reconstructor(nn.Module):
    """Batch to Prediction. The probe of each pattern carries the sub-pixel part of its
    position, so patches lie on the integer grid of the object.

    network: an `nets.network.Network`. scale: learned factors between its patches and the measured
    intensities. probe: a learned change of the probe, `(P, N, N)` to `(P, N, N)`. units: the scale of its
    input. group_size: patterns that it sees together as channels, and that are scaled together.
    """

    def __init__(
        self, network: nn.Module, scale: nn.Module, probe: nn.Module, units: ScaleOptions, group_size: int
    ) -> None:
        super().__init__()
        self.network = network
        self.scale = scale
        self.probe = probe
        self.units = units
        self.group_size = group_size

    @property
    def sees(self) -> Sees:
        """The patterns that the network sees together."""
        return cast("Network", self.network).sees

    def reconstruct(self, measured: Measurements) -> Tensor:
        """The object `(B, H, W)` complex64 of measurements, of a network that sees one object."""
        object_: Tensor = self.scale(cast("ObjectNetwork", self.network).reconstruct(measured))
        return object_

    def forward(self, batch: Batch) -> Prediction:
        """Clusters `(B, S)` to patches `(B, S, N, N)` and probes `(B, S, P, N, N)`."""
        probes = self.shifted(batch.probe, batch)
        shown = probes if batch.shown is None else self.shifted(batch.shown, batch)
        initial = torch.ones_like(probes[:, :, 0]) if batch.initial is None else batch.initial
        brightness = self.brightness(batch)
        amplitude = batch.amplitude * (batch.gain / brightness)
        # A brighter group has a brighter object.
        drawn = self.network(amplitude, shown, initial, batch.centre_yx, batch.valid_pixels)
        patches: Tensor = self.scale(drawn * brightness)
        return Prediction(patches, probes)

    def shifted(self, probe: Tensor, batch: Batch) -> Tensor:
        """A probe `(P, N, N)`, with what was learned of it, at the sub-pixel places of a batch: `(B, S, P, N, N)`."""
        probes = shift_probe(self.probe(probe), batch.fraction_yx.flatten(0, 1))
        spread: Tensor = probes.unflatten(0, batch.amplitude.shape[:2])
        return spread

    def brightness(self, batch: Batch) -> Tensor | float:
        """The amplitude of each group over that of its scan, `(B, S, 1, 1)`; 1 where the scan is scaled as a whole."""
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
    modulus: float = 1.0,
    copies: int = 1,
    gpu_free: int | None = None,
) -> Reconstructor:
    """A fresh model whose weights depend on `seed` and `modulus` alone; no global generator is changed.

    model, options: as for `nets.build.build_network`. intensity_scale: one factor between patches and measured
    intensities, that a bounded network needs and any other can learn. learned_probe: the shape `(P, N, N)` of
    the probe, where it is learned too. modulus: that of the patches which networks of images draw at first. copies:
    arrays of the size of the parameters that there must be memory for; gpu_free: bytes of a GPU, if one computes.
    Raises ConfigError for a network of another package that is missing or does not fit, and for one that does not fit
    into memory.
    """
    check_network_size(model, options, copies, gpu_free)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        with limited_size("torch.net", copies, gpu_free, values=True):
            network = build_network(model, options)
        set_first_weights(network, model, options.net, modulus)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # torch's stubs lack it
    groups = cast("Network", network).sees == "group"
    return Reconstructor(
        network,
        build_scale(options, output_factor(model, options.net, modulus) if intensity_scale else None),
        LearnedProbe(learned_probe) if learned_probe else nn.Identity(),
        options.scale,
        model.gridsize**2 if groups else 1,
    )


def build_scale(options: TorchOptions, factor: float | None) -> nn.Module:
    """The output scale of the forward model in `options`; factor: the first one of plain amplitudes, None for none."""
    match options.forward:
        case RectangularScaled() as forward:
            return RectangularScale(trainable=forward.rect_s1s2_trainable, init=forward.rect_s1s2_init)
        case Amplitude():
            return nn.Identity() if factor is None else IntensityScale(factor)
