"""Files of options as plain data: JSON, TOML and YAML 1.2, each key with its line."""

from collections.abc import Callable
from pathlib import Path

from ptycho_config.errors import ConfigError, Problem
from ptycho_config.formats.document import Document, FormatError
from ptycho_config.formats.json_text import read_json
from ptycho_config.formats.toml_text import read_toml
from ptycho_config.formats.yaml_text import read_yaml

_READERS: dict[str, Callable[[str], Document]] = {
    ".json": read_json,
    ".toml": read_toml,
    ".yaml": read_yaml,
    ".yml": read_yaml,
}
_NAMES = {list: "a list", str: "text", bool: "a switch", int: "a number", float: "a number", type(None): "null"}


def read_document(path: Path) -> Document:
    """The table in the `.json`, `.toml`, `.yaml` or `.yml` file `path`, UTF-8 with or without a byte order mark.

    Raises ConfigError with the file, and the line where there is one: it cannot be read, is no text or not of
    its format, gives a key twice, is no table, nests too deep or is made of anchors without end.
    """
    kind = path.suffix.lower()
    if kind not in _READERS:
        raise _error(path, f"cannot read {path.suffix!r} files", hint="use .json, .toml or .yaml")
    try:
        text = path.read_text(encoding="utf-8-sig")
        if not text.strip():
            raise _error(path, "is empty")
        document = _READERS[kind](text)
    except OSError as error:
        raise _error(path, f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise _error(path, "is not UTF-8 text") from None
    except FormatError as error:
        raise _error(path, f"is not valid {kind[1:]}: {error}", error.line) from None
    except RecursionError:
        raise _error(path, "nests too deep") from None
    if not isinstance(document.data, dict):
        raise _error(path, f"must hold a table of options, not {_NAMES[type(document.data)]}", 1)
    return document


def _error(path: Path, message: str, line: int | None = None, hint: str = "") -> ConfigError:
    where = path.name if line is None else f"{path.name}:{line}"
    return ConfigError([Problem("", message, where=where, hint=hint)], f"config file {path}")
