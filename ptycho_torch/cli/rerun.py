"""`ptycho rerun`: repeat a run from its record, and compare."""

import argparse
import sys
from pathlib import Path

from ptycho_torch.cli.common import announce
from ptycho_torch.errors import DataError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the run and the output folder."""
    parser.add_argument("run", type=Path, metavar="RUN", help="folder, config.json or bundle of a run")
    parser.add_argument("--output-dir", type=Path, metavar="DIR", help="new folder for results [default: RUN_rerun]")
    parser.add_argument("--quiet", action="store_true", help="print only the result")
    parser.set_defaults(work=work)


def work(arguments: argparse.Namespace) -> None:
    """Repeat the run. Raises DataError with every difference where the result is not the same to the last bit."""
    announce(arguments)
    from ptycho_torch.api import rerun

    made = rerun(arguments.run, arguments.output_dir, visible=not arguments.quiet)
    for sentence in made.circumstances:
        print(f"note: {sentence}", file=sys.stderr)
    if made.differences:
        hint = "; ".join(made.circumstances) or "versions, machine and files are those of the run"
        raise DataError(str(made.folder), f"is not the same: {'; '.join(made.differences[:5])}", hint)
    print(f"repeated in {made.folder}: all {made.compared} values are the same to the last bit")
