"""`ptycho inspect`: print what a scan file, or each scan of a folder, holds."""

import argparse
import json
from pathlib import Path

import attrs

from ptycho_torch.errors import DataError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `ptycho inspect`."""
    parser.add_argument("file", type=Path, help="a scan file, or a folder of scans")
    parser.add_argument("--json", action="store_true", help="print only what configurations need, as JSON")
    parser.set_defaults(work=inspect)


def inspect(arguments: argparse.Namespace) -> None:
    """Print every scan, and of each that cannot be used why. Then DataError, if there is one."""
    from ptycho_torch.data.readers import inspect_scans, scan_files

    if arguments.json:
        print(json.dumps(attrs.asdict(inspect_scans(arguments.file)), indent=2))
        return
    files = scan_files(arguments.file)
    refused: dict[str, DataError] = {}
    for file in files:
        text, error = _described(file)
        if error is not None:
            refused[file.name] = error
        if len(files) > 1:
            print(text or file.name)
            if error is not None:
                print(f"  {'unusable':<11}{str(error).removeprefix(f'{file}: ')}")
        elif text:
            print(text)
    if not refused:
        inspect_scans(arguments.file)
    elif len(files) == 1:
        raise next(iter(refused.values()))
    else:
        message = f"{len(refused)} of {len(files)} scans cannot be used: {', '.join(refused)}"
        raise DataError(str(arguments.file), message)


def _described(file: Path) -> tuple[str, DataError | None]:
    """What the file holds, empty where that cannot be read, and why it cannot be used."""
    from ptycho_torch.data.raw import check_scan
    from ptycho_torch.data.readers import open_scan
    from ptycho_torch.data.summary import describe

    text = ""
    try:
        scan = open_scan(file)
        text = describe(scan)
        check_scan(scan)
    except DataError as error:
        return text, error
    return text, None
