"""The rules that declare differences: each a predicate, with its reason in `divergences.toml`."""

from collections.abc import Callable
from typing import Any

from tests.parity.config import rules_legacy, rules_runs, rules_values
from tests.parity.config.adapter import Outcome
from tests.parity.config.differences import Difference

Rule = Callable[[dict[str, Any], Outcome, Difference], bool]

RULES: dict[str, Rule] = {
    rule.__name__: rule
    for module in (rules_values, rules_runs, rules_legacy)
    for rule in vars(module).values()
    if callable(rule) and getattr(rule, "__module__", "") == module.__name__ and not rule.__name__.startswith("_")
}
