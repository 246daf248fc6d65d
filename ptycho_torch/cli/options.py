"""The flags of the commands: short forms of option paths, with the words that they take."""

import argparse
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import attrs

from ptycho_config.policy import is_settable
from ptycho_config.schema.paths import leaves
from ptycho_config.vocabulary import aliases

# The path of an option, its value, and how it was given.
Text = tuple[str, str, str]


@attrs.frozen
class Flag:
    """A flag that sets one option.

    path: the option, or a short name of it. words: spellings that stand for another text.
    text: for a switch, what it sets without a value. deprecated: what to use instead.
    rank: among flags given for one option, those of the highest rank count.
    """

    names: tuple[str, ...]
    path: str
    words: Mapping[str, str] = attrs.field(factory=dict)
    text: str | None = None
    deprecated: str = ""
    rank: int = 0


def value(path: str, *names: str, **more: Any) -> Flag:
    """`--flag VALUE`, under one or several names, for the option at `path`."""
    return Flag(names, path, **more)


def switch(path: str, name: str, text: str, **more: Any) -> Flag:
    """The flag `name`, which sets the option at `path` to `text`."""
    return Flag((name,), path, text=text, **more)


class Given(NamedTuple):
    """A flag as it was given."""

    text: Text
    flag: Flag


class _Given(argparse.Action):
    """Collects what is given in the order given; warns where a flag is deprecated."""

    def __init__(self, *, flag: Flag, **more: object) -> None:
        self.flag = flag
        super().__init__(**more)  # type: ignore[arg-type] # handed through

    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002 - argparse decides
        namespace: argparse.Namespace,
        values: str | Sequence[object] | None,
        option_string: str | None = None,
    ) -> None:
        flag, used = self.flag, option_string or self.flag.names[0]
        if flag.deprecated:
            warnings.warn(f"{used} is deprecated: {flag.deprecated}", DeprecationWarning, stacklevel=2)
        text = flag.text if flag.text is not None else str(values)
        namespace.given = [*namespace.given, Given((flag.path, flag.words.get(text, text), used), flag)]


def add_flags(parser: argparse.ArgumentParser, cls: type, flags: Sequence[Flag]) -> None:
    """Add the flags of a setup of class `cls` to a parser; each takes its help from the option's own doc,
    type and unit. One that cannot have an effect is read, so that the run can say why, but has no help."""
    known = dict(leaves(cls))
    parser.set_defaults(given=[])
    for flag in flags:
        path = flag.path if flag.path in known else aliases(cls)[flag.path].paths[0]
        spec = known[path]
        kind = f"{spec.type_name}, {spec.unit}" if spec.unit else spec.type_name
        text = f"{spec.doc} [{kind}]" if flag.text is None else f"{spec.doc}: {flag.text}"
        if flag.deprecated:
            text = f"deprecated: {flag.deprecated}"
        add_flag(parser, flag, text.replace("%", "%%") if is_settable(cls, path) else argparse.SUPPRESS)


def add_flag(parser: argparse.ArgumentParser, flag: Flag, help_text: str) -> None:
    """Add one flag to a parser; `argparse.SUPPRESS` as help_text leaves it out of the help."""
    parser.add_argument(
        *flag.names,
        action=_Given,
        flag=flag,
        dest=argparse.SUPPRESS,
        default=argparse.SUPPRESS,
        nargs=None if flag.text is None else 0,
        metavar="VALUE" if flag.text is None else None,
        help=help_text,
    )


def effective_assignments(given: Sequence[Given]) -> list[Text]:
    """The flags given that count: for one option those of the highest rank, and of switches the last one."""
    rank: dict[str, int] = {}
    last: dict[str, int] = {}
    for position, ((path, _, _), flag) in enumerate(given):
        rank[path] = max(flag.rank, rank.get(path, flag.rank))
        last[path] = position if flag.text is not None else last.get(path, position)
    return [
        text
        for position, (text, flag) in enumerate(given)
        if flag.rank == rank[text[0]] and (flag.text is None or last[text[0]] == position)
    ]
