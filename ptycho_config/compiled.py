"""Code made once for each config class: from a complete table straight to the config.

As attrs and cattrs do, the function is written as text and compiled, so that no field costs more
than its own check. It gives up (`None`) at the first thing that is not as expected; the slow way
then finds every problem and names it.
"""

from collections.abc import Callable, Mapping
from typing import Any

from ptycho_config.schema.base import FieldSpec, specs

Reader = Callable[[Any], Any]
_EXACT = {bool: "bool", int: "int", str: "str"}


def reader(cls: type, nested: Mapping[str, Reader]) -> Reader:
    """`table -> config or None` for the fields of `cls`; `nested` reads its groups and choices."""
    names: dict[str, Any] = {
        "new": object.__new__,
        "cls": cls,
        "check": getattr(cls, "__attrs_post_init__", None),
    }
    lines = [
        "def read(data):",
        f"    if len(data) != {len(specs(cls))}: return None",
        "    try:",
        "        made = new(cls)",
    ]
    for name, spec in specs(cls).items():
        names |= {f"set_{name}": vars(cls)[name].__set__, f"take_{name}": nested.get(name, spec.accept)}
        lines += [f"        {line}" for line in _lines(name, spec, names)]
    lines += ["    except (KeyError, TypeError, ValueError): return None"]
    if names["check"] is not None:
        lines.append("    check(made)")
    lines.append("    return made")
    exec("\n".join(lines), names)  # noqa: S102 - the text holds field names of the class and nothing else
    made: Reader = names["read"]
    return made


def _lines(name: str, spec: FieldSpec, names: dict[str, Any]) -> list[str]:
    """Read one field: an exact type with its range check, or whatever the field accepts."""
    if spec.annotation not in _EXACT:
        return [f"set_{name}(made, take_{name}(data['{name}']))"]
    names[f"wrong_{name}"] = spec.check
    condition = f"type(value) is {_EXACT[spec.annotation]}"
    if spec.check is not None:
        condition += f" and wrong_{name}(value) is None"
    return [f"value = data['{name}']", f"set_{name}(made, value if {condition} else take_{name}(value))"]
