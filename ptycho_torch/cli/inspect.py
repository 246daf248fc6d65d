"""`ptycho inspect`: print what a scan file, or each scan of a folder, holds."""

import argparse
import json
from pathlib import Path

import attrs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `ptycho inspect`."""
    parser.add_argument("file", type=Path, help="a scan file, or a folder of scans")
    parser.add_argument("--json", action="store_true", help="print only what configurations need, as JSON")
    parser.set_defaults(work=inspect)


def inspect(arguments: argparse.Namespace) -> None:
    """Print. A scan that cannot be used is described first, then its DataError is raised."""
    from ptycho_torch.data.raw import checked
    from ptycho_torch.data.readers import inspect_scans, open_scan, scan_files
    from ptycho_torch.data.summary import describe

    if arguments.json:
        print(json.dumps(attrs.asdict(inspect_scans(arguments.file)), indent=2))
        return
    for file in scan_files(arguments.file):
        scan = open_scan(file)
        print(describe(scan))
        checked(scan)
    inspect_scans(arguments.file)
