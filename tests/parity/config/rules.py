"""Differences between a case and an outcome, and the rules that declare some of them."""

from collections.abc import Callable, Iterator
from typing import Any

import attrs

from ptycho_config import ConfigError
from tests.parity.config.adapter import Outcome, expected_cfg

ABSENT = "<absent>"


@attrs.frozen
class Difference:
    """At `place`, the case has `theirs` and this package `ours`."""

    place: str
    theirs: Any
    ours: Any

    def __str__(self) -> str:
        return f"{self.place}: theirs {self.theirs!r}, ours {self.ours!r}"


def differences(case: dict[str, Any], outcome: Outcome) -> list[Difference]:
    """Everything that is not the same, down to single fields and keys; int and float differ."""
    output, found = case["output"], []
    if "exception" in output or outcome.error is not None:
        theirs = output["exception"]["type"] if "exception" in output else "no error"
        ours = "no error" if outcome.error is None else type(outcome.error).__name__
        if theirs != ours:
            found.append(Difference("exception", theirs, ours))
        code = output.get("exception", {}).get("code")
        if isinstance(outcome.error, SystemExit) and code != outcome.error.code:
            found.append(Difference("exit status", code, outcome.error.code))
    elif "steps" in output:
        for number, (theirs, ours) in enumerate(zip(output["steps"], outcome.result, strict=True)):
            raised = theirs.get("exception", {}).get("type")
            step = {"exception": raised} if raised else {"result": theirs["result"]}
            found += _compare(f"step {number}", step, ours)
            if theirs["log"]:
                found.append(Difference(f"step {number} log", "a warning", "no log"))
    elif "factory_kwargs" in output:
        found += _compare("factory_kwargs", output["factory_kwargs"], outcome.result)
    else:
        found += _compare("result", output["result"], outcome.result)
        if case["kind"] == "to_legacy":
            ours = list(outcome.result)
            theirs = [key for key in output["result"] if key in outcome.result]
            found += _compare("order of keys", theirs, ours)
    theirs_warned = tuple(sorted(w["category"] for w in output.get("warnings", [])))
    if theirs_warned != outcome.warnings:
        found.append(Difference("warnings", theirs_warned, outcome.warnings))
    if outcome.cfg is not None:
        found += _compare("cfg", expected_cfg(case), outcome.cfg)
    if "output_dir_created" in output:
        found += _compare("output_dir_created", output["output_dir_created"], outcome.made_folder)
    if "calls" in output:
        for number, theirs in enumerate(output["calls"]):
            ours = outcome.calls[number] if number < len(outcome.calls) else ABSENT
            found += _compare(f"call {number}", theirs, ours)
    return found


def _compare(place: str, theirs: Any, ours: Any) -> Iterator[Difference]:
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in [*theirs, *(key for key in ours if key not in theirs)]:
            yield from _compare(f"{place}.{key}", theirs.get(key, ABSENT), ours.get(key, ABSENT))
    elif type(theirs) is not type(ours) or theirs != ours:
        yield Difference(place, theirs, ours)


Rule = Callable[[dict[str, Any], Outcome, Difference], bool]


