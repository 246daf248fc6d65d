"""The recipe of the network in `ptycho_torch.pretrained`: a family of simulated scans, and its training."""
