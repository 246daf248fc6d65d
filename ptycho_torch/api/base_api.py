"""The calls of ptychodus under the name where it looks for them."""

from ptycho_torch.compat.ptychodus.inference import *  # noqa: F403
from ptycho_torch.compat.ptychodus.training import *  # noqa: F403
