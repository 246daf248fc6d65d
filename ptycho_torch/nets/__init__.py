"""Networks: from measured amplitudes and the probe to complex object patches."""

from ptycho_torch.nets.build import build_network
from ptycho_torch.nets.measurements import Measurements, ObjectNet
from ptycho_torch.nets.network import Network, ObjectNetwork
from ptycho_torch.nets.unet import UNet
from ptycho_torch.nets.unrolled import UnrolledNet
from ptycho_torch.nets.unrolled_patches import UnrolledPatchNet

__all__ = [
    "Measurements",
    "Network",
    "ObjectNet",
    "ObjectNetwork",
    "UNet",
    "UnrolledNet",
    "UnrolledPatchNet",
    "build_network",
]
