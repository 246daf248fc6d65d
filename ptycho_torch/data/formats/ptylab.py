"""PtyLab in HDF5."""

from ptycho_torch.data.formats.hdf5 import hdf5_layout
from ptycho_torch.data.formats.ptylab_scan import PTYCHOGRAM, beam_positions, scan_of_ptylab
from ptycho_torch.data.formats.source import Source
from ptycho_torch.data.formats.views import as_list
from ptycho_torch.data.raw import RawScan


@hdf5_layout("PtyLab", PTYCHOGRAM)
def read_ptylab(source: Source) -> RawScan:
    """The patterns of `ptychogram`, where the probe lies on the sample by `encoder`, in m."""
    patterns = as_list(source.rows(PTYCHOGRAM, ndim=(3, 4)))
    return scan_of_ptylab(source, patterns, beam_positions(source, patterns.shape[0]))
