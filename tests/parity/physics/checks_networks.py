"""Probe masks, blocks of the networks, and operators in Fourier space, with the weights of the file."""

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from ptycho_torch.nets.cnn_parts import ConvBlock, PatchHead
from ptycho_torch.nets.fourier import INPUT_TRANSFORMS, FactorisedStack, FourierBlock
from ptycho_torch.nets.gates import Cbam, Eca
from ptycho_torch.physics.probe import soft_disk
from tests.parity.physics.arrays import Vectors, tensor
from tests.parity.physics.formulas.probes import given_mask
from tests.parity.physics.verdict import Finding, Holds, Same, equal


def soft_disks(z: Vectors, key: str) -> Finding:
    """`N{side}_d{diameter}_s{sigma}`."""
    found = re.fullmatch(r"N(\d+)_d(None|[\d.]+)_s([\d.]+)", key)
    assert found is not None, "a mask is named N{side}_d{diameter}_s{sigma}"
    diameter = None if found[2] == "None" else float(found[2])
    return equal(soft_disk(int(found[1]), diameter, float(found[3])), z[key])


def custom_mask(z: Vectors, key: str) -> Finding:
    """Theirs cuts at zero; ours refuses what is negative and keeps what is not."""
    mask = tensor(z["custom_in"])
    side, negative = mask.shape[0], bool((mask < 0).any())
    try:
        given_mask(mask, side)
        refused = False
    except ValueError:
        refused = True
    ours = given_mask(mask.clamp_min(0), side)
    parts = [Holds("ours refuses negative masks, and only those", refused == negative), Same(ours, z[key])]
    return Finding([] if negative else parts, ("nothing_is_clamped",), parts)


def _filled(module: nn.Module, z: Vectors, names: Mapping[str, str]) -> nn.Module:
    own = dict(module.named_parameters())
    assert own.keys() == names.keys(), sorted(own.keys() ^ names.keys())
    with torch.no_grad():
        for name, theirs in names.items():
            value = tensor(z[theirs])
            own[name].data = value.reshape(own[name].shape).to(value.dtype)
    return module.eval()


def attention(z: Vectors, key: str) -> Finding:
    """CBAM and ECA."""
    x = tensor(z["x"])
    names = {"conv.weight": "eca.conv.weight"}
    if key == "cbam":
        names = {
            f"0.mlp.{ours}.{kind}": f"cbam.ChannelGate.mlp.{theirs}.{kind}"
            for ours, theirs in ((0, 1), (2, 3))
            for kind in ("weight", "bias")
        }
        names["1.conv.weight"] = "cbam.SpatialGate.compress.weight"
    return equal(_filled(Cbam(x.shape[1]) if key == "cbam" else Eca(), z, names)(x), z[key])


def _head(z: Vectors, *, border: bool) -> nn.Module:
    names = {"centre.weight": "dec.conv1.weight", "centre.bias": "dec.conv1.bias"}
    out, channels = z["dec.conv1.weight"].shape[0], z["dec_x"].shape[1]
    hidden, outer = z["dec.conv_up_block.conv1.weight"].shape[:2]
    head = PatchHead(channels, outer, out, border=border, batch_norm=False)
    if border:
        # The golden block has as many channels inside as a whole decoder, whatever its input has.
        layers = (ConvBlock(outer, hidden), nn.Upsample(scale_factor=2.0))
        head.border = nn.Sequential(*layers, nn.Conv2d(hidden, out, 3, padding=1))
        for ours, theirs in (("0.0", "conv_up_block.conv1"), ("0.2", "conv_up_block.conv2"), ("2", "conv2")):
            for kind in ("weight", "bias"):
                names[f"border.{ours}.{kind}"] = f"dec.{theirs}.{kind}"
    return _filled(head, z, names)


def last_layer(z: Vectors, key: str) -> Finding:
    """The centre alone; or with a border, which theirs activates with SiLU."""
    if key == "dec_out_probe_small":
        return equal(_head(z, border=False)(tensor(z["dec_x"]), torch.sigmoid), z[key])
    head, x = _head(z, border=True), tensor(z["dec_x"])
    return Finding(
        [Same(head(x, torch.sigmoid), z[key])],
        ("one_activation_for_a_patch",),
        [Same(head(x, torch.sigmoid, functional.silu), z[key])],
    )


def fourier_block(z: Vectors, key: str) -> Finding:
    """With the positive row frequencies that theirs keeps."""
    width, _, modes = z["pb.spectral.weights"].shape[:3]
    names = {
        "spectral.weights": "pb.spectral.weights",
        "local.weight": "pb.local_conv.weight",
        "local.bias": "pb.local_conv.bias",
    }
    block = _single(_filled(FourierBlock(width, modes, negative_rows=False), z, names))
    made = block(tensor(z["x"]).float())
    return Finding(rules=("both_signs_of_row_frequencies",), explained=[Same(made, z[key])])


def _single(module: nn.Module) -> nn.Module:
    """In single precision, in which operators in Fourier space compute."""
    for parameter in module.parameters():
        parameter.data = parameter.data.to(torch.complex64 if parameter.is_complex() else torch.float32)
    return module


def factorised(z: Vectors, key: str) -> Finding:
    """The operator alone, and a stack of one block."""
    width, _, modes = z["ffno.shared_spectral.weights_x"].shape
    names = {
        "gate": "ffno.gate",
        "spectral.columns": "ffno.shared_spectral.weights_x",
        "spectral.rows": "ffno.shared_spectral.weights_y",
    }
    for part in ("norm", "expand", "project"):
        names |= {f"blocks.0.{part}.{kind}": f"ffno.{part}.{kind}" for kind in ("weight", "bias")}
    stack = _single(_filled(FactorisedStack(width, modes, 1), z, names))
    x: Tensor = tensor(z["x"]).float()
    return equal(stack(x) if key == "ffno_block" else stack.get_submodule("spectral")(x), z[key])


def input_transform(z: Vectors, key: str) -> Finding:
    """Square root, logarithm, instance norm."""
    return equal(INPUT_TRANSFORMS[key](tensor(z["x"])), z[key])
