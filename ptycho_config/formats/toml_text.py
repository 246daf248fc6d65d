"""TOML with lines: the standard reader for the values, and one walk over the tokens for the keys."""

import re
import tomllib

from ptycho_config.formats.document import Document, FormatError, Keys, check_depth, check_digits

_TOKEN = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}|'
    r"'''.*?'{3,5}|"
    r'"(?:\\.|[^"\\\n])*"|'
    r"'[^'\n]*'|#[^\n]*|\n|[\[\]{}=,]|[\w+:-]+",
    re.DOTALL,
)
_LINE = re.compile(r" \(at line (\d+), column \d+\)")


def read_toml(text: str) -> Document:
    """The table of `text` and the lines of its keys. Raises FormatError."""
    try:
        data = tomllib.loads(text)
    except ValueError as error:
        place = _LINE.search(str(error))
        raise FormatError(_LINE.sub("", str(error)), int(place[1]) if place else None) from None
    return Document(data, _Walk(text).lines)


class _Walk:
    """The line of every key of a valid text."""

    def __init__(self, text: str) -> None:
        self.lines: dict[Keys, int] = {}
        self.line = 1
        self.header: Keys = ()
        # The keys of the value or table that is being read, and the key that comes next; None within a value.
        self.above: Keys = ()
        self.key: Keys | None = ()
        # The open brackets, each with the keys of its value.
        self.open: list[tuple[str, Keys]] = []
        for match in _TOKEN.finditer(text):
            self._take(match[0])
            self.line += match[0].count("\n")

    def _take(self, mark: str) -> None:
        match mark[0]:
            case "\n":
                if not self.open:
                    self.key, self.above = (), self.header
            case "#":
                return
            case "[" | "{":
                self._start(mark)
            case "]" | "}":
                self._end(mark)
            case ",":
                self.key = () if self.open[-1][0] == "{" else None
                self.above = self.open[-1][1]
            case _ if self.key is not None:
                self._extend(mark)
            case _ if mark[0].isdigit():
                check_digits(mark, self.line)

    def _start(self, mark: str) -> None:
        if self.key is not None and mark == "[":
            # The header of a table: it has one key, and may have two brackets.
            self.above, self.key = (), ()
            return
        self.open.append((mark, self.above))
        check_depth(len(self.open), self.line)
        self.key = () if mark == "{" else None

    def _end(self, mark: str) -> None:
        if self.key and mark == "]" and not self.open:
            self.header, self.key = self.key, ()
            self._record(self.header)
        elif self.open:
            self.above, self.key = self.open.pop()[1], None

    def _extend(self, mark: str) -> None:
        assert self.key is not None
        if mark == "=":
            self.above = (*self.above, *self.key)
            self._record(self.above)
            self.key = None
        else:
            self.key = (*self.key, tomllib.loads(f"key = {mark}")["key"] if mark[0] in "\"'" else mark)

    def _record(self, keys: Keys) -> None:
        check_depth(len(keys), self.line)
        for end in range(1, len(keys) + 1):
            self.lines.setdefault(keys[:end], self.line)
