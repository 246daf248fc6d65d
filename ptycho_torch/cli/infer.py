"""`ptycho_inference`: reconstruct a scan with a trained network, one's own or the shipped one."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ptycho_config.schema import InferenceSetup
from ptycho_torch.cli import common
from ptycho_torch.cli.dialects import EPILOG, add_dialects
from ptycho_torch.cli.flags import INFERENCE
from ptycho_torch.cli.options import add_flags
from ptycho_torch.cli.parser import Parser
from ptycho_torch.pretrained import PRETRAINED


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add every argument of an inference."""
    parser.add_argument(
        "--model_path",
        "--model-path",
        "--model_dir",
        "--model-dir",
        type=Path,
        default=PRETRAINED,
        help="folder of a training run, or its wts.h5.zip [default: the network that comes with ptycho]",
    )
    scan = parser.add_mutually_exclusive_group(required=True)
    scan.add_argument("scan", type=Path, nargs="?", metavar="SCAN", help="scan to reconstruct")
    scan.add_argument(
        "--test_data",
        "--test-data",
        "--test_data_file",
        "--test-data-file",
        type=Path,
        metavar="SCAN",
        help="the same, by name",
    )
    add_flags(parser, InferenceSetup, INFERENCE)
    common.add_strict_flag(parser)
    common.add_shared_flags(parser)
    add_dialects(parser, InferenceSetup, INFERENCE)
    parser.set_defaults(work=work)


def parser() -> argparse.ArgumentParser:
    """The arguments of `ptycho_inference`."""
    made = Parser(prog="ptycho_inference", description=__doc__, epilog=EPILOG)
    add_arguments(made)
    return made


def work(arguments: argparse.Namespace) -> int:
    """Reconstruct, or show what would be reconstructed; returns the exit status."""
    sources = common.sources_from(arguments, InferenceSetup)
    model, scan = arguments.model_path, arguments.scan or arguments.test_data
    if not common.is_inspection(arguments):
        if model == PRETRAINED and not arguments.quiet:
            print("using the network that comes with ptycho; --model_path names another", file=sys.stderr)
        common.announce(arguments)
    from ptycho_torch.api import reconstruct, resolve_inference

    if common.is_inspection(arguments):
        from ptycho_torch.data.dataset import read_dataset
        from ptycho_torch.data.readers import open_scan
        from ptycho_torch.files import check_folder
        from ptycho_torch.output.bundle import load_bundle

        trained = load_bundle(model).setup
        with open_scan(scan) as opened:
            configs, delta = resolve_inference(
                trained, model, scan, sources=sources, checked=arguments.dry_run, scan=opened
            )
            if arguments.dry_run:
                check_folder(configs.config.inference.output_dir)
                torch, needed = configs.config.torch, not configs.config.torch.refine.unknown
                read_dataset(
                    opened, torch.scale.domain, torch.data.position_origin, mask=torch.data.mask, probe_needed=needed
                )
        common.print_inspection(arguments, configs, delta)
        return 0
    result = reconstruct(model, scan, sources=sources)
    metrics = result.metrics
    print(
        f"reconstructed {metrics.patterns} patterns in {metrics.seconds.predict_and_stitch:.1f} s; "
        f"R = {metrics.R:.4f} (a flat object has {metrics.R_flat:.4f})"
    )
    for sentence in metrics.choices:
        print(sentence)
    status = common.print_verdict(metrics.verdict, strict=arguments.strict)
    print(f"open {result.folder / 'report.html'}")
    return status


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    return common.run(parser(), argv)


if __name__ == "__main__":
    sys.exit(main())
