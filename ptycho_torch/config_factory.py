"""The factories under the module name that PtychoPINN users know."""

from ptycho_torch.compat.ptychopinn.config_factory import *  # noqa: F403
