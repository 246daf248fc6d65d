"""`ptycho watch`: a page on this machine that shows a training while it runs."""

import argparse
import sys
import time
import webbrowser
from pathlib import Path

from ptycho_torch.errors import MissingFileError

_PORTS = 65536


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the run, the port and the browser."""
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of a training, which may run already or not yet")
    parser.add_argument(
        "--port", type=_port, default=0, metavar="PORT", help="port of the page [default: any that is free]"
    )
    parser.add_argument("--no-browser", action="store_true", help="print the address, and open no browser")
    parser.set_defaults(work=work)


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number < _PORTS:
        raise argparse.ArgumentTypeError(f"must be 0 to {_PORTS - 1}, got {number}")
    return number


def work(arguments: argparse.Namespace) -> None:
    """Serve the page until the command is interrupted. Raises DataError."""
    from ptycho_torch.watch import serve

    if arguments.run.exists() and not arguments.run.is_dir():
        raise MissingFileError(str(arguments.run), "is no folder", "give the output folder of a training")
    with serve(arguments.run, arguments.port) as address:
        print(f"watch {arguments.run} at {address}; Ctrl-C ends this", file=sys.stderr, flush=True)
        if not arguments.no_browser:
            webbrowser.open(address)
        while True:
            time.sleep(1)
