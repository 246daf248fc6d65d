"""One call for either backend: `config.backend` decides, and the legacy dict is written first.

The dispatcher is a boundary: it refuses a backend that cannot run before it writes anything,
and writes before any backend module that could read the dict is imported.
"""

from collections.abc import Callable, Mapping, MutableMapping
from importlib import import_module
from typing import Any

import attrs

from ptycho_config import update_legacy_dict
from ptycho_config.legacy import legacy_delta, legacy_params
from ptycho_config.schema import InferenceConfig, PyTorchExecutionConfig, TrainingConfig

__all__ = [
    "BACKENDS",
    "Backend",
    "load_inference_bundle_with_backend",
    "missing",
    "run_cdi_example_with_backend",
    "train_cdi_model_with_backend",
]

_ADVICE = {
    "pytorch": "PyTorch backend selected, but it is unavailable: {error}. Install it with `pip install torch`",
    "tensorflow": (
        "TensorFlow backend selected, but it is unavailable: {error}. It is part of PtychoPINN, whose "
        "package ptycho_torch has the same import name as this one: run it in an environment of its own, "
        "or set backend='pytorch'"
    ),
}


def _from(name: str, module: str, function: str) -> Callable[..., Any]:
    """A function that is imported when it is called; RuntimeError with advice where it is missing."""

    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            found = getattr(import_module(module), function)
        except ImportError as error:
            raise RuntimeError(_ADVICE[name].format(error=error)) from error
        return found(*args, **kwargs)

    return call


@attrs.frozen
class Backend:
    """The functions of a backend."""

    run: Callable[..., Any]
    train: Callable[..., Any]
    load: Callable[..., Any]


def missing(name: str) -> Backend:
    """A backend whose package is not installed: every call says so."""
    return _backend(name, f"{name}_is_not_installed")


def _backend(name: str, module: str, suffix: str = "") -> Backend:
    functions = ("run_cdi_example", "train_cdi_model", "load_inference_bundle")
    return Backend(*(_from(name, module, function + suffix) for function in functions))


BACKENDS: Mapping[str, Backend] = {
    "pytorch": _backend("pytorch", "ptycho_torch.compat.ptychopinn.components", "_torch"),
    "tensorflow": _backend("tensorflow", "ptycho.workflows.components"),
}


def run_cdi_example_with_backend(
    train_data: Any,
    test_data: Any,
    config: TrainingConfig,
    flip_x: bool = False,  # noqa: FBT001, FBT002 - the order of the replaced system
    flip_y: bool = False,  # noqa: FBT001, FBT002
    transpose: bool = False,  # noqa: FBT001, FBT002
    M: int = 20,
    do_stitching: bool = False,  # noqa: FBT001, FBT002
    torch_execution_config: PyTorchExecutionConfig | None = None,
    *,
    legacy: MutableMapping[str, Any] = legacy_params,
    backends: Mapping[str, Backend] = BACKENDS,
) -> tuple[Any, Any, dict[str, Any]]:
    """Train and, with `do_stitching`, reconstruct: `(amplitude, phase, results)`.

    train_data, test_data, config, flip_x, flip_y, transpose, M: as the backend takes them;
    torch_execution_config: for pytorch alone; legacy: the dict to write; backends: by name.
    `results["backend"]` names the backend. Raises RuntimeError where it is not installed.
    """
    chosen = backends[config.backend]
    update_legacy_dict(legacy, legacy_delta(config))
    arguments = (train_data, test_data, config, flip_x, flip_y, transpose, M, do_stitching)
    if config.backend == "pytorch":
        execution = torch_execution_config or PyTorchExecutionConfig()
        amplitude, phase, results = chosen.run(*arguments, execution_config=execution)
    else:
        amplitude, phase, results = chosen.run(*arguments)
    return amplitude, phase, {**results, "backend": config.backend}


def train_cdi_model_with_backend(
    train_data: Any,
    test_data: Any,
    config: TrainingConfig,
    *,
    legacy: MutableMapping[str, Any] = legacy_params,
    backends: Mapping[str, Backend] = BACKENDS,
) -> dict[str, Any]:
    """Train on train_data and test_data: the results of the backend that the config names, of all `backends`,
    with its name; legacy: the dict to write."""
    chosen = backends[config.backend]
    update_legacy_dict(legacy, legacy_delta(config))
    return {**chosen.train(train_data, test_data, config), "backend": config.backend}


def load_inference_bundle_with_backend(
    bundle_dir: Any,
    config: InferenceConfig,
    model_name: str = "diffraction_to_obj",
    *,
    backends: Mapping[str, Backend] = BACKENDS,
) -> tuple[Any, dict[str, Any]]:
    """The model `model_name` in the bundle at `bundle_dir`, and its parameters, as read by the backend that
    the config names, of all `backends`; the legacy dict is not written."""
    chosen = backends[config.backend]
    if config.backend == "pytorch":
        models, values = chosen.load(bundle_dir, model_name=model_name)
        return models[model_name], values
    return chosen.load(bundle_dir)  # type: ignore[no-any-return] # by contract
