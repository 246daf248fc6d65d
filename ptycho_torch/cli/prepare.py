"""`ptycho prepare IN OUT STEP ...`: crop, bin, centre, mask, cut and complete a scan."""

import argparse
import json
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs

from ptycho_config import ConfigError, Problem, dump, parse, resolve
from ptycho_config.schema import ScaleOptions
from ptycho_config.schema.specs import specs
from ptycho_torch.cli.parser import Parser
from ptycho_torch.prepare.options import OneStep, Preparation, Step

_EXAMPLES = """steps are taken in their order: NAME, then its options as NAME.OPTION=VALUE;
the name alone begins another step of that name. docs/data.md describes them.

examples:
  ptycho prepare raw.cxi scan.npz centre crop.side_px=256 bin.factor=2
  ptycho prepare raw.h5 scan.npz dark.path=dark.npy mask.path=bad.npy
  ptycho prepare scan.npz left.npz region.y_px=[0,200] region.x_px=[0,150]
  ptycho prepare scan.npz test.npz split.parts=4 split.part=3 split.by=y
  ptycho prepare raw.npz scan.cxi beamline.energy_ev=8800 \\
      beamline.distance_m=4.35 beamline.detector_pixel_m=75e-6 \\
      optics.diameter_m=2e-4 optics.outer_zone_m=5e-8 optics.defocus_m=1e-3

"""


def add_arguments(parser: Parser) -> None:
    """Add files, steps and their printing."""
    parser.epilog = _EXAMPLES + _list_steps()
    parser.usage = "%(prog)s IN OUT [STEP ...] [flags]"
    parser.add_argument("source", type=Path, metavar="IN", help="a scan file of any format that is read")
    parser.add_argument("target", type=Path, metavar="OUT", help="a new file: .npz, .cxi, .h5, or product.h5")
    parser.assignments = True
    parser.names = frozenset(specs(OneStep)["step"].members)
    parser.add_argument("--config", type=Path, metavar="FILE", help="steps from a file, taken first: `steps: [...]`")
    parser.add_argument("--print-config", action="store_true", help="print the steps as a config file, and exit")
    parser.add_argument(
        "--measurement-domain",
        choices=list(ScaleOptions.CONTRACTS),
        default=specs(ScaleOptions)["domain"].default,
        help="what the patterns are [default: %(default)s]",
    )
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")
    parser.set_defaults(work=work)


def _list_steps() -> str:
    lines = ["steps and their options:"]
    for name, member in specs(OneStep)["step"].members.items():
        text = textwrap.wrap(" ".join(specs(member)), 60) or [""]
        lines += [f"  {name:14} {text[0]}", *(f"  {'':14} {more}" for more in text[1:])]
    return "\n".join(lines)


def work(arguments: argparse.Namespace) -> None:
    """Take the steps and write, or print them. Raises ConfigError or DataError."""
    before = Preparation()
    if arguments.config:
        before = resolve(Preparation(), parse(Preparation, arguments.config)).config
    preparation = Preparation(steps=(*before.steps, *read_steps(arguments.assignments)))
    if arguments.print_config:
        print(json.dumps(dump(preparation), indent=2))
        return
    from ptycho_torch.prepare.run import prepare_scan

    made = prepare_scan(arguments.source, arguments.target, preparation, arguments.measurement_domain)
    if not arguments.quiet:
        height, width = made.frame
        for note in made.notes:
            print(note)
        print(f"wrote {len(made.position_yx)} patterns of {height} x {width}: {arguments.target}")


def read_steps(words: Sequence[str]) -> tuple[Step, ...]:
    """The steps that words state, each `NAME` or `NAME.OPTION=VALUE`. Raises ConfigError."""
    made, problems = list[Step](), list[Problem]()
    for number, (name, given) in enumerate(_group(words), 1):
        where = f"step {number}"
        texts = [("step", name, where), *((f"step.{path}", text, where) for path, text in given)]
        try:
            made.append(resolve(OneStep(), parse(OneStep, texts)).config.step)
        except ConfigError as error:
            problems += [_of_step(one, name, where) for one in error.problems]
    if problems:
        raise ConfigError(problems, "steps")
    return tuple(made)


def _of_step(problem: Problem, name: str, where: str) -> Problem:
    """A problem of the option `step` as one of the step of this name."""
    path = name if problem.path == "step" else f"{name}.{problem.path.removeprefix('step.')}"
    return attrs.evolve(problem, path=path, layer="", where=where, hint=problem.hint.replace("'step.", f"'{name}."))


def _group(words: Sequence[str]) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Names of steps with their options; options of one name in a row belong to one step."""
    name, given = "", list[tuple[str, str]]()
    for word in words:
        head, _, option = word.partition("=")[0].partition(".")
        if head != name or not option:
            if name:
                yield name, given
            name, given = head, []
        if option:
            given.append((option, word.partition("=")[2]))
    if name:
        yield name, given
