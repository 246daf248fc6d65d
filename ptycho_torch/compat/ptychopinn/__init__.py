"""The functions and classes of PtychoPINN under their names, thin over `ptycho_torch.api`."""
