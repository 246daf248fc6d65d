"""From a golden case to what this package does with the same input."""

import argparse
import functools
import warnings
from collections.abc import Callable, Mapping, MutableMapping
from pathlib import Path
from typing import Any

import attrs

from ptycho_config import (
    Resolved,
    Sources,
    create_inference_payload,
    create_training_payload,
    parse,
    resolve,
    update_legacy_dict,
)
from ptycho_config.formats import read_document
from ptycho_config.legacy import DEFAULTS, LegacyParams, legacy_delta
from ptycho_config.schema import InferenceConfig, TrainingSetup
from ptycho_config.vocabulary import aliases, to_flat
from ptycho_torch.compat.ptychopinn import backend_selector, cli_shared, config_bridge, config_factory
from ptycho_torch.data.readers import inspect_dataset
from ptycho_torch.output.bundle import load_bundle
from ptycho_torch.output.bundle_archive import find_bundle
from tests.parity.config import commands
from tests.parity.config.values import decode, encode, write_files

Store = MutableMapping[str, Any]


@attrs.frozen
class Outcome:
    """What happened: a plain result or an error, the categories of warnings, the legacy dict."""

    result: Any = None
    error: BaseException | None = None
    warnings: tuple[str, ...] = ()
    cfg: dict[str, Any] | None = None
    made_folder: bool = False
    calls: tuple[dict[str, Any], ...] = ()


def _construct(given: dict[str, Any], folder: Path, _: Store) -> Any:
    return decode(given["object"], folder)


def _validate(given: dict[str, Any], folder: Path, _: Store) -> None:
    made = decode(given["object"], folder)
    if isinstance(made, InferenceConfig):
        find_bundle(made.model_path)


def _to_legacy(given: dict[str, Any], folder: Path, _: Store) -> dict[str, Any]:
    return dict(legacy_delta(decode(given["object"], folder)).set)


def _update_legacy(given: dict[str, Any], folder: Path, store: Store) -> None:
    for one in given["objects"]:
        update_legacy_dict(store, legacy_delta(decode(one, folder)))


def _yaml(given: dict[str, Any], folder: Path, _: Store) -> dict[str, Any]:
    return read_document(folder / given["path"]).data


def _params(given: dict[str, Any], _: Path, params: Any) -> list[Any]:
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
        "cfg_pop": params.pop,
        "cfg_del": params.__delitem__,
        "cfg_update": params.update,
        "cfg_len": lambda: len(params),
    }
    steps: list[Any] = []
    for name, *arguments in given["ops"]:
        try:
            steps.append({"result": operations[name](*arguments)})
        except (KeyError, ValueError, RuntimeError) as error:
            steps.append({"exception": type(error).__name__})
    return steps


def _bridged_model(given: dict[str, Any], folder: Path) -> Any:
    made = {key: decode(given[key], folder) for key in ("data", "model")}
    overrides = given.get("model_overrides", given.get("overrides") if set(given) <= _MODEL_INPUT else None)
    return config_bridge.to_model_config(made["data"], made["model"], decode(overrides or {}, folder))


_MODEL_INPUT = {"data", "model", "overrides", "fs", "initial_cfg"}


def _bridge_model(given: dict[str, Any], folder: Path, _: Store) -> Any:
    return _bridged_model(given, folder)


def _bridge_training(given: dict[str, Any], folder: Path, _: Store, key: str = "overrides") -> Any:
    data, model, training = (decode(given[name], folder) for name in ("data", "model", "training"))
    return config_bridge.to_training_config(
        _bridged_model(given, folder), data, model, training, decode(given.get(key, {}), folder)
    )


def _bridge_inference(given: dict[str, Any], folder: Path, _: Store, key: str = "overrides") -> Any:
    data, inference = (decode(given[name], folder) for name in ("data", "inference"))
    return config_bridge.to_inference_config(
        _bridged_model(given, folder), data, inference, decode(given.get(key, {}), folder)
    )


def _baseline(given: dict[str, Any], folder: Path, store: Store) -> None:
    for made in (
        _bridge_training(given, folder, store, "training_overrides"),
        _bridge_inference(given, folder, store, "inference_overrides"),
    ):
        update_legacy_dict(store, legacy_delta(made))


