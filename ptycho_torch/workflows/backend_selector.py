"""The choice of a backend under the module name that PtychoPINN users know."""

from ptycho_torch.compat.ptychopinn.backend_selector import *  # noqa: F403
