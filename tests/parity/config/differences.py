"""What is not the same between a case and an outcome, down to single fields and keys."""

from collections.abc import Iterator
from typing import Any

import attrs

from tests.parity.config.adapter import Outcome, expected_cfg

ABSENT = "<absent>"


@attrs.frozen
class Difference:
    """At `place`, the case has `theirs` and this package `ours`."""

    place: str
    theirs: Any
    ours: Any

    @property
    def name(self) -> str:
        """The field or key: the last part of the place."""
        place = self.place.removesuffix(".$tuple")
        return place.rpartition(".fields." if ".fields." in place else ".")[2]

    def __str__(self) -> str:
        return f"{self.place}: theirs {self.theirs!r}, ours {self.ours!r}"


def differences(case: dict[str, Any], outcome: Outcome) -> list[Difference]:
    """Everything that is not the same; int and float differ."""
    output = case["output"]
    found = list(_verdict(case, outcome))
    theirs_warned = tuple(sorted(w["category"] for w in output.get("warnings", [])))
    if theirs_warned != outcome.warnings:
        found.append(Difference("warnings", theirs_warned, outcome.warnings))
    expected = expected_cfg(case)
    if expected is not None:
        found += _compare("cfg", expected, outcome.cfg)
    if "output_dir_created" in output:
        found += _compare("output_dir_created", output["output_dir_created"], outcome.made_folder)
    for number, theirs in enumerate(output.get("calls", [])):
        ours = outcome.calls[number] if number < len(outcome.calls) else ABSENT
        found += _compare(f"call {number}", theirs, ours)
    return found


def _verdict(case: dict[str, Any], outcome: Outcome) -> Iterator[Difference]:
    output = case["output"]
    if "exception" in output or outcome.error is not None:
        theirs = output.get("exception", {"type": "no error"})
        ours = "no error" if outcome.error is None else type(outcome.error).__name__
        if theirs["type"] != ours:
            yield Difference("exception", theirs["type"], ours)
        if isinstance(outcome.error, SystemExit) and theirs.get("code") != outcome.error.code:
            yield Difference("exit status", theirs.get("code"), outcome.error.code)
    elif "steps" in output:
        yield from _steps(output["steps"], outcome.result)
    elif "factory_kwargs" in output:
        yield from _compare("factory_kwargs", output["factory_kwargs"], outcome.result)
    else:
        yield from _compare("result", output["result"], outcome.result)
        if case["kind"] == "to_legacy":
            kept = [key for key in output["result"] if key in outcome.result]
            yield from _compare("order of keys", kept, list(outcome.result))


def _steps(theirs: list[dict[str, Any]], ours: list[Any]) -> Iterator[Difference]:
    for number, (their, our) in enumerate(zip(theirs, ours, strict=True)):
        raised = their.get("exception", {}).get("type")
        step = {"exception": raised} if raised else {"result": their["result"]}
        yield from _compare(f"step {number}", step, our)
        if their["log"]:
            yield Difference(f"step {number} log", "a warning", "no log")


def _compare(place: str, theirs: Any, ours: Any) -> Iterator[Difference]:
    if isinstance(theirs, dict) and isinstance(ours, dict) and "$path" not in theirs:
        for key in [*theirs, *(key for key in ours if key not in theirs)]:
            yield from _compare(f"{place}.{key}", theirs.get(key, ABSENT), ours.get(key, ABSENT))
    elif type(theirs) is not type(ours) or theirs != ours:
        yield Difference(place, theirs, ours)
