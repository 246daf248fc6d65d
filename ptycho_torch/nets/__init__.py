"""Networks: from measured amplitudes and the probe to complex object patches."""

from ptycho_torch.nets.build import build_network
from ptycho_torch.nets.primed import PrimedNet
from ptycho_torch.nets.stitched import StitchedNet
from ptycho_torch.nets.unet import UNet

__all__ = ["PrimedNet", "StitchedNet", "UNet", "build_network"]
