"""`ptycho pretrain OUT [NAME=VALUE ...]`: a network without measured data."""

import argparse
import time
from pathlib import Path

from ptycho_config import parse, resolve
from ptycho_torch.cli.common import announce
from ptycho_torch.cli.parser import Parser

_EXAMPLES = """examples:
  ptycho pretrain net --probe scan.npz      a network for the probe of a scan
  ptycho pretrain net --probe probe.npy photons=[1e3,1e5] phase_rad=[0.1,1]
  ptycho pretrain net torch.net.width=24    with an option of trainings
  ptycho pretrain net --explain             every option of the family
  ptycho pretrain net                       make the shipped network again (1 h)
  ptycho infer scan.npz --model-path net    use it"""
_OF_TRAININGS = ("training.", "torch.", "execution.")
# One probe takes far fewer scans than a family of probes: 4 minutes on one core.
_SCANS_OF_A_PROBE = ("scans=16", "large=0", "epochs=3")


def add_arguments(parser: Parser) -> None:
    """Add the folder, the probe and the options of the family."""
    parser.epilog = _EXAMPLES
    parser.usage = "%(prog)s OUT [NAME=VALUE ...] [flags]"
    parser.add_argument("output_dir", type=Path, metavar="OUT", help="folder of the network, as of a training")
    parser.assignments = True
    parser.add_argument("--probe", type=Path, metavar="FILE", help="a scan or .npy array with the probe of all scans")
    parser.add_argument("--explain", action="store_true", help="print every option of the family, and exit")
    parser.add_argument("--no-check", action="store_true", help="do not try the network on a further scan")
    parser.set_defaults(work=work)


def work(arguments: argparse.Namespace) -> None:
    """Simulate, train, try, and print time and quality. Raises ConfigError or DataError."""
    from ptycho_torch.pretraining.options import Family

    of_a_probe = [*_SCANS_OF_A_PROBE, f"probe={arguments.probe}"] if arguments.probe else []
    options = [text for text in arguments.assignments if text.startswith(_OF_TRAININGS)]
    own = [text for text in arguments.assignments if text not in options]
    layers = parse(Family, of_a_probe, "--probe"), parse(Family, own)
    resolved = resolve(Family(), *layers)
    if arguments.explain:
        print(resolved.explain())
        return
    arguments.quiet = False
    announce(arguments)
    from ptycho_torch.pretraining.train import measure_quality, resolve_recipe, train_network

    start, family = time.perf_counter(), resolved.config
    made = train_network(resolve_recipe(arguments.output_dir, family, options), family)
    print(f"wrote {made.bundle}: {family.scans} scans, {family.epochs} epochs, {time.perf_counter() - start:.0f} s")
    if not arguments.no_check:
        for name, (contrast, detail, seconds) in measure_quality(made, family).items():
            print(f"{name} on a further scan: contrast {contrast:.3f}, detail {detail:.3f}, {seconds:.1f} s")
