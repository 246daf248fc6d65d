"""`ptycho convert`: a scan of any format as NPZ, CXI, ptyd, EMD or HDF5 of ptychodus."""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `ptycho convert`."""
    parser.add_argument("source", type=Path, metavar="IN", help="a scan file of any format that is read")
    parser.add_argument(
        "target",
        type=Path,
        metavar="OUT",
        help="new file: .npz, .cxi, .ptyd, .emd, .h5 (training data of ptychodus), or product.h5 with diffraction.h5",
    )
    parser.set_defaults(work=convert)


def convert(arguments: argparse.Namespace) -> None:
    """Write the scan, and print what was written."""
    from ptycho_torch.output.convert import convert_scan

    made = convert_scan(arguments.source, arguments.target)
    height, width = made.frame
    print(f"wrote {made.count} patterns of {height} x {width} as {made.dialect}: {arguments.target}")
