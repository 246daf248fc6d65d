"""`ptycho export OUT.ckpt [MODEL]`: a trained network as the file that ptychodus loads."""

import argparse
from pathlib import Path

from ptycho_torch.cli.common import announce
from ptycho_torch.cli.parser import Parser

_EXAMPLE = """example:  ptycho export model.ckpt      the network that comes with ptycho
In ptychodus: Load Model..., then Reconstruct. No training is needed."""


def add_arguments(parser: Parser) -> None:
    """Add the file, the model and the passes."""
    parser.epilog = _EXAMPLE
    parser.add_argument("target", type=Path, metavar="OUT", help="a new file that ends in .ckpt")
    parser.add_argument(
        "model",
        nargs="?",
        type=Path,
        metavar="MODEL",
        help="a training's folder or bundle; by default the network that comes with ptycho",
    )
    parser.add_argument(
        "--refine-passes",
        type=_passes,
        metavar="N",
        help="passes of refinement of a reconstruction in ptychodus; 0 leaves what the network draws",
    )
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")
    parser.set_defaults(work=work)


def _passes(text: str) -> int:
    if (number := int(text)) < 0:
        raise argparse.ArgumentTypeError(f"must be 0 or more, got {number}")
    return number


def work(arguments: argparse.Namespace) -> None:
    """Write the file. Raises DataError."""
    announce(arguments)
    from ptycho_torch.compat.ptychodus.export import export_model
    from ptycho_torch.pretrained import PRETRAINED

    export_model(arguments.model or PRETRAINED, arguments.target, arguments.refine_passes)
    if not arguments.quiet:
        print(f"wrote {arguments.target}: in ptychodus Load Model..., then Reconstruct")
