"""`ptycho_train`: train a network on a ptychography scan."""

import argparse
import sys
from collections.abc import Sequence

from ptycho_config import PROFILES, TrainingSetup
from ptycho_torch.cli.common import (
    add_option_flags,
    add_shared_flags,
    announce,
    look,
    only_looking,
    run,
    sources_from,
)

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
    if not only_looking(arguments):
        announce(arguments)
    profile = None if arguments.profile == NO_PROFILE else arguments.profile
    from ptycho_torch.api import resolve_training, train

    if only_looking(arguments):
        from ptycho_torch.data.readers import read_scan

        configs, delta = resolve_training(profile=profile, sources=sources)
        setup = configs.config
        for path in (setup.training.train_data_file, setup.training.test_data_file):
            if arguments.dry_run and path is not None:
                read_scan(path, setup.torch.data.measurement_domain)
        look(arguments, configs, delta)
        return
    result = train(profile=profile, sources=sources)
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
