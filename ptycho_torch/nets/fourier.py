"""Fourier neural operators at constant resolution: fno, fno_vanilla and ffno."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from ptycho_config.schema import ModelConfig
from ptycho_torch.nets.heads import bounded_phase, polar, rectangular
from ptycho_torch.nets.spectral import FactorisedSpectralConv, SpectralConv

MLP_RATIO = 2
GATE_INIT = 0.1

INPUT_TRANSFORMS: dict[str, Callable[[Tensor], Tensor]] = {
    "none": lambda x: x,
    "sqrt": lambda x: torch.sqrt(x.clamp_min(0.0)),
    "log1p": lambda x: torch.log1p(x.clamp_min(0.0)),
    "instancenorm": lambda x: functional.instance_norm(x, eps=1e-6),
}


class Lifter(nn.Module):
    """A fixed transform of the input, then two convolutions to the width of the operator."""

    def __init__(self, channels: int, width: int, transform: str) -> None:
        super().__init__()
        self.transform = INPUT_TRANSFORMS[transform]
        self.convs = nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1), nn.GELU(), nn.Conv2d(width, width, 3, padding=1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` to `(B, width, H, W)`."""
        lifted: Tensor = self.convs(self.transform(x))
        return lifted


class FourierBlock(nn.Module):
    """`x + GELU(S x + conv x)`: the whole image and the neighbourhood."""

    def __init__(self, width: int, modes: int, *, negative_rows: bool = True) -> None:
        super().__init__()
        self.spectral = SpectralConv(width, modes, negative_rows=negative_rows)
        self.local = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` to the same."""
        return x + functional.gelu(self.spectral(x) + self.local(x))


class FactorisedBlock(nn.Module):
    """`x + g P(GELU(E(IN(s))))`, where `s = S x` and the gate g come from the stack."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.InstanceNorm2d(width, affine=True)
        self.expand = nn.Conv2d(width, MLP_RATIO * width, 1)
        self.project = nn.Conv2d(MLP_RATIO * width, width, 1)

    def forward(self, x: Tensor, spectral: Tensor, gate: Tensor) -> Tensor:
        """X and `S x`, both `(B, C, H, W)`, to the same shape."""
        inner = self.project(functional.gelu(self.expand(self.norm(spectral))))
        changed: Tensor = x + gate * inner
        return changed


class FactorisedStack(nn.Module):
    """Factorised blocks that share one operator and one gate."""

    def __init__(self, width: int, modes: int, blocks: int) -> None:
        super().__init__()
        self.spectral = FactorisedSpectralConv(width, modes)
        self.gate = nn.Parameter(torch.tensor(GATE_INIT))
        self.blocks = nn.ModuleList(FactorisedBlock(width) for _ in range(blocks))

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` to the same."""
        for block in self.blocks:
            x = block(x, self.spectral(x), self.gate)
        return x


class RefineBlock(nn.Module):
    """`x + conv GELU conv x`."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1), nn.GELU(), nn.Conv2d(width, width, 3, padding=1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` to the same."""
        refined: Tensor = x + self.inner(x)
        return refined


class OperatorNet(nn.Module):
    """Lifter, operator blocks, convolutions, and two maps for each pattern.

    `generator_output_mode`: real_imag is unbounded; amp_phase_logits and amp_phase are
    `sigmoid(a) exp(i pi tanh p)`, the latter with a head of its own for each part.
    """

    def __init__(self, model: ModelConfig, operator: nn.Module, after: nn.Module) -> None:
        super().__init__()
        self.patterns, self.mode = model.gridsize**2, model.generator_output_mode
        width = model.fno_width
        copies = model.learned_input_channels
        self.copies = copies
        self.lifter = Lifter(copies * self.patterns, width, model.fno_input_transform)
        self.operator, self.after = operator, after
        heads = 2 if self.mode == "amp_phase" else 1
        out = self.patterns if self.mode == "amp_phase" else 2 * self.patterns
        self.heads = nn.ModuleList(nn.Conv2d(width, out, 1) for _ in range(heads))

    def forward(self, amplitude: Tensor) -> Tensor:
        """Amplitude `(G, C, N, N)` to complex patches `(G, C, N, N)`."""
        features = self.after(self.operator(self.lifter(amplitude.repeat(1, self.copies, 1, 1))))
        parts = torch.cat([head(features) for head in self.heads], dim=1)
        first, second = parts.split(self.patterns, dim=1)
        if self.mode == "real_imag":
            return rectangular(first, second)
        return polar(torch.sigmoid(first), bounded_phase(second))


def fno(model: ModelConfig, *, negative_rows: bool = True) -> OperatorNet:
    """Fourier blocks, a 1x1 convolution, then `fno_cnn_blocks` convolutions.

    model: sizes. negative_rows: keep rows of negative frequency, as everywhere but in published sizes.
    """
    width = model.fno_width
    convs = [layer for _ in range(model.fno_cnn_blocks) for layer in (nn.Conv2d(width, width, 3, padding=1), nn.GELU())]
    after = nn.Sequential(nn.Conv2d(width, width, 1), *convs)
    return OperatorNet(model, _blocks(model, negative_rows=negative_rows), after)


def fno_vanilla(model: ModelConfig, *, negative_rows: bool = True) -> OperatorNet:
    """Fourier blocks, nothing after them; model and negative_rows as for `fno`."""
    return OperatorNet(model, _blocks(model, negative_rows=negative_rows), nn.Identity())


def ffno(model: ModelConfig) -> OperatorNet:
    """Factorised blocks that share one operator and one gate, then refiners."""
    width = model.fno_width
    blocks = FactorisedStack(width, model.fno_modes, model.fno_blocks)
    after = nn.Sequential(*(RefineBlock(width) for _ in range(model.fno_cnn_blocks)))
    return OperatorNet(model, blocks, after)


def _blocks(model: ModelConfig, *, negative_rows: bool) -> nn.Sequential:
    width, modes = model.fno_width, model.fno_modes
    return nn.Sequential(*(FourierBlock(width, modes, negative_rows=negative_rows) for _ in range(model.fno_blocks)))
