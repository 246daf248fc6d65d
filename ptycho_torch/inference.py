"""`ptycho_inference`: reconstruct a ptychography scan with a trained network."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ptycho_config import InferenceSetup
from ptycho_torch.cli.common import (
    add_shared_flags,
    announce,
    look,
    only_looking,
    parse_arguments,
    run,
    sources_from,
)
from ptycho_torch.cli.flags import INFERENCE
from ptycho_torch.cli.options import add_flags


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Everything that can be said about an inference."""
    parser.add_argument(
        "--model_path", type=Path, required=True, help="folder of a training run, or its wts.h5.zip"
    )
    parser.add_argument("--test_data", type=Path, required=True, help="scan to reconstruct")
    add_flags(parser, InferenceSetup, INFERENCE)
    add_shared_flags(parser)
    parser.set_defaults(work=work)


def parser() -> argparse.ArgumentParser:
    """The arguments of `ptycho_inference`."""
    made = argparse.ArgumentParser(prog="ptycho_inference", description=__doc__)
    add_arguments(made)
    return made


def work(arguments: argparse.Namespace) -> None:
    """Reconstruct, or show what would be reconstructed."""
    sources = sources_from(arguments, InferenceSetup, INFERENCE)
    if not only_looking(arguments):
        announce(arguments)
    from ptycho_torch.api import reconstruct, resolve_inference

    if only_looking(arguments):
        from ptycho_torch.bundle import load_bundle
        from ptycho_torch.data.readers import read_scan

        trained = load_bundle(arguments.model_path).setup
        configs, delta = resolve_inference(
            trained, arguments.model_path, arguments.test_data, sources=sources, checked=arguments.dry_run
        )
        if arguments.dry_run:
            read_scan(arguments.test_data, configs.config.torch.scale.domain)
        look(arguments, configs, delta)
        return
    result = reconstruct(arguments.model_path, arguments.test_data, sources=sources)
    metrics = result.metrics
    print(
        f"reconstructed {metrics['patterns']} patterns in {metrics['seconds']['predict_and_stitch']:.1f} s; "
        f"R = {metrics['R']:.4f} (a flat object has {metrics['R_flat']:.4f})"
    )
    print(f"open {result.folder / 'report.html'}")


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    arguments = parse_arguments(parser(), argv)
    return run(arguments.work, arguments)


if __name__ == "__main__":
    sys.exit(main())
