"""`ptycho`: one command for training, inference, data files and configurations."""

import sys
from collections.abc import Sequence
from importlib.metadata import version

import shtab

from ptycho_torch.cli import (
    configs,
    convert,
    evaluate,
    export,
    inspect,
    prepare,
    pretrain,
    refine,
    rerun,
    simulate,
    sweep,
    train,
    watch,
)
from ptycho_torch.cli import infer as inference
from ptycho_torch.cli.common import run
from ptycho_torch.cli.completion import script
from ptycho_torch.cli.parser import Parser

DESCRIPTION = "Ptychography: from diffraction patterns and positions to a complex image."
EXAMPLE = """start here:
  ptycho inspect scan.npz                    what it holds, and if it is sound
  ptycho infer scan.npz --output-dir result  then open result/report.html
  ptycho COMMAND --help                      the flags of a command"""


def parser() -> Parser:
    """The arguments of `ptycho` and of all its commands."""
    made = Parser(prog="ptycho", description=DESCRIPTION, epilog=EXAMPLE, usage="%(prog)s COMMAND ...")
    made.add_argument("--version", action="version", version=version("ptycho"))
    made.set_defaults(debug=False)
    commands = made.add_subparsers(dest="command", required=True, metavar="COMMAND", prog="ptycho")
    inference.add_arguments(
        commands.add_parser("infer", help="reconstruct a scan with a trained network", description=inference.SUMMARY)
    )
    train.add_arguments(commands.add_parser("train", help="train a network on a scan", description=train.SUMMARY))
    watch.add_arguments(commands.add_parser("watch", help="show a training in the browser while it runs"))
    evaluate.add_arguments(commands.add_parser("evaluate", help="compare an object with a reference"))
    inspect.add_arguments(commands.add_parser("inspect", help="print what a scan file holds"))
    convert.add_arguments(commands.add_parser("convert", help="write a scan in another format"))
    prepare.add_arguments(commands.add_parser("prepare", help="crop, bin, centre, mask, cut and complete a scan"))
    export.add_arguments(commands.add_parser("export", help="write a network as the model file of ptychodus"))
    refine.add_arguments(commands.add_parser("refine", help="improve an object without a network"))
    pretrain.add_arguments(commands.add_parser("pretrain", help="train a network on simulated scans alone"))
    rerun.add_arguments(commands.add_parser("rerun", help="repeat a run from its record and compare"))
    sweep.add_arguments(commands.add_parser("sweep", help="train every combination of some options"))
    simulate.add_arguments(commands.add_parser("simulate", help="make a scan with known truth"))
    configs.add_arguments(commands.add_parser("config", help="look at configurations"))
    completion = commands.add_parser("completion", help="print the completion script of a shell")
    completion.add_argument("shell", choices=shtab.SUPPORTED_SHELLS)
    completion.set_defaults(work=lambda arguments: print(script(made, arguments.shell)))
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    return run(parser(), argv)


if __name__ == "__main__":
    sys.exit(main())
