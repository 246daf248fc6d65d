"""The parser of the commands: it names a flag that it does not know, and never guesses an abbreviation."""

import argparse
import copy
import itertools
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

from rich_argparse import RawDescriptionRichHelpFormatter

from ptycho_config.errors import near_miss

_ASSIGNMENT = re.compile(r"[A-Za-z][\w.:]*=")
# No negative number.
_FLAG = re.compile(r"--|-[A-Za-z]")
_BOOLEAN = {"true", "false", "yes", "no", "1", "0"}
_COMMON = "Help"


class Formatter(RawDescriptionRichHelpFormatter):
    """Help in colour where the terminal has some; brackets are text."""

    group_name_formatter = staticmethod(str)
    help_markup = False
    text_markup = False

    def __init__(self, prog: str, **more: Any) -> None:
        super().__init__(prog, **{"max_help_position": 27, **more})


class _HelpAll(argparse.Action):
    """Prints the help with every flag, and exits."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        assert isinstance(parser, Parser)
        sys.stdout.write(parser.format_help(everything=True))
        parser.exit()


class Parser(argparse.ArgumentParser):
    """An `argparse.ArgumentParser` whose first complaint is about flags that are unknown.

    Otherwise the value of such a flag would be taken for a positional argument, and the complaint would be about that.
    Flags have dashes; underscores stand for them. answer: the reason why there is no flag of a name, or nothing;
    truths: flags that are true without a value. assignments: NAME=VALUE may stand anywhere, and all of them are the
    argument `assignments`, as are words of names. The help leaves out what `hide`
    was called for; `--help-all` shows it too.
    """

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **{"allow_abbrev": False, "formatter_class": Formatter, **more})
        self.answer: Callable[[str], str] = lambda _: ""
        self.truths: set[str] = set()
        self.assignments = False
        self.names: frozenset[str] = frozenset()
        self._hidden: list[argparse.Action] = []
        self._short: dict[argparse.Action, str] = {}

    def add_help_all(self) -> None:
        """Add `--help-all`, and move `--help` to it, to the end."""
        group = self.group(_COMMON)
        (own,) = (action for action in self._actions if isinstance(action, argparse._HelpAction))  # noqa: SLF001
        self._optionals._group_actions.remove(own)  # noqa: SLF001 - argparse has no other way
        group._group_actions.append(own)  # noqa: SLF001
        group.add_argument("--help-all", action=_HelpAll, nargs=0, help="show every flag, and exit")
        own.help = "show the common flags, and exit"

    def group(self, title: str) -> argparse._ArgumentGroup:
        """The group of arguments under this title, new where there is none."""
        found = next((group for group in self._action_groups if group.title == title), None)
        return found or self.add_argument_group(title)

    def hide(self, action: argparse.Action) -> None:
        """Show this action in `--help-all` only."""
        self._hidden.append(action)

    def shorten(self, action: argparse.Action, text: str) -> None:
        """Let the help of an action be this text, but in `--help-all`."""
        self._short[action] = text

    def format_help(self, *, everything: bool = False) -> str:
        """The help by groups, each flag under its first name; everything: with the flags that are rarely needed."""
        formatter = self._get_formatter()
        formatter.add_usage(self.usage, self._actions, self._mutually_exclusive_groups)
        formatter.add_text(self.description)
        for group in self._action_groups:
            formatter.start_section(group.title)
            actions = group._group_actions  # noqa: SLF001 - argparse has no other way
            formatter.add_arguments(
                [self._shown(one, everything) for one in actions if everything or one not in self._hidden]
            )
            formatter.end_section()
        formatter.add_text(self.epilog)
        return formatter.format_help()

    def _shown(self, action: argparse.Action, everything: bool) -> argparse.Action:  # noqa: FBT001 - of one caller
        shown = copy.copy(action)
        shown.option_strings = (
            action.option_strings[-2:] if "-h" in action.option_strings else action.option_strings[:1]
        )
        if not everything:
            shown.help = self._short.get(action, action.help)
        return shown

    def parse_known_args(  # type: ignore[override] # typeshed overloads it by the type of the namespace
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """As the method of the base class, which hands the arguments of a command on to the parser of the command."""
        given = list(sys.argv[1:] if args is None else args)
        if any(isinstance(action, argparse._SubParsersAction) for action in self._actions):  # noqa: SLF001
            # What follows the command is for its parser.
            self._refuse_strange(itertools.takewhile(lambda word: word.startswith("-"), given))
        else:
            given = list(_spell_out(_with_dashes(given), self.truths))
            taken = [word for word in given if self.assignments and (_ASSIGNMENT.match(word) or word in self.names)]
            given = [word for word in given if word not in taken]
            self._refuse_strange(given)
            self.set_defaults(**({"assignments": taken} if self.assignments else {}))
        return super().parse_known_args(given, namespace)

    def _refuse_strange(self, given: Iterable[str]) -> None:
        if strange := list(dict.fromkeys(_strange(given, self._option_string_actions))):
            self.error("; ".join(self._say_unknown(flag) for flag in strange))

    def error(self, message: str) -> NoReturn:
        """Print one line and exit with status 2: a usage of fifty flags would hide it."""
        self.exit(2, f"{self.prog}: error: {message} ({self.prog} --help lists the flags)\n")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Choices of options of a schema are there for completion, the schema has the better message."""
        if action.choices is None or value in action.choices or hasattr(action, "flag"):
            return
        choices = [str(choice) for choice in action.choices]
        what = "command" if isinstance(action, argparse._SubParsersAction) else "choice"  # noqa: SLF001
        hint = near_miss(str(value), choices) or f"choose from {', '.join(choices)}"
        raise argparse.ArgumentError(None if what == "command" else action, f"there is no {what} {value!r}; {hint}")

    def _say_unknown(self, flag: str) -> str:
        if answer := self.answer(flag):
            return f"there is no flag {flag}: {answer}"
        known = self._option_string_actions.items()
        shown = [name for name, action in known if action.help != argparse.SUPPRESS]
        begun = [f"'{name}'" for name in shown if name.startswith(flag)]
        hint = f"did you mean {' or '.join(begun)}?" if begun else near_miss(flag, shown)
        return f"there is no flag {flag}{f'; {hint}' if hint else ''}"


def _with_dashes(given: Sequence[str]) -> Iterator[str]:
    """The arguments with dashes for the underscores of flags; what follows `--` is none."""
    for position, word in enumerate(given):
        if word == "--":
            yield from given[position:]
            return
        name, equals, value = word.partition("=")
        yield f"{name.replace('_', '-')}{equals}{value}" if name.startswith("--") else word


def _spell_out(words: Iterator[str], truths: set[str]) -> Iterator[str]:
    """The arguments with `--flag=true` or `--flag=WORD` for the flags in `truths`."""
    given = list(words)
    rest = iter(enumerate(given))
    for position, word in rest:
        following = given[position + 1].lower() if position + 1 < len(given) else ""
        if word == "--":
            yield from given[position:]
            return
        if word not in truths:
            yield word
        elif following in _BOOLEAN:
            yield f"{word}={'true' if following in ('true', 'yes', '1') else 'false'}"
            next(rest)
        else:
            yield f"{word}=true"


def _strange(given: Iterable[str], known: Mapping[str, argparse.Action]) -> Iterator[str]:
    """The flags that are not known; what follows `--` is none."""
    for word in given:
        if word == "--":
            return
        if _FLAG.match(word) and (flag := word.partition("=")[0]) not in known:
            yield flag
