"""`ptycho_inference`: reconstruct a ptychography scan with a trained network."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ptycho_config import InferenceSetup
from ptycho_torch.cli.common import (
    add_option_flags,
    add_shared_flags,
    announce,
    look,
    only_looking,
    run,
    sources_from,
)

FLAGS = {
    "inference.output_dir": ("--output_dir",),
    "inference.n_groups": ("--n_groups", "--n_images"),
    "execution.inference_batch_size": ("--inference-batch-size",),
    "execution.accelerator": ("--accelerator",),
}


def parser() -> argparse.ArgumentParser:
    """The arguments of `ptycho_inference`."""
    made = argparse.ArgumentParser(prog="ptycho_inference", description=__doc__)
    made.add_argument(
        "--model_path", type=Path, required=True, help="folder of a training run, or its wts.h5.zip"
    )
    made.add_argument("--test_data", type=Path, required=True, help="scan to reconstruct")
    add_option_flags(made, InferenceSetup, FLAGS)
    add_shared_flags(made)
    return made


def _work(arguments: argparse.Namespace) -> None:
    sources = sources_from(arguments, InferenceSetup, FLAGS)
    if not only_looking(arguments):
        announce(arguments)
    from ptycho_torch.api import load, reconstruct, resolve_inference

    if only_looking(arguments):
        from ptycho_torch.data.readers import read_scan

        trained = load(arguments.model_path).setup
        configs, delta = resolve_inference(
            trained, arguments.model_path, arguments.test_data, sources=sources
        )
        if arguments.dry_run:
            read_scan(arguments.test_data, configs.config.torch.data.measurement_domain)
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
    return run(_work, parser().parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
