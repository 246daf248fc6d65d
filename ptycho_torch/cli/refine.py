"""`ptycho refine`: improve an object against the patterns of a scan, without a network."""

import argparse
from pathlib import Path
from typing import get_args

from ptycho_config import parse
from ptycho_config.layers import COMMAND_LINE
from ptycho_config.schema import DataOptions, RefineOptions
from ptycho_config.schema.specs import specs
from ptycho_torch.cli.common import add_reading_flags, add_strict_flag, announce, non_negative, print_verdict

PASSES = 6
GROUP = "torch.refine."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add scan, start, options and output folder."""
    parser.add_argument("scan", type=Path, help="scan with the patterns")
    parser.add_argument(
        "--start",
        default="coarse",
        metavar="WHAT",
        help="'coarse', what totals and centres of mass of the patterns give; 'flat'; or a "
        "reconstruction.npz or product.h5 [default: %(default)s]",
    )
    parser.add_argument("--output_dir", type=Path, default=Path("refined"), help="folder for results")
    parser.add_argument("--passes", type=int, default=PASSES, help="passes over the patterns [default: %(default)s]")
    parser.add_argument("--probe", action="store_true", help="refine the probe too")
    parser.add_argument("--positions", action="store_true", help="correct the positions of the scan too")
    add_reading_flags(parser)
    parser.add_argument(
        "--position-origin",
        choices=get_args(specs(DataOptions)["position_origin"].annotation),
        default=specs(DataOptions)["position_origin"].default,
        help="where in the first pixel position 0 of an NPZ lies [default: %(default)s]",
    )
    parser.add_argument("--fix-orientation", action="store_true", help="turn the positions as the patterns need it")
    add_strict_flag(parser)
    parser.add_argument("--accelerator", default="auto", help="device [default: %(default)s]")
    parser.add_argument("--seed", type=non_negative, default=0, help="seed of the order of the patterns")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="another option of torch.refine, with or without that in front",
    )
    parser.add_argument("--quiet", action="store_true", help="show no progress")
    parser.set_defaults(work=work)


def work(arguments: argparse.Namespace) -> int:
    """Refine and print how well the object explains the patterns; returns the exit status.

    Raises ConfigError or DataError.
    """
    switches = {"refine_probe": arguments.probe, "refine_positions": arguments.positions}
    given = [f"passes={arguments.passes}", *(f"{name}=true" for name, enabled in switches.items() if enabled)]
    more = [assignment.removeprefix(GROUP) for assignment in arguments.set]
    options = parse(RefineOptions, [*given, *more], COMMAND_LINE)(RefineOptions())
    data = DataOptions(
        position_origin=arguments.position_origin, mask=arguments.mask, fix_orientation=arguments.fix_orientation
    )
    announce(arguments)
    from ptycho_torch.api.refinement import refine_scan

    made = refine_scan(
        arguments.scan,
        arguments.output_dir,
        options,
        start=arguments.start,
        domain=arguments.measurement_domain,
        data=data,
        seed=arguments.seed,
        accelerator=arguments.accelerator,
        visible=not arguments.quiet,
    )
    metrics, seconds = made.metrics, made.metrics.seconds.refine
    print(
        f"refined {metrics.patterns} patterns in {seconds:.1f} s; R = {metrics.R:.4f} "
        f"(a flat object has {metrics.R_flat:.4f})"
    )
    for sentence in metrics.choices:
        print(sentence)
    status = print_verdict(metrics.verdict, strict=arguments.strict)
    print(f"open {made.folder / 'phase.png'}")
    return status
