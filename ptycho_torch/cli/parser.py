"""The parser of the commands: it names a flag that it does not know, and never guesses an abbreviation."""

import argparse
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

from ptycho_config.errors import near_miss

_ASSIGNMENT = re.compile(r"[A-Za-z][\w.:]*=")
_BOOLEAN = {"true", "false", "yes", "no", "1", "0"}


class Parser(argparse.ArgumentParser):
    """An `argparse.ArgumentParser` whose first complaint is about flags that are unknown.

    Otherwise the value of such a flag would be taken for a positional argument, and the complaint would be about that.
    answer: the reason why there is no flag of a name, or nothing; truths: flags that are true without a value.
    assignments: NAME=VALUE may stand anywhere, and all of them are the argument `assignments`.
    """

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **{"allow_abbrev": False, **more})
        self.answer: Callable[[str], str] = lambda _: ""
        self.truths: set[str] = set()
        self.assignments = False

    def parse_known_args(  # type: ignore[override] # typeshed overloads it by the type of the namespace
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """As the method of the base class, which hands the arguments of a command on to the parser of the command."""
        given = list(sys.argv[1:] if args is None else args)
        if not any(isinstance(action, argparse._SubParsersAction) for action in self._actions):  # noqa: SLF001
            given = list(_spell_out(given, self.truths))
            taken = [word for word in given if self.assignments and _ASSIGNMENT.match(word)]
            given = [word for word in given if word not in taken]
            if strange := list(dict.fromkeys(_strange(given, self._option_string_actions))):
                self.error("; ".join(self._say_unknown(flag) for flag in strange))
            self.set_defaults(**({"assignments": taken} if self.assignments else {}))
        return super().parse_known_args(given, namespace)

    def error(self, message: str) -> NoReturn:
        """Print one line and exit with status 2: a usage of fifty flags would hide it."""
        self.exit(2, f"{self.prog}: error: {message} ({self.prog} --help lists the flags)\n")

    def _say_unknown(self, flag: str) -> str:
        if answer := self.answer(flag):
            return f"there is no flag {flag}: {answer}"
        shown = [name for name, action in self._option_string_actions.items() if action.help != argparse.SUPPRESS]
        hint = near_miss(flag, shown)
        return f"there is no flag {flag}{f'; {hint}' if hint else ''}"


def _spell_out(given: Sequence[str], truths: set[str]) -> Iterator[str]:
    """The arguments with `--flag=true` or `--flag=WORD` for the flags in `truths`."""
    words = iter(enumerate(given))
    for position, word in words:
        following = given[position + 1].lower() if position + 1 < len(given) else ""
        if word == "--":
            yield from given[position:]
            return
        if word not in truths:
            yield word
        elif following in _BOOLEAN:
            yield f"{word}={'true' if following in ('true', 'yes', '1') else 'false'}"
            next(words)
        else:
            yield f"{word}=true"


def _strange(given: Sequence[str], known: Mapping[str, argparse.Action]) -> Iterator[str]:
    """The flags that are not known; what follows `--` is none."""
    for word in given:
        if word == "--":
            return
        if word.startswith("--") and (flag := word.partition("=")[0]) not in known:
            yield flag
