"""The torch workflow under the module name that PtychoPINN users know."""

from ptycho_torch.compat.ptychopinn.components import *  # noqa: F403
