"""A probe that is learned together with the network."""

import torch
from torch import Tensor, nn

from ptycho_torch.physics.diffraction import power


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
        scaled: Tensor = changed * (power(probe).sum() / power(changed).sum()).sqrt()
        return scaled