def _audit(configs: Resolved[Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """What the trace says about the names that the caller used, in their own spelling."""
    known, found = aliases(type(configs.config)), {}
    for name in overrides:
        for change in configs.explain().changes:
            if change.layer == "explicit overrides" and change.where.endswith(f"as {name!r}"):
                found[name] = known[name].translation.write(change.new)
                break
    return found


def _factory_training(given: dict[str, Any], folder: Path, store: Store) -> Any:
    kwargs = decode(given["kwargs"], folder)
    overrides = kwargs.get("overrides") or {}
    configs, delta = create_training_payload(
        kwargs["train_data_file"],
        kwargs["output_dir"],
        profile=kwargs.get("profile"),
        facts=inspect_dataset(kwargs["train_data_file"]),
        sources=Sources(execution=kwargs.get("execution_config"), overrides=overrides),
    )
    update_legacy_dict(store, delta)
    flat = to_flat(configs.config)
    return {
        "$payload": "TrainingPayload",
        "tf_training_config": configs.config.training,
        "pt_data_config": flat.data,
        "pt_model_config": flat.model,
        "pt_training_config": flat.training,
        "pt_inference_config": flat.inference,
        "execution_config": configs.config.execution,
        "overrides_applied": _audit(configs, overrides),
    }


def _factory_inference(given: dict[str, Any], folder: Path, store: Store) -> Any:
    kwargs = decode(given["kwargs"], folder)
    overrides = kwargs.get("overrides") or {}
    trained = load_bundle(kwargs["model_path"]).setup
    configs, delta = create_inference_payload(
        kwargs["model_path"],
        kwargs["test_data_file"],
        kwargs["output_dir"],
        trained=trained,
        facts=inspect_dataset(kwargs["test_data_file"]),
        sources=Sources(execution=kwargs.get("execution_config"), overrides=overrides),
    )
    update_legacy_dict(store, delta)
    flat = to_flat(configs.config)
    return {
        "$payload": "InferencePayload",
        "tf_inference_config": configs.config.inference,
        "pt_data_config": flat.data,
        "pt_inference_config": flat.inference,
        "execution_config": configs.config.execution,
        "overrides_applied": _audit(configs, overrides),
    }


def _contract(version: str | None = None, domain: str | None = None) -> dict[str, Any]:
    pair = {"scale_contract_version": version, "measurement_domain": domain}
    given = {name: value for name, value in pair.items() if value is not None}
    scale = resolve(TrainingSetup(), parse(TrainingSetup, given, "given")).config.torch.scale
    return {
        "$class": "ResolvedScaleContract",
        "fields": {"version": scale.CONTRACTS[scale.domain], "measurement_domain": scale.domain},
    }


def _pair(overrides: Mapping[str, Any]) -> tuple[str, str] | None:
    given = [overrides.get(name) for name in ("scale_contract_version", "measurement_domain")]
    if given == [None, None]:
        return None
    made = _contract(*given)["fields"]
    return made["version"], made["measurement_domain"]


def _call(given: dict[str, Any], folder: Path, store: Store) -> Any:
    functions: dict[str, Callable[..., Any]] = {
        "infer_probe_size": config_factory.infer_probe_size,
        "nphotons_from_metadata": lambda path: inspect_dataset(path).nphotons,
        "resolve_ci_profile": config_factory.resolve_ci_profile,
        "resolve_profile_overrides": _pair,
        "resolve_scale_contract": _contract,
        "resolve_accelerator": cli_shared.resolve_accelerator,
        "populate_legacy_params": functools.partial(config_factory.populate_legacy_params, legacy=store),
    }
    arguments = decode(given.get("args", []), folder)
    result = functions[given["function"]](*arguments, **decode(given.get("kwargs", {}), folder))
    return None if given["function"] == "populate_legacy_params" else result


def _build_execution(given: dict[str, Any], folder: Path, _: Store) -> Any:
    namespace = argparse.Namespace(**decode(given["args"], folder))
    return cli_shared.build_execution_config_from_args(namespace, **given.get("kwargs", {}))


def _validate_paths(given: dict[str, Any], folder: Path, _: Store) -> None:
    cli_shared.validate_paths(*decode(given["args"], folder))


KINDS: dict[str, Callable[[dict[str, Any], Path, Any], Any]] = {
    "construct": _construct,
    "validate": _validate,
    "to_legacy": _to_legacy,
    "update_legacy": _update_legacy,
    "yaml": _yaml,
    "params_ops": _params,
    "bridge_model": _bridge_model,
    "bridge_training": _bridge_training,
    "bridge_inference": _bridge_inference,
    "baseline": _baseline,
    "factory_training": _factory_training,
    "factory_inference": _factory_inference,
    "call": _call,
    "build_execution": _build_execution,
    "validate_paths": _validate_paths,
}
DRIVEN = ("cli_train", "cli_inference", "backend")
WITH_CFG = {"update_legacy", "params_ops", "baseline", "factory_training", "factory_inference", "backend"}


def _initial(given: dict[str, Any], folder: Path) -> LegacyParams:
    params, initial = LegacyParams(), given.get("initial_cfg", "default")
    if initial != "default":
        params.clear()
        params.update({} if initial == "empty" else decode(initial, folder))
    return params


class _Spies:
    """Two backends that only note how they were called."""

    def __init__(self, store: LegacyParams) -> None:
        self.store, self.calls = store, list[dict[str, Any]]()

    def backends(self) -> dict[str, Any]:
        results: dict[str, dict[str, Any]] = {
            "run": {"tensorflow": ("A", "P", {"history": 1}), "pytorch": ("A", "P", {"history": 1})},
            "train": {"tensorflow": {"history": 1}, "pytorch": {"history": 1}},
            "load": {"tensorflow": ("TFMODEL", {"N": 1}), "pytorch": ({"diffraction_to_obj": "PTMODEL"}, {"N": 2})},
        }
        return {
            name: backend_selector.Backend(
                run=functools.partial(self._note, name, "run", results["run"][name]),
                train=functools.partial(self._note, name, "train", results["train"][name]),
                load=functools.partial(self._note, name, "load", results["load"][name]),
            )
            for name in ("tensorflow", "pytorch")
        }

    def _note(self, name: str, verb: str, result: Any, *args: Any, **kwargs: Any) -> Any:
        targets = {
            "run": ("run_cdi_example", "run_cdi_example_torch"),
            "train": ("train_cdi_model", "train_cdi_model_torch"),
            "load": ("load_inference_bundle", "load_inference_bundle_torch"),
        }
        self.calls.append(
            {
                "target": f"{name}.{targets[verb][name == 'pytorch']}",
                "n_positional": len(args),
                "kwargs": kwargs,
                "positional_tail": list(args[3:]),
                "legacy_N_seen": self.store["N"],
                "legacy_gridsize_seen": self.store["gridsize"],
            }
        )
        return result


def _backend(given: dict[str, Any], folder: Path, spies: _Spies) -> Any:
    backends = spies.backends()
    if given.get("torch_missing"):
        backends["pytorch"] = backend_selector.missing("pytorch")
    function = getattr(backend_selector, given["function"])
    kwargs = decode(given.get("kwargs", {}), folder)
    options = {} if given["function"].startswith("load") else {"legacy": spies.store}
    return function(*decode(given["args"], folder), **kwargs, **options, backends=backends)


def observe(case: dict[str, Any], folder: Path) -> Outcome:
    """Run one case in an empty folder."""
    given, kind = case["input"], case["kind"]
    write_files(given, folder)
    params = _initial(given, folder)
    spies = _Spies(params)
    result: Any = None
    error: BaseException | None = None
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        try:
            if kind in commands.ROOTS:
                result = commands.run(case, folder)
            elif kind == "backend":
                result = _backend(given, folder, spies)
            else:
                result = KINDS[kind](given, folder, params)
        except (ValueError, TypeError, KeyError, RuntimeError, OSError, SystemExit) as raised:
            error = raised
    with_cfg = kind in WITH_CFG or (kind == "call" and "cfg" in case["output"])
    return Outcome(
        encode(result, folder),
        error,
        tuple(sorted(w.category.__name__ for w in seen)),
        encode(dict(params), folder) if with_cfg else None,
        (folder / "out").exists(),
        tuple(encode(spies.calls, folder)),
    )


def initial_cfg(case: dict[str, Any]) -> dict[str, Any]:
    """The legacy dict that the case starts with."""
    initial = case["input"].get("initial_cfg", "default")
    return dict(DEFAULTS) if initial == "default" else {} if initial == "empty" else initial


def expected_cfg(case: dict[str, Any]) -> dict[str, Any] | None:
    """The legacy dict that the case reports."""
    report = case["output"].get("cfg")
    if report is None:
        return None
    start = initial_cfg(case)
    kept = {key: start[key] for key in report["unchanged_keys"] if key in start}
    return {**kept, **report["delta"]}
