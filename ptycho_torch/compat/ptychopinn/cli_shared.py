"""Helpers of the commands under the names that PtychoPINN users know."""

import argparse
import warnings
from pathlib import Path
from typing import Any, Literal

from ptycho_config import ConfigError, Problem
from ptycho_config.schema import PyTorchExecutionConfig
from ptycho_torch.errors import MissingFileError

__all__ = ["build_execution_config_from_args", "resolve_accelerator", "validate_paths"]

_BOTH = ("accelerator", "num_workers")
_TRAINING = (
    "deterministic",
    "learning_rate",
    "scheduler",
    "logger_backend",
    "enable_checkpointing",
    "checkpoint_save_top_k",
    "checkpoint_monitor_metric",
    "checkpoint_mode",
    "early_stop_patience",
)
_INFERENCE = ("inference_batch_size",)


def resolve_accelerator(accelerator: str, device: str | None = None) -> str:
    """The accelerator that a pair of `--accelerator` and the deprecated `--device` means.

    `auto` stays `auto`: the device is chosen when the run starts. Raises ConfigError.
    """
    if device is not None:
        effect = "is ignored" if accelerator != "auto" else "is honoured"
        message = f"--device is deprecated, use --accelerator; --device {device} {effect}"
        warnings.warn(message, DeprecationWarning, stacklevel=2)
        accelerator = {"cpu": "cpu"}.get(device, "gpu") if accelerator == "auto" else accelerator
    return str(PyTorchExecutionConfig(accelerator=accelerator).accelerator)  # type: ignore[arg-type] # checked there


def build_execution_config_from_args(
    args: argparse.Namespace, mode: Literal["training", "inference"] = "training"
) -> PyTorchExecutionConfig:
    """Parsed `args` of a `mode` as an execution config; what is missing is not given. Raises ConfigError."""
    names = {"training": _BOTH + _TRAINING, "inference": _BOTH + _INFERENCE}.get(mode)
    if names is None:
        raise ConfigError([Problem("mode", f"must be 'training' or 'inference', got {mode!r}")])
    given = vars(args)
    values: dict[str, Any] = {name: given[name] for name in names if name in given}
    if {"accelerator", "device"} & given.keys():
        values["accelerator"] = resolve_accelerator(given.get("accelerator", "auto"), given.get("device"))
    values["enable_progress_bar"] = not (given.get("quiet") or given.get("disable_mlflow"))
    if mode == "training" and "accumulate_grad_batches" in given:
        values["accum_steps"] = given["accumulate_grad_batches"]
    if values.get("logger_backend") == "none" or given.get("disable_mlflow"):
        values["logger_backend"] = None
    if given.get("disable_mlflow"):
        warnings.warn("--disable_mlflow is deprecated, use --logger none", DeprecationWarning, stacklevel=2)
    return PyTorchExecutionConfig(**values)


def validate_paths(train: Path | None, test: Path | None, output_dir: Path) -> None:
    """Make `output_dir` if the scans `train` and `test` exist; raises MissingFileError (a FileNotFoundError)."""
    for meaning, path in (("training scan", train), ("test scan", test)):
        if path is not None and not Path(path).is_file():
            raise MissingFileError(str(path), f"there is no such {meaning}")
    Path(output_dir).mkdir(parents=True, exist_ok=True)
