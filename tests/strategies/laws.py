"""Laws and mutants: a law must hold for the real algebra, and hypothesis must find where it fails for a mutant."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

Drawn = tuple[Any, ...]
Law = Callable[[Any, Drawn], None]


def check_law(law: Law, strategy: st.SearchStrategy[Drawn], algebra: object) -> None:
    """Fail where the law does for some drawn values."""

    @settings(suppress_health_check=[HealthCheck.too_slow])
    @given(strategy)
    def holds(drawn: Drawn) -> None:
        law(algebra, drawn)

    holds()


def is_killed(law: Law, strategy: st.SearchStrategy[Drawn], mutant: object) -> bool:
    """Whether there are values for which the law fails for the mutant."""

    def breaks(drawn: Drawn) -> bool:
        try:
            law(mutant, drawn)
        except (AssertionError, pytest.fail.Exception, KeyError):
            return True
        return False

    try:
        find(strategy, breaks, settings=settings(database=None, phases=[Phase.generate], max_examples=500))
    except NoSuchExample:
        return False
    return True
