"""The flags of the commands: short forms of option paths, with the words that they take."""

import argparse
import re
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import attrs
import shtab

from ptycho_config.policy import is_settable
from ptycho_config.schema.fields import FieldSpec
from ptycho_config.schema.paths import leaves
from ptycho_config.vocabulary import aliases
from ptycho_torch.cli.completion import words
from ptycho_torch.cli.parser import Parser

# The path of an option, its value, and how it was given.
Text = tuple[str, str, str]
MORE = "More"


@attrs.frozen
class Flag:
    """A flag that sets one option.

    path: the option, or a short name of it. words: spellings that stand for another text.
    text: for a switch, what it sets without a value. deprecated: what to use instead.
    rank: among flags given for one option, those of the highest rank count.
    group: its place in the help; one in `MORE` is in `--help-all` only.
    """

    names: tuple[str, ...]
    path: str
    words: Mapping[str, str] = attrs.field(factory=dict)
    text: str | None = None
    deprecated: str = ""
    rank: int = 0
    group: str = MORE


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


def add_flags(parser: Parser, cls: type, flags: Sequence[Flag], defaults: Mapping[str, str]) -> None:
    """Add the flags of a setup of class `cls` to a parser; each takes its help from the option's own doc, type and
    unit, and its default from `defaults`, by path. One that cannot have an effect is read, so that the run can say why,
    but has no help."""
    known = dict(leaves(cls))
    parser.set_defaults(given=[])
    for flag in flags:
        path = flag.path if flag.path in known else aliases(cls)[flag.path].paths[0]
        spec, default = known[path], defaults.get(path, "")
        action = add_flag(parser, flag, spec, _long_help(flag, spec, default))
        if not is_settable(cls, path):
            action.help = argparse.SUPPRESS
        elif flag.group == MORE:
            parser.hide(action)
        else:
            parser.shorten(action, _short_help(flag, spec, default))


def add_flag(parser: Parser, flag: Flag, spec: FieldSpec, help_text: str) -> argparse.Action:
    """Add one flag of an option with this spec to a parser; `argparse.SUPPRESS` as help_text leaves it out of the
    help."""
    action = parser.group(flag.group).add_argument(
        *flag.names,
        action=_Given,
        flag=flag,
        dest=argparse.SUPPRESS,
        default=argparse.SUPPRESS,
        nargs=None if flag.text is None else 0,
        metavar=_METAVARS.get(spec.type_name.partition(" ")[0], "NAME") if flag.text is None else None,
        help=help_text,
    )
    if flag.text is None:
        # For completion; the values themselves are checked by the schema.
        action.choices = words(spec) or None
        if spec.type_name.startswith("path"):
            action.complete = shtab.FILE  # type: ignore[attr-defined] # shtab reads it
    return action


_METAVARS = {"int": "N", "float": "X", "path": "PATH", "str": "TEXT"}
_IF_NULL = re.compile(r"null:? ([^;:]+)")


def _long_help(flag: Flag, spec: FieldSpec, default: str) -> str:
    if flag.deprecated:
        return f"deprecated: {flag.deprecated}"
    if flag.text is not None:
        return _escape(spec.doc if flag.text == "true" else f"{spec.doc}: {flag.text}")
    kind = f"{spec.type_name}, {spec.unit}" if spec.unit else spec.type_name
    return _escape(f"{spec.doc} [{kind}]{f' [default: {default}]' if default else ''}")


def _short_help(flag: Flag, spec: FieldSpec, default: str) -> str:
    """The first clause of the doc, the words that there are, and the default."""
    text = re.split(r"[;:(]| {2}", spec.doc)[0].strip().rstrip(",")
    if flag.text is not None:
        return _escape(text)
    if default in ("", "None") and (without := _IF_NULL.search(spec.doc)):
        default = without[1]
    unit = spec.unit if default.isdecimal() else ""
    shown = f"default: {default} {unit}".rstrip() if default not in ("", "None") else ""
    details = ", ".join(filter(None, [*words(spec), shown]))
    return _escape(f"{text} [{details}]" if details else text)


def _escape(text: str) -> str:
    return text.replace("%", "%%")


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
