"""File formats. Importing this package registers the built-in readers, in the order of their turn."""

from ptycho_torch.data.formats import matlab, ptychodus, ptyd, cxi, nexus, hxn, ptylab, eiger, emd, ptyrad, npz  # noqa: F401, I001 - registers them
