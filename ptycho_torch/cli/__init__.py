"""Command lines: arguments become layers of the configuration; the work is in `ptycho_torch.api`."""
