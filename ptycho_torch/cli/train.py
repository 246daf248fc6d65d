"""`ptycho_train`: train a network on a ptychography scan."""

import argparse
import sys
import webbrowser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

import attrs
import shtab

from ptycho_config import Sources, create_training_payload, parse
from ptycho_config.layers import COMMAND_LINE
from ptycho_config.profiles import RECOMMENDED
from ptycho_config.schema import TrainingSetup
from ptycho_config.schema.paths import leaves_of
from ptycho_torch.cli import common
from ptycho_torch.cli.dialects import EPILOG, add_dialects
from ptycho_torch.cli.flags import RESULTS, TRAINING
from ptycho_torch.cli.messages import conclude
from ptycho_torch.cli.options import add_flags
from ptycho_torch.cli.output_folder import TRAINED, protect_results
from ptycho_torch.cli.parser import Parser

EXAMPLE = "example:  %(prog)s scan.npz --output-dir run --max-epochs 4 --seed 1"


LOGGER = "execution.logger_backend"
# Drawn after every epoch, unless options say otherwise.
PICTURES = {"execution.recon_log_every_n_epochs": "1", "execution.recon_log_stitch": "true"}


def add_arguments(parser: Parser) -> None:
    """Add every argument of a training."""
    parser.usage = "%(prog)s SCAN [--output-dir DIR] [flags]"
    parser.epilog = f"{EXAMPLE}\n{EPILOG}"
    scan = parser.group(RESULTS).add_argument(
        "scan", nargs="?", metavar="SCAN", help="scan to train on, or a folder of scans"
    )
    scan.complete = shtab.FILE  # type: ignore[attr-defined] # shtab reads it
    add_flags(parser, TrainingSetup, TRAINING, _defaults())
    parser.group(RESULTS).add_argument(
        "--resume", action="store_true", help="go on from the last checkpoint in the output folder"
    )
    parser.group(RESULTS).add_argument(
        "--watch", action="store_true", help="show losses and pictures in the browser while it trains"
    )
    parser.hide(common.add_result_flags(parser))
    parser.hide(common.add_profile_flag(parser))
    common.add_shared_flags(parser, TrainingSetup)
    add_dialects(parser, TrainingSetup, TRAINING)
    parser.set_defaults(work=work)


def _defaults() -> dict[str, str]:
    """The value of every option where nothing is given, by path."""
    setup = create_training_payload(profile=RECOMMENDED)[0].config
    return {path: str(value) for path, _, value in leaves_of(setup)}


def parser() -> argparse.ArgumentParser:
    """The arguments of `ptycho_train`."""
    made = Parser(prog="ptycho_train", description=SUMMARY)
    add_arguments(made)
    return made


SUMMARY = "Train a network on a ptychography scan, from its patterns alone."


def work(arguments: argparse.Namespace) -> int:
    """Train, or show what would be trained; returns the exit status."""
    positional = [] if arguments.scan is None else [("training.train_data_file", arguments.scan, "SCAN")]
    sources = common.sources_from(arguments, TrainingSetup, positional)
    profile, sources = common.profile_from(arguments, sources)
    if common.writes(arguments) and not (arguments.overwrite or arguments.resume):
        sources = protect_results(sources, TrainingSetup, "training.output_dir", TRAINED)
    common.announce(arguments)
    with common.quick_imports():
        from ptycho_torch.api.training import open_training, run_training

    sources = _with_pictures(sources, watched=arguments.watch)
    if common.is_inspection(arguments):
        configs, delta, opened = open_training(profile=profile, sources=sources, checked=arguments.dry_run)
        with opened.closing():
            if arguments.dry_run:
                from ptycho_torch.cli.preview import preview_training

                print(preview_training(configs.config, opened))
                return 0
        common.print_inspection(arguments, configs, delta)
        return 0
    opening = open_training(profile=profile, sources=sources)
    with _watch(opening[0].config.training.output_dir) if arguments.watch else nullcontext():
        result = run_training(*opening, resume=arguments.resume)
    record = result.record
    assert record.kept_epoch is not None
    assert record.seconds is not None
    assert record.verdict is not None
    sentence = (
        f"trained {len(record.history.train_loss)} epochs in {record.seconds.training:.0f} s, kept epoch "
        f"{record.kept_epoch + 1}; bundle: {result.bundle}"
    )
    return conclude(arguments, [sentence], record.verdict, result.bundle.parent / "report.html")


def _with_pictures(sources: Sources, *, watched: bool) -> Sources:
    """With pictures after every epoch, where somebody looks at them: on the page of the training, or in TensorBoard."""
    given = {step.path: step.arg for step in (*sources.config_file.steps, *sources.command_line.steps)}
    if not watched and given.get(LOGGER) != "tensorboard":
        return sources
    because = "--watch" if watched else "for TensorBoard"
    texts = [(path, text, because) for path, text in PICTURES.items() if path not in given]
    return attrs.evolve(sources, command_line=parse(TrainingSetup, texts, COMMAND_LINE) >> sources.command_line)


@contextmanager
def _watch(folder: Path) -> Iterator[None]:
    """Show the training in the folder in the browser until the block ends."""
    from ptycho_torch.watch import serve

    with serve(folder) as address:
        print(f"watch at {address}", file=sys.stderr, flush=True)
        webbrowser.open(address)
        yield


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    return common.run(parser(), argv)


if __name__ == "__main__":
    sys.exit(main())
