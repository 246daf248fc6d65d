"""A page on this machine that shows a training while it runs: `with serve(folder) as address: ...`."""

from ptycho_torch.watch.server import serve as serve
