"""Rules about the legacy dict and its module, and about file formats."""

from typing import Any

from tests.parity.config.adapter import Outcome
from tests.parity.config.differences import ABSENT, Difference

LEGACY_KINDS = {"to_legacy", "update_legacy", "baseline", "factory_training", "factory_inference", "backend"}


def none_unsets(case: dict[str, Any], _: Outcome, found: Difference) -> bool:
    """None is no value of the legacy dict: it removes the key, so no older value survives."""
    legacy = case["kind"] in LEGACY_KINDS or "cfg" in case["output"]
    to_legacy = case["kind"] == "to_legacy" and found.theirs is None
    return legacy and found.ours == ABSENT and (to_legacy or found.place.startswith("cfg."))


def execution_has_no_legacy_form(case: dict[str, Any], outcome: Outcome, found: Difference) -> bool:
    """Only training, inference and model configs have a legacy form, so nothing else arrives."""
    objects = [*case["input"].get("objects", []), case["input"].get("object", {})]
    foreign = any(not one.get("$class", "canonical").startswith("canonical") for one in objects)
    return foreign and isinstance(outcome.error, TypeError) and found.ours in ("TypeError", ABSENT)


def paths_are_text(_: dict[str, Any], __: Outcome, found: Difference) -> bool:
    """Every path is text in the legacy dict; text given for a path is a path, without trailing slash."""
    theirs = found.theirs.get("$path") if isinstance(found.theirs, dict) else found.theirs
    ours = found.ours.get("$path") if isinstance(found.ours, dict) else found.ours
    return isinstance(theirs, str) and isinstance(ours, str) and theirs.rstrip("/") == ours


def seal_holds(case: dict[str, Any], outcome: Outcome, found: Difference) -> bool:
    """A write under the seal is an error instead of a log line, and changes nothing."""
    operations = case["input"].get("ops", [])
    steps = outcome.result or []
    refused = [op for op, step in zip(operations, steps, strict=False) if step == {"exception": "SealedError"}]
    keys = {op[1] for op in refused if len(op) > 1}
    later = {f"step {n}.result" for n, op in enumerate(operations) if op[1:2] and op[1] in keys}
    own = {f"step {n}" for n, op in enumerate(operations) if op in refused}
    return bool(refused) and (
        found.place.rpartition(".")[0] in own
        or found.place.removesuffix(" log") in own
        or found.place in later
        or found.place in {f"cfg.{key}" for key in keys}
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
    touching = [n for n, op in enumerate(case["input"]["ops"]) if op[1:2] == refused[1:2]]
    later = [f"step {n}.{what}" for n in touching for what in ("result", "exception")]
    return found.ours == "ValueError" or found.place == f"cfg.{refused[1]}" or found.place in later


def yaml_is_1_2(case: dict[str, Any], outcome: Outcome, found: Difference) -> bool:
    """`1e9` is a number, `yes` a word; a file holds a table, and an empty one holds none."""
    if case["kind"] != "yaml":
        return False
    text, number = found.theirs, found.ours
    exponent = isinstance(text, str) and isinstance(number, float) and float(text) == number
    word = isinstance(found.theirs, bool) and str(found.ours).lower() in ("yes", "no", "on", "off")
    no_table = found.place == "exception" and not isinstance(case["output"].get("result"), dict)
    return exponent or word or (found.theirs is None and found.ours == {}) or (no_table and outcome.error is not None)
