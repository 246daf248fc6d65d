"""Model files of ptychodus under the name where it looks for them."""

from ptycho_torch.compat.ptychodus.checkpoint import find_best_checkpoint

__all__ = ["find_best_checkpoint"]
