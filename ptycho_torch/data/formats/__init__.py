"""File formats. Importing this package registers the built-in readers, in the order of their turn."""

from ptycho_torch.data.formats import matlab, ptychodus, ptyd, cxi, nexus, hxn, ptylab, eiger, emd, ptyrad  # noqa: F401, I001 - registers them
from ptycho_torch.data.formats import npz, hdf5_names  # noqa: F401 - registers them
