"""Conversion of flat configs under the module name that PtychoPINN users know."""

from ptycho_torch.compat.ptychopinn.config_bridge import *  # noqa: F403
