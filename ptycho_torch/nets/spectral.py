"""Linear maps in Fourier space: every output pixel sees every input pixel."""

import torch
from torch import Tensor, nn


class SpectralConv(nn.Module):
    """`F^-1 W F x` on the lowest `modes` frequencies of each axis (Li et al. 2021).

    Row frequencies have both signs; `negative_rows=False` keeps the positive ones alone, which
    loses the half of the plane that a real image needs to turn a feature around.
    """

    def __init__(self, channels: int, modes: int, *, negative_rows: bool = True) -> None:
        super().__init__()
        self.modes = modes
        blocks = 2 if negative_rows else 1
        size = (blocks, channels, channels, modes, modes)
        self.weights = nn.Parameter(torch.normal(0.0, channels**-0.5, size, dtype=torch.complex64))

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` to the same."""
        height, width = x.shape[-2:]
        spectrum = torch.fft.rfft2(x.float())
        rows, columns = min(self.modes, height), min(self.modes, width // 2 + 1)
        mixed = torch.zeros_like(spectrum)
        for number, weight in enumerate(self.weights):
            # With few pixels the two blocks of rows would overlap: the first one has them.
            kept = rows if number == 0 else min(rows, height - rows)
            chosen = slice(0, kept) if number == 0 else slice(height - kept, height)
            part = spectrum[..., chosen, :columns]
            mixed[..., chosen, :columns] = torch.einsum("bixy,ioxy->boxy", part, weight[..., :kept, :columns])
        result: Tensor = torch.fft.irfft2(mixed, s=(height, width))
        return result


class FactorisedSpectralConv(nn.Module):
    """`F_x^-1 W_x F_x x + F_y^-1 W_y F_y x`: one axis at a time (Tran et al. 2023)."""

    def __init__(self, channels: int, modes: int) -> None:
        super().__init__()
        size = (channels, channels, modes)
        self.columns = nn.Parameter(torch.normal(0.0, channels**-0.5, size, dtype=torch.complex64))
        self.rows = nn.Parameter(torch.normal(0.0, channels**-0.5, size, dtype=torch.complex64))

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` to the same."""
        x = x.float()
        return _along(x, self.columns, "bixy,ioy->boxy", -1) + _along(x, self.rows, "bixy,iox->boxy", -2)


def _along(x: Tensor, weight: Tensor, product: str, axis: int) -> Tensor:
    spectrum = torch.fft.rfft(x, dim=axis)
    kept = min(weight.shape[-1], spectrum.shape[axis])
    mixed = torch.zeros_like(spectrum)
    low = torch.einsum(product, spectrum.narrow(axis, 0, kept), weight[..., :kept])
    mixed.narrow(axis, 0, kept).copy_(low)
    result: Tensor = torch.fft.irfft(mixed, n=x.shape[axis], dim=axis)
    return result