def _given_fields(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if "$class" in value:
            yield from value["fields"]
        for item in value.values():
            yield from _given_fields(item)
    elif isinstance(value, list):
        for item in value:
            yield from _given_fields(item)


def refused_at_construction(case: dict[str, Any], outcome: Outcome, found: Difference) -> bool:
    """Theirs accepts; ours names only fields that the case itself gives."""
    if found.place != "exception" or found.theirs != "no error" or not isinstance(outcome.error, ConfigError):
        return False
    wrong = {problem.path.rpartition(".")[2] for problem in outcome.error.problems}
    return wrong <= set(_given_fields(case["input"]))


def problems_as_values(_: dict[str, Any], outcome: Outcome, found: Difference) -> bool:
    """Both refuse; ours is a subclass of their exception."""
    bases = [base.__name__ for base in type(outcome.error).__mro__]
    return found.place == "exception" and outcome.error is not None and found.theirs in bases


def execution_has_no_legacy_form(case: dict[str, Any], outcome: Outcome, found: Difference) -> bool:
    """Execution configs are refused by type, so none of their keys arrives."""
    objects = case["input"].get("objects", [])
    execution = any(one["$class"] == "PyTorchExecutionConfig" for one in objects)
    return execution and isinstance(outcome.error, TypeError) and found.ours in ("TypeError", ABSENT)


def accelerator_stays_auto(case: dict[str, Any], _: Outcome, found: Difference) -> bool:
    """`auto` is kept in the value, whatever the host; no warning about the host either."""
    given = case["input"].get("object", {}).get("fields", {}).get("accelerator", "auto")
    value = found.place.endswith(".accelerator") and found.ours == "auto"
    warned = found.place == "warnings" and found.theirs == ("UserWarning",)
    return given == "auto" and (value or warned)


def every_pattern_by_default(_: dict[str, Any], __: Outcome, found: Difference) -> bool:
    """`n_groups` that nobody gave stays null (no key) instead of 512."""
    return found.place.endswith(".n_groups") and found.theirs == 512 and found.ours in (None, ABSENT)


def older_name_is_not_translated(case: dict[str, Any], _: Outcome, found: Difference) -> bool:
    """`n_images` is kept as it is given; the factory refuses it and names `n_groups`."""
    alias = "n_images" in set(_given_fields(case["input"]))
    group = found.place.endswith(".n_groups") and found.ours in (None, ABSENT)
    return alias and (group or (found.place == "warnings" and found.theirs == ("DeprecationWarning",)))


def none_unsets(case: dict[str, Any], _: Outcome, found: Difference) -> bool:
    """None is no value of the legacy dict: it removes the key, so no older value survives."""
    legacy = case["kind"] in ("to_legacy", "update_legacy")
    stale = found.place.startswith("cfg.") and len(case["input"].get("objects", [])) > 1
    return legacy and found.ours == ABSENT and (found.theirs is None or stale)


def paths_are_text(_: dict[str, Any], __: Outcome, found: Difference) -> bool:
    """Every path is text in the legacy dict; text given for a path is a path, without trailing slash."""
    theirs = found.theirs.get("$path") if isinstance(found.theirs, dict) else found.theirs
    ours = found.ours.get("$path") if isinstance(found.ours, dict) else found.ours
    return isinstance(theirs, str) and isinstance(ours, str) and theirs.rstrip("/") == ours


def seal_holds(case: dict[str, Any], _: Outcome, found: Difference) -> bool:
    """A write under the seal is an error instead of a log line, and changes nothing."""
    sealed = ["seal"] in case["input"].get("ops", [])
    return sealed and (
        found.ours == "SealedError"
        or found.place.endswith(" log")
        or (found.place.endswith(".result") and found.ours == ABSENT)
    )


def derived_is_never_stored(case: dict[str, Any], _: Outcome, found: Difference) -> bool:
    """`bigN` is computed whenever it is read; it is no key and cannot be stale."""
    if found.place == "cfg.bigN":
        return bool(found.ours == ABSENT)
    number = found.place.removeprefix("step ").partition(".")[0]
    return number.isdigit() and case["input"]["ops"][int(number)] == ["cfg_get", "bigN"]


def bad_values_are_not_stored(case: dict[str, Any], _: Outcome, found: Difference) -> bool:
    """An invalid write is a ValueError (not an assertion, which -O removes), and the old value stays."""
    theirs = [s.get("exception", {}).get("type") for s in case["output"].get("steps", [])]
    if "AssertionError" not in theirs:
        return False
    refused = case["input"]["ops"][theirs.index("AssertionError")]
    later = [f"step {n}.result" for n, op in enumerate(case["input"]["ops"]) if op[1:2] == refused[1:2]]
    return found.ours == "ValueError" or found.place == f"cfg.{refused[1]}" or found.place in later


def yaml_is_1_2(case: dict[str, Any], _: Outcome, found: Difference) -> bool:
    """`1e9` is a number; an empty file is an empty table."""
    if case["kind"] != "yaml":
        return False
    number = (
        isinstance(found.theirs, str) and isinstance(found.ours, float) and float(found.theirs) == found.ours
    )
    return number or (found.theirs is None and found.ours == {})


RULES: dict[str, Rule] = {
    rule.__name__: rule
    for rule in (
        refused_at_construction,
        problems_as_values,
        execution_has_no_legacy_form,
        accelerator_stays_auto,
        older_name_is_not_translated,
        every_pattern_by_default,
        none_unsets,
        paths_are_text,
        seal_holds,
        derived_is_never_stored,
        bad_values_are_not_stored,
        yaml_is_1_2,
    )
}
