"""Networks: from measured amplitudes and the probe to complex object patches."""

from ptycho_torch.nets.build import build_network
from ptycho_torch.nets.unet import UNet
from ptycho_torch.nets.unrolled import StitchedNet
from ptycho_torch.nets.unrolled_patches import PrimedNet

__all__ = ["PrimedNet", "StitchedNet", "UNet", "build_network"]
