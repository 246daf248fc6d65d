"""`ptycho inspect`: print what a scan file, or each scan of a folder, holds."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from ptycho_torch.errors import DataError

if TYPE_CHECKING:
    from ptycho_torch.data.raw import RawScan


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `ptycho inspect`."""
    parser.add_argument("file", type=Path, help="a scan file, or a folder of scans")
    parser.add_argument("--json", action="store_true", help="print only what configurations need, as JSON")
    parser.set_defaults(work=inspect)


def inspect(arguments: argparse.Namespace) -> None:
    """Print every scan, and of each that cannot be used why. Then DataError, if there is one."""
    from ptycho_torch.data.readers import facts_of, inspect_dataset, scan_files

    if arguments.json:
        print(json.dumps(attrs.asdict(inspect_dataset(arguments.file)), indent=2))
        return
    files = scan_files(arguments.file)
    scans: list[RawScan] = []
    unusable: dict[str, DataError] = {}
    for file in files:
        text, error = _describe(file, scans)
        if error is not None:
            unusable[file.name] = error
        if len(files) > 1:
            print(text or file.name)
            if error is not None:
                print(f"  {'unusable':<11}{str(error).removeprefix(f'{file}: ')}")
        elif text:
            print(text)
    if not unusable:
        facts_of(arguments.file, scans)
    elif len(files) == 1:
        raise next(iter(unusable.values()))
    else:
        message = f"{len(unusable)} of {len(files)} scans cannot be used: {', '.join(unusable)}"
        raise DataError(str(arguments.file), message)


def _describe(file: Path, scans: "list[RawScan]") -> tuple[str, DataError | None]:
    """A description of the file, empty where it cannot be read, and why it cannot be used; adds the opened
    scan to the list."""
    from ptycho_torch.data.raw import check_scan
    from ptycho_torch.data.readers import open_scan
    from ptycho_torch.data.summary import describe

    text = ""
    try:
        with open_scan(file) as scan:
            scans.append(scan)
            text = describe(scan)
            check_scan(scan)
    except DataError as error:
        return text, error
    return text, None
