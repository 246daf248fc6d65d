"""From a golden case to what this package does with the same input."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs

from ptycho_config import (
    InferenceConfig,
    ModelConfig,
    PyTorchExecutionConfig,
    TrainingConfig,
    legacy_delta,
    update_legacy_dict,
)
from ptycho_config.documents import read_table
from ptycho_config.legacy import DEFAULTS, LegacyParams
from ptycho_torch.bundle import find_bundle

CLASSES = {
    "canonical.ModelConfig": ModelConfig,
    "canonical.TrainingConfig": TrainingConfig,
    "canonical.InferenceConfig": InferenceConfig,
    "PyTorchExecutionConfig": PyTorchExecutionConfig,
}
NAMES = {cls: name for name, cls in CLASSES.items()}


@attrs.frozen
class Outcome:
    """What happened: a plain result or an error, the categories of warnings, the legacy dict."""

    result: Any = None
    error: Exception | None = None
    warnings: tuple[str, ...] = ()
    cfg: dict[str, Any] | None = None


def decode(value: Any, folder: Path) -> Any:
    """A value of a case file as this package's object."""
    if isinstance(value, str):
        return value.replace("${TMP}", str(folder))
    if isinstance(value, list):
        return [decode(item, folder) for item in value]
    return _decode_table(value, folder) if isinstance(value, dict) else value


def _decode_table(value: dict[str, Any], folder: Path) -> Any:
    made = {key: decode(item, folder) for key, item in value.items()}
    match made:
        case {"$path": path}:
            return Path(path)
        case {"$float": number}:
            return float(number)
        case {"$tuple": items}:
            return tuple(items)
        case {"$class": name, "fields": fields}:
            return CLASSES[name](**fields)
    return made


def encode(value: Any, folder: Path) -> Any:
    """An object of this package in the notation of the case files."""
    if type(value) in NAMES:
        fields = {a.name: encode(getattr(value, a.name), folder) for a in attrs.fields(type(value))}
        return {"$class": NAMES[type(value)], "fields": fields}
    if isinstance(value, Path):
        return {"$path": str(value).replace(str(folder), "${TMP}")}
    if isinstance(value, tuple):
        return {"$tuple": [encode(item, folder) for item in value]}
    if isinstance(value, dict):
        return {key: encode(item, folder) for key, item in value.items()}
    return value


def _construct(given: dict[str, Any], folder: Path) -> Any:
    return decode(given["object"], folder)


def _validate(given: dict[str, Any], folder: Path) -> None:
    made = decode(given["object"], folder)
    if isinstance(made, InferenceConfig):
        find_bundle(made.model_path)


def _to_legacy(given: dict[str, Any], folder: Path) -> dict[str, Any]:
    return dict(legacy_delta(decode(given["object"], folder)).set)


def _yaml(given: dict[str, Any], folder: Path) -> dict[str, Any]:
    return read_table(folder / given["path"])


def _params(given: dict[str, Any], params: LegacyParams) -> list[Any]:
    operations: dict[str, Callable[..., Any]] = {
        "get": params.read,
        "set": params.write,
        "params": params.snapshot,
        "seal": params.seal,
        "unseal": params.unseal,
        "get_bigN": lambda: params.big_n,
        "get_padding_size": lambda: params.padding_size,
        "get_padded_size": lambda: params.padded_size,
        "ensure_defaults": params.ensure_defaults,
        "validate": params.check,
        "cfg_get": lambda key: params[key],
        "cfg_set": params.__setitem__,
        "cfg_contains": lambda key: key in params,
        "cfg_clear": params.clear,
    }
    steps: list[Any] = []
    for name, *arguments in given["ops"]:
        try:
            steps.append({"result": operations[name](*arguments)})
        except (KeyError, ValueError, RuntimeError) as error:
            steps.append({"exception": type(error).__name__})
    return steps


def _initial(given: dict[str, Any], folder: Path) -> LegacyParams:
    params, initial = LegacyParams(), given.get("initial_cfg", "default")
    if initial != "default":
        params.clear()
        params.update({} if initial == "empty" else decode(initial, folder))
    return params


def _files(given: dict[str, Any], folder: Path) -> None:
    for name, content in given.get("fs", {}).get("files", {}).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content.get("text", ""), encoding="utf-8")


KINDS = ("construct", "validate", "to_legacy", "update_legacy", "yaml", "params_ops")


def observe(case: dict[str, Any], folder: Path) -> Outcome:
    """Run one case in an empty folder."""
    given, kind = case["input"], case["kind"]
    _files(given, folder)
    params = _initial(given, folder)
    plain = {"construct": _construct, "validate": _validate, "to_legacy": _to_legacy, "yaml": _yaml}
    result, error = None, None
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        try:
            if kind in plain:
                result = plain[kind](given, folder)
            elif kind == "params_ops":
                result = _params(given, params)
            else:
                for one in given["objects"]:
                    update_legacy_dict(params, legacy_delta(decode(one, folder)))
        except (ValueError, TypeError, KeyError) as raised:
            error = raised
    cfg = dict(params) if kind in ("update_legacy", "params_ops") else None
    categories = tuple(sorted(w.category.__name__ for w in seen))
    return Outcome(encode(result, folder), error, categories, cfg)


def expected_cfg(case: dict[str, Any]) -> dict[str, Any] | None:
    """The legacy dict that the case reports."""
    report = case["output"].get("cfg")
    if report is None:
        return None
    start = dict(DEFAULTS) if case["input"].get("initial_cfg", "default") == "default" else {}
    kept = {key: start[key] for key in report["unchanged_keys"] if key in start}
    return {**kept, **report["delta"]}
