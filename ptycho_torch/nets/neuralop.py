"""The U-shaped neural operator of the optional package `neuraloperator`."""

from importlib.util import find_spec

from torch import Tensor, nn

from ptycho_torch.nets.heads import rectangular

_SETTINGS = {
    "in_channels": 1,
    "out_channels": 2,
    "hidden_channels": 32,
    "lifting_channels": 128,
    "projection_channels": 128,
    "n_layers": 4,
    "uno_out_channels": [32, 64, 64, 32],
    "uno_n_modes": [[12, 12]] * 4,
    "uno_scalings": [[1.0, 1.0], [0.5, 0.5], [1.0, 1.0], [2.0, 2.0]],
    "positional_embedding": "grid",
    "channel_mlp_skip": "linear",
}


class UnoNet(nn.Module):
    """`neuralop.models.UNO` (Rahman et al. 2023) for single patterns of 128 px, real and imaginary
    part; its weights are those of the package. Raises RuntimeError where that is not installed."""

    def __init__(self) -> None:
        super().__init__()
        if find_spec("neuralop") is None:
            raise RuntimeError(
                "the network 'neuralop_uno' needs the package neuraloperator: pip install 'ptycho[neuralop]'"
            )
        from neuralop.models import UNO

        self.operator: nn.Module = UNO(**_SETTINGS)

    def forward(self, amplitude: Tensor) -> Tensor:
        """Amplitude `(G, 1, N, N)` to complex patches `(G, 1, N, N)`."""
        parts = self.operator(amplitude)
        return rectangular(parts[:, :1], parts[:, 1:])
