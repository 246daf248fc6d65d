"""Networks: from measured amplitudes and the probe to complex object patches."""

from ptycho_torch.nets.measurements import Measurements, ObjectNet
from ptycho_torch.nets.network import Network, ObjectNetwork
from ptycho_torch.nets.unet import UNet
from ptycho_torch.nets.unrolled import UnrolledNet

__all__ = ["Measurements", "Network", "ObjectNet", "ObjectNetwork", "UNet", "UnrolledNet"]
