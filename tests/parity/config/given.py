"""What a case gives: every name and value, in any spelling."""

from collections.abc import Iterator
from typing import Any

from ptycho_config.schema import InferenceSetup, TrainingSetup
from ptycho_config.vocabulary import aliases


def names_and_values(value: Any) -> Iterator[tuple[str, Any]]:
    """The fields of objects and the entries of overrides, anywhere in an input."""
    if isinstance(value, dict):
        for key in ("fields", "overrides", "model_overrides", "training_overrides", "inference_overrides"):
            if isinstance(value.get(key), dict):
                yield from value[key].items()
        for item in value.values():
            yield from names_and_values(item)
    elif isinstance(value, list):
        for item in value:
            yield from names_and_values(item)


def arguments(case: dict[str, Any]) -> dict[str, Any]:
    """Everything that the case gives by name; mappings among positional arguments count."""
    given = case["input"]
    positional = [item for item in given.get("args", []) if isinstance(item, dict) and "$class" not in item]
    found = dict(names_and_values(given))
    for item in positional:
        found.update({key: value for key, value in item.items() if not key.startswith("$")})
    return found


def paths(name: str, *, inference: bool = False) -> tuple[str, ...]:
    """The option paths that a name means."""
    known = aliases(InferenceSetup if inference else TrainingSetup)
    return known[name].paths if name in known else ()


def same_option(one: str, other: str) -> bool:
    """Whether two names set a common option."""
    return one == other or bool(set(paths(one)) & set(paths(other)))


def argv_flags(case: dict[str, Any]) -> list[str]:
    """The flags of a command line."""
    return [item for item in case["input"].get("argv", []) if item.startswith("--")]


def their_message(case: dict[str, Any]) -> str:
    """The key phrases of their exception, joined."""
    return " | ".join(map(str, case["output"].get("exception", {}).get("message_contains", [])))
