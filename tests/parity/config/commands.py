"""Cases that drive the commands: what they resolve to, in the terms of the case."""

import contextlib
import io
import json
import warnings
from pathlib import Path
from typing import Any

from ptycho_config import load
from ptycho_config.schema import InferenceSetup, TrainingSetup
from ptycho_config.schema.paths import leaves_of
from ptycho_config.vocabulary import aliases
from ptycho_torch.cli import infer as inference
from ptycho_torch.cli import train
from tests.parity.config.values import decode

ROOTS: dict[str, tuple[Any, Any]] = {"cli_train": (train, TrainingSetup), "cli_inference": (inference, InferenceSetup)}
ARGUMENTS = {
    "cli_train": {"train_data_file": "training.train_data_file", "output_dir": "training.output_dir"},
    "cli_inference": {
        "model_path": "inference.model_path",
        "test_data_file": "inference.test_data_file",
        "output_dir": "inference.output_dir",
    },
}


def in_terms_of(names: list[str], setup: Any) -> dict[str, Any]:
    """What a setup says for foreign names, in their own spelling."""
    held = {path: value for path, _, value in leaves_of(setup)}
    known = aliases(type(setup))
    found = {}
    for name in names:
        paths = known[name].paths if name in known else ()
        if paths and paths[0] in held:
            found[name] = known[name].translation.write(held[paths[0]])
    return found


def run(case: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The keyword arguments that the case's factory would have got, read from `--print-config`.

    Raises SystemExit with the status where the command refuses.
    """
    kind, theirs = case["kind"], case["output"].get("factory_kwargs", {})
    command, root = ROOTS[kind]
    argv = decode(case["input"]["argv"], folder)
    printed, said = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(said):
        status = command.main([*argv, "--print-config"])
    for line in said.getvalue().splitlines():
        if line.startswith("warning: ") and "deprecated" in line:
            warnings.warn(line, DeprecationWarning, stacklevel=2)
    if status:
        refusal = SystemExit(status)
        refusal.add_note(said.getvalue())
        raise refusal
    setup = load(root, json.loads(printed.getvalue()))
    held = {path: value for path, _, value in leaves_of(setup)}
    found: dict[str, Any] = {name: held[path] for name, path in ARGUMENTS[kind].items()}
    found["overrides"] = in_terms_of(list(theirs.get("overrides", {})), setup)
    found["execution_config"] = setup.execution
    if kind == "cli_train":
        with warnings.catch_warnings(action="ignore"):
            found["profile"] = train.parser().parse_args(argv).profile
    return found
