"""The entry points of PtychoPINN under their names, thin over `ptycho_torch.api`."""
