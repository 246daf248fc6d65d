"""`ptycho_train`: train a network on a ptychography scan."""

import argparse
import sys
from collections.abc import Sequence

from ptycho_config import PROFILES, TrainingSetup
from ptycho_torch.cli.common import add_option_flags, add_shared_flags, announce, run, sources_from

NO_PROFILE = "none"
FLAGS = {
    "training.train_data_file": ("--train_data_file",),
    "training.test_data_file": ("--test_data_file",),
    "training.output_dir": ("--output_dir",),
    "training.n_groups": ("--n_groups", "--n_images"),
    "training.model.gridsize": ("--gridsize",),
    "training.batch_size": ("--batch_size",),
    "training.nepochs": ("--max_epochs",),
    "execution.accelerator": ("--accelerator",),
}


def parser() -> argparse.ArgumentParser:
    """The arguments of `ptycho_train`."""
    made = argparse.ArgumentParser(prog="ptycho_train", description=__doc__)
    add_option_flags(made, TrainingSetup, FLAGS)
    made.add_argument(
        "--profile",
        choices=[*PROFILES, NO_PROFILE],
        default="primed",
        help="named set of recommended values, below all other options [default: %(default)s]",
    )
    add_shared_flags(made)
    return made


def _work(arguments: argparse.Namespace) -> None:
    sources = sources_from(arguments, TrainingSetup, FLAGS)
    announce(arguments)
    from ptycho_torch.api import train

    result = train(profile=None if arguments.profile == NO_PROFILE else arguments.profile, sources=sources)
    history, seconds = result.record["history"], result.record["seconds"]["training"]
    print(
        f"trained {len(history['train_loss'])} epochs in {seconds:.0f} s, kept epoch "
        f"{result.record['kept_epoch'] + 1}; bundle: {result.bundle}"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    return run(_work, parser().parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
