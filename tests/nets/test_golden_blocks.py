"""Blocks against golden vectors of the replaced system, with its weights."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from ptycho_torch.nets.cnn_parts import PatchHead
from ptycho_torch.nets.fourier import INPUT_TRANSFORMS, FactorisedStack, FourierBlock
from ptycho_torch.nets.gates import Cbam, Eca

FOLDER = Path(__file__).parents[1] / "parity" / "physics" / "vectors"


def _golden(name: str) -> dict[str, torch.Tensor]:
    with np.load(FOLDER / f"{name}.npz") as arrays:
        return {key: torch.from_numpy(arrays[key]) for key in arrays.files}


def _filled(module: nn.Module, golden: dict[str, torch.Tensor], names: dict[str, str]) -> nn.Module:
    own = dict(module.named_parameters())
    assert own.keys() == names.keys()
    with torch.no_grad():
        for name, theirs in names.items():
            own[name].copy_(golden[theirs].reshape(own[name].shape))
    return module.eval()


BLOCKS, SPECTRAL = _golden("model_blocks"), _golden("model_spectral")


def test_attention() -> None:
    """CBAM and ECA."""
    cbam = _filled(
        Cbam(32),
        BLOCKS,
        {
            "0.mlp.0.weight": "cbam.ChannelGate.mlp.1.weight",
            "0.mlp.0.bias": "cbam.ChannelGate.mlp.1.bias",
            "0.mlp.2.weight": "cbam.ChannelGate.mlp.3.weight",
            "0.mlp.2.bias": "cbam.ChannelGate.mlp.3.bias",
            "1.conv.weight": "cbam.SpatialGate.compress.weight",
        },
    )
    torch.testing.assert_close(cbam(BLOCKS["x"]), BLOCKS["cbam"], rtol=2e-5, atol=2e-6)
    eca = _filled(Eca(), BLOCKS, {"conv.weight": "eca.conv.weight"})
    torch.testing.assert_close(eca(BLOCKS["x"]), BLOCKS["eca"], rtol=2e-5, atol=2e-6)


def _head(*, border: bool) -> nn.Module:
    names = {"centre.weight": "dec.conv1.weight", "centre.bias": "dec.conv1.bias"}
    if border:
        for ours, theirs in (("0.0", "conv_up_block.conv1"), ("0.2", "conv_up_block.conv2"), ("2", "conv2")):
            for kind in ("weight", "bias"):
                names[f"border.{ours}.{kind}"] = f"dec.{theirs}.{kind}"
    # The golden block has 32 channels between border and patch although its input has 8.
    head = PatchHead(8, 2, 2, border=border, batch_norm=False)
    if border:
        head.border = nn.Sequential(
            nn.Sequential(nn.Conv2d(2, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 32, 3, padding=1), nn.ReLU()),
            nn.Upsample(scale_factor=2.0),
            nn.Conv2d(32, 2, 3, padding=1),
        )
    return _filled(head, BLOCKS, names)


def test_the_last_layer_of_a_decoder() -> None:
    """With the border activation of the replaced system, which ours replaces by that of the centre;
    and with the centre alone."""
    drawn = _head(border=True)(BLOCKS["dec_x"], torch.sigmoid, functional.silu)
    torch.testing.assert_close(drawn, BLOCKS["dec_out"], rtol=2e-5, atol=2e-6)
    centre = _head(border=False)(BLOCKS["dec_x"], torch.sigmoid)
    torch.testing.assert_close(centre, BLOCKS["dec_out_probe_small"], rtol=2e-5, atol=2e-6)


def test_the_activation_of_the_border_matters() -> None:
    """The comparison above would see another one."""
    drawn = _head(border=True)(BLOCKS["dec_x"], torch.sigmoid)
    assert not torch.allclose(drawn, BLOCKS["dec_out"], atol=1e-3)


def test_the_fourier_block() -> None:
    """With the half plane of frequencies that the replaced system keeps."""
    block = _filled(
        FourierBlock(4, 5, negative_rows=False),
        SPECTRAL,
        {
            "spectral.weights": "pb.spectral.weights",
            "local.weight": "pb.local_conv.weight",
            "local.bias": "pb.local_conv.bias",
        },
    )
    torch.testing.assert_close(block(SPECTRAL["x"]), SPECTRAL["ptychoblock"], rtol=2e-5, atol=2e-6)


def test_the_factorised_block() -> None:
    """The operator alone, and a stack of one block."""
    stack = _filled(
        FactorisedStack(4, 5, 1),
        SPECTRAL,
        {
            "gate": "ffno.gate",
            "spectral.columns": "ffno.shared_spectral.weights_x",
            "spectral.rows": "ffno.shared_spectral.weights_y",
            **{
                f"blocks.0.{part}.{kind}": f"ffno.{part}.{kind}"
                for part in ("norm", "expand", "project")
                for kind in ("weight", "bias")
            },
        },
    )
    mixed = stack.get_submodule("spectral")(SPECTRAL["x"])
    torch.testing.assert_close(mixed, SPECTRAL["factorized"], rtol=2e-5, atol=2e-6)
    torch.testing.assert_close(stack(SPECTRAL["x"]), SPECTRAL["ffno_block"], rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("name", ["sqrt", "log1p", "instancenorm"])
def test_input_transforms(name: str) -> None:
    """Negative inputs are cut at zero."""
    made = INPUT_TRANSFORMS[name](SPECTRAL["x"])
    torch.testing.assert_close(made, SPECTRAL[name], rtol=2e-5, atol=2e-6)
