"""The problems of a configuration as values, each with its place and its fix."""

from collections.abc import Iterable
from difflib import get_close_matches

import attrs


@attrs.frozen
class Problem:
    """One thing wrong: the field's path, what is wrong with it, and the layer that set it."""

    path: str
    message: str
    layer: str = ""
    where: str = ""
    hint: str = ""

    def under(self, prefix: str) -> "Problem":
        """The same problem seen from the parent `prefix`."""
        path = f"{prefix}.{self.path}" if self.path else prefix
        return attrs.evolve(self, path=path)

    def __str__(self) -> str:
        source = " ".join(part for part in (f"[{self.layer}]" if self.layer else "", self.where) if part)
        parts = [f"{self.path}: {self.message}" if self.path else self.message, source, self.hint]
        return "   ".join(part for part in parts if part)


class ConfigError(ValueError):
    """A configuration that cannot be built, with all its problems at once in `.problems`."""

    def __init__(self, problems: Iterable[Problem], subject: str = "the configuration") -> None:
        self.problems = tuple(problems)
        self.subject = subject
        super().__init__(self.problems, subject)

    def __str__(self) -> str:
        count = len(self.problems)
        heading = f"{count} problem{'s' if count != 1 else ''} in {self.subject}"
        return "\n".join([heading, *(f"  {problem}" for problem in self.problems)])


def near_miss(name: str, known: Iterable[str]) -> str:
    """`did you mean 'x'?` for the closest known name, matching last parts too; empty if none."""
    known = list(known)
    leaf = name.rpartition(".")[2]
    same_leaf = [path for path in known if path.rpartition(".")[2] == leaf]
    close = same_leaf or get_close_matches(name, known, n=1)
    return "did you mean " + " or ".join(f"'{path}'" for path in close) + "?" if close else ""
