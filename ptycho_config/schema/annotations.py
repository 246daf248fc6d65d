"""Annotations as types: text, as under `from __future__ import annotations`, and references to later classes."""

from collections.abc import Mapping
from typing import Any, ForwardRef, Literal, get_args, get_origin, get_type_hints


def has_text(annotation: Any) -> bool:
    """Whether an annotation is text, or refers to a class by its name."""
    if isinstance(annotation, (str, ForwardRef)):
        return True
    return get_origin(annotation) is not Literal and any(map(has_text, get_args(annotation)))


def read_annotation(annotation: Any, module: str, names: Mapping[str, Any]) -> Any:
    """The type that an `annotation` written in `module` means, with `names` of the scope around it. Raises
    NameError for what is not defined yet."""
    if not has_text(annotation):
        return annotation
    holder = type("Holder", (), {"__annotations__": {"it": annotation}, "__module__": module})
    return get_type_hints(holder, localns=dict(names), include_extras=True)["it"]
