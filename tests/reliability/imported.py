"""What the forked processes need; imports only."""

import lightning.pytorch as pl
import matplotlib.backends.backend_agg as agg

from ptycho_torch.api import inference, refinement, training
from ptycho_torch.cli import main
from ptycho_torch.sweep import trial

__all__ = ["agg", "inference", "main", "pl", "refinement", "training", "trial"]
