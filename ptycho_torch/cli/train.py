"""`ptycho_train`: train a network on a ptychography scan."""

import argparse
import sys
from collections.abc import Sequence

from ptycho_config.schema import TrainingSetup
from ptycho_torch.cli import common
from ptycho_torch.cli.dialects import EPILOG, add_dialects
from ptycho_torch.cli.flags import TRAINING
from ptycho_torch.cli.options import add_flags
from ptycho_torch.cli.parser import Parser


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add every argument of a training."""
    parser.add_argument(
        "scan", nargs="?", metavar="SCAN", help="scan to train on, or a folder of scans: --train_data_file"
    )
    add_flags(parser, TrainingSetup, TRAINING)
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint in the output folder")
    common.add_strict_flag(parser)
    common.add_profile_flag(parser)
    common.add_shared_flags(parser)
    add_dialects(parser, TrainingSetup, TRAINING)
    parser.set_defaults(work=work)


def parser() -> argparse.ArgumentParser:
    """The arguments of `ptycho_train`."""
    made = Parser(prog="ptycho_train", description=__doc__, epilog=EPILOG)
    add_arguments(made)
    return made


def work(arguments: argparse.Namespace) -> int:
    """Train, or show what would be trained; returns the exit status."""
    positional = [] if arguments.scan is None else [("training.train_data_file", arguments.scan, "SCAN")]
    sources = common.sources_from(arguments, TrainingSetup, positional)
    profile, sources = common.profile_from(arguments, sources)
    if not common.is_inspection(arguments):
        common.announce(arguments)
    from ptycho_torch.api.training import open_training, train

    if common.is_inspection(arguments):
        from ptycho_torch.data.dataset import read_dataset
        from ptycho_torch.files import check_folder

        configs, delta, opened = open_training(profile=profile, sources=sources, checked=arguments.dry_run)
        setup = configs.config
        with opened.closing():
            if arguments.dry_run:
                check_folder(setup.training.output_dir)
                data = setup.torch.data
                for scan in (*opened.training, *opened.validation):
                    read_dataset(scan, setup.torch.scale.domain, data.position_origin, mask=data.mask)
        common.print_inspection(arguments, configs, delta)
        return 0
    result = train(profile=profile, sources=sources, resume=arguments.resume)
    record = result.record
    assert record.kept_epoch is not None
    assert record.seconds is not None
    assert record.verdict is not None
    print(
        f"trained {len(record.history.train_loss)} epochs in {record.seconds.training:.0f} s, kept epoch "
        f"{record.kept_epoch + 1}; bundle: {result.bundle}"
    )
    return common.print_verdict(record.verdict, strict=arguments.strict)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    return common.run(parser(), argv)


if __name__ == "__main__":
    sys.exit(main())
