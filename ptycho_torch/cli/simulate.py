"""`ptycho simulate OUT [NAME=VALUE ...]`: a scan with known truth."""

import argparse
import json
from pathlib import Path

from ptycho_config import dump, parse, resolve
from ptycho_config.transform import Transform
from ptycho_torch.cli.common import announce
from ptycho_torch.cli.parser import Parser

_EXAMPLES = """examples:
  ptycho simulate scan.npz object=polyhedra step_px=8 detector.photons=1e5
  ptycho simulate scan.cxi probe=lens probe.stop=0.3 modes=2 positions=fermat
  ptycho simulate scan.h5 object=images object.phase=mine.png errors.rms_px=1
  ptycho simulate --explain     every option with its value, unit and source"""


def add_arguments(parser: Parser) -> None:
    """Add the file, the options and their printing."""
    parser.epilog = _EXAMPLES
    parser.add_argument(
        "target", nargs="?", type=Path, metavar="OUT", help="a new file: .npz, .cxi, or .h5 for ptychodus"
    )
    parser.usage = "%(prog)s [OUT] [NAME=VALUE ...] [flags]"
    parser.assignments = True
    parser.add_argument("--config", type=Path, metavar="FILE", help="options from a .yaml, .toml or .json file")
    looks = parser.add_mutually_exclusive_group()
    looks.add_argument("--explain", action="store_true", help="print every option with its value, and exit")
    looks.add_argument("--print-config", action="store_true", help="print the options as a config file, and exit")
    parser.add_argument("--draw", type=Path, metavar="FILE", help="write a picture of the scan, PNG")
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")
    parser.set_defaults(work=work)


def work(arguments: argparse.Namespace) -> None:
    """Simulate and write, or print the options. Raises ConfigError or DataError."""
    from ptycho_torch.errors import DataError
    from ptycho_torch.simulation import Simulation

    layers = (
        parse(Simulation, arguments.config) if arguments.config else Transform(),
        parse(Simulation, arguments.assignments),
    )
    resolved = resolve(Simulation(), *layers)
    if arguments.explain:
        print(resolved.explain())
        return
    if arguments.print_config:
        print(json.dumps(dump(resolved.config), indent=2))
        return
    if arguments.target is None:
        raise DataError("OUT", "is missing", "name the file to write: .npz, .cxi or .h5")
    announce(arguments)
    from ptycho_torch.simulation import simulate, write_simulation

    made = simulate(resolved.config)
    written = write_simulation(arguments.target, made)
    if arguments.draw is not None:
        from ptycho_torch.data.dataset import read_dataset
        from ptycho_torch.data.readers import open_scan
        from ptycho_torch.output.scan_figure import draw_scan

        with open_scan(written[0]) as scan:
            draw_scan(arguments.draw, read_dataset(scan, "count_intensity"), written[0].name)
    if not arguments.quiet:
        mean = made.counts.sum(axis=(1, 2)).mean()
        count, side = made.counts.shape[:2]
        print(f"wrote {count} patterns of {side} x {side}, {mean:.4g} counts each: {', '.join(map(str, written))}")
