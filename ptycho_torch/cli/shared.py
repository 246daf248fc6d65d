"""Helpers of the commands under the module name that PtychoPINN users know."""

from ptycho_torch.compat.ptychopinn.cli_shared import *  # noqa: F403
