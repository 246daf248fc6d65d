"""Functions by name: `module:name`, from which another program finds the same function."""

import functools
import importlib
import sys
from collections.abc import Callable, Mapping
from types import BuiltinFunctionType, FunctionType
from typing import Any

Function = Callable[[Any], Any]


def function_name(function: object) -> str:
    """`module:name` of a `function`. Raises ValueError with the reason where another program would not find it."""
    if not isinstance(function, (FunctionType, BuiltinFunctionType)):
        raise ValueError(f"a {type(function).__name__} has no name to import it by")  # noqa: TRY004 - a reason
    name = f"{function.__module__}:{function.__qualname__}"
    if "<lambda>" in name:
        raise ValueError("a lambda has no name to import it by")
    if "<locals>" in name:
        raise ValueError(f"{function.__name__} is defined within another function")
    if function.__module__ == "__main__":
        raise ValueError(f"{function.__name__} belongs to __main__, which is another module next time")
    if _member(sys.modules.get(function.__module__), name) is not function:
        raise ValueError(f"{name} is not this function")
    return name


def find_function(name: str, allowed: Mapping[str, Function], *, trust: bool) -> Function:
    """The function called `name` among those `allowed`; where the file that names it has our `trust`, the one that
    its module has, which is imported. Raises ValueError."""
    module, colon, path = name.partition(":") if isinstance(name, str) else ("", "", "")
    if not (colon and module and path) or module.startswith("."):
        raise ValueError(f"{name!r} is no 'module:name' of a function")
    if name in allowed:
        return allowed[name]
    if not trust:
        raise ValueError(f"calls {name}, which is not run unasked: give functions=[...] with it, or trust=True")
    try:
        found = _member(importlib.import_module(module), name)
    except ImportError as error:
        raise ValueError(f"calls {name}, which cannot be imported: {error}") from None
    if not isinstance(found, FunctionType) or function_name(found) != name:
        raise ValueError(f"calls {name}, which is no function of that module")
    return found


def _member(module: object, name: str) -> object:
    return functools.reduce(lambda place, part: getattr(place, part, None), name.partition(":")[2].split("."), module)
