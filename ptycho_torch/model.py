"""The model class of ptychodus under the name where it looks for it."""

from ptycho_torch.compat.ptychodus.training import PtychoPINN_Lightning

__all__ = ["PtychoPINN_Lightning"]
