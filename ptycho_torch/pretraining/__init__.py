"""How the network in `ptycho_torch.pretrained` is made: a family of simulated scans and its training."""
