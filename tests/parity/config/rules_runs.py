"""Rules about runs: files, bundles, commands, the audit, what follows from a refusal."""

from typing import Any

from ptycho_config import ConfigError
from ptycho_torch.errors import DataError
from tests.parity.config.adapter import Outcome, initial_cfg
from tests.parity.config.differences import ABSENT, Difference
from tests.parity.config.given import argv_flags, their_message


def nothing_is_guessed(case: dict[str, Any], outcome: Outcome, found: Difference) -> bool:
    """The side of a pattern is what the file says: its last axis, or an error."""
    if found.place == "exception":
        return found.theirs == "no error" and isinstance(outcome.error, DataError)
    if found.place == "cfg.N" or found.name == "N":
        return "non-square" in str(case["output"].get("warnings"))
    side = case["input"].get("function") == "infer_probe_size"
    return side and (found.place == "result" or (found.place == "warnings" and found.ours == ()))


def the_file_decides_its_size(_: dict[str, Any], outcome: Outcome, found: Difference) -> bool:
    """Asking for another N than that of the probe is a conflict that names both."""
    if found.place != "exception" or not isinstance(outcome.error, ConfigError):
        return False
    return any(p.path.endswith(".N") and "dataset facts" in str(p) for p in outcome.error.problems)


def the_bundle_decides(case: dict[str, Any], outcome: Outcome, found: Difference) -> bool:
    """Network and physics are those of the bundle, grouping and batches as trained unless given."""
    if found.place == "exception":
        problems = outcome.error.problems if isinstance(outcome.error, ConfigError) else ()
        return bool(problems) and all("'bundle'" in p.message for p in problems)
    suggested = found.name in (
        "neighbor_count",
        "K",
        "subsample_seed",
        "inference_batch_size",
        "batch_size",
        "nphotons",
    )
    return case["kind"] in ("factory_inference", "cli_inference") and suggested


def the_verdict_decides(case: dict[str, Any], outcome: Outcome, found: Difference) -> bool:
    """A refused run writes nothing and warns of nothing; an accepted one writes its config."""
    refused = outcome.error is not None and not isinstance(outcome.error, SystemExit)
    if found.place == "warnings":
        return refused and found.ours == ()
    if not found.place.startswith("cfg."):
        return False
    key = found.place.removeprefix("cfg.")
    unchanged = found.ours == initial_cfg(case).get(key, ABSENT)
    return unchanged if refused else "exception" in case["output"]


def only_what_is_wrong_is_said(case: dict[str, Any], outcome: Outcome, found: Difference) -> bool:
    """No warning about a dict that is never empty, a scan without validation scan, or a flag that
    was not given."""
    if found.place != "warnings" or outcome.error is not None:
        return found.place == "warnings" and "--device" not in argv_flags(case) and bool(argv_flags(case))
    noise = ("already populated", "test_data_file not provided", "POLICY-001", "non-square", "deterministic")
    flags = argv_flags(case)
    expected = [
        warning["category"]
        for warning in case["output"].get("warnings", [])
        if not any(phrase in str(warning["message_contains"]) for phrase in noise)
        and not ("--device is deprecated" in str(warning) and flags and "--device" not in flags)
    ]
    return tuple(sorted(expected)) == found.ours


def the_trace_is_the_audit(case: dict[str, Any], _: Outcome, found: Difference) -> bool:
    """The overrides show what was overridden, with the values that count; the trace has all else."""
    if ".overrides_applied." not in found.place:
        return False
    overrides = case["input"]["kwargs"].get("overrides") or {}
    return bool(found.ours == overrides.get(found.place.rpartition(".")[2], ABSENT))


def recommended_profile(case: dict[str, Any], _: Outcome, found: Difference) -> bool:
    """Commands use what is recommended for the network unless told otherwise; `none` switches it off."""
    return (
        found.place == "factory_kwargs.profile" and "--profile" not in argv_flags(case) and found.ours == "recommended"
    )


FLAG_OF = {
    "n_groups": ("--n_images", "--n_groups"),
    "max_epochs": ("--max_epochs",),
    "gridsize": ("--gridsize",),
    "object_big": (),
    "batch_size": ("--batch_size",),
    "learning_rate": ("--learning-rate",),
    "patch_weighting": ("--patch-weighting",),
    "varpro_scaling": ("--varpro-scaling",),
    "accelerator": ("--accelerator", "--device"),
    "inference_batch_size": ("--inference-batch-size",),
    "torch_loss_mode": ("--torch-loss-mode",),
    "probe_mask": ("--probe-mask", "--no-probe-mask"),
    "enable_progress_bar": ("--quiet",),
}


def each_default_exists_once(case: dict[str, Any], outcome: Outcome, found: Difference) -> bool:
    """A flag that is not given sets nothing; theirs has a second set of defaults in its commands."""
    name = found.place.rpartition(".")[2]
    if found.place == "exception":
        return outcome.error is None and bool(argv_flags(case)) and "--output_dir" not in argv_flags(case)
    command = found.place.startswith("factory_kwargs.") and name in FLAG_OF
    return command and not set(FLAG_OF.get(name, ())) & set(argv_flags(case))


def usage_errors_are_status_2(case: dict[str, Any], _: Outcome, found: Difference) -> bool:
    """What the user can change ends in status 2, as for any wrong flag."""
    status = found.place == "exit status" and found.ours == 2
    raised = found.place == "exception" and found.ours == "SystemExit" and "exception" in case["output"]
    return (status and "exception" in case["output"]) or raised


def commands_check_what_they_are_given(case: dict[str, Any], outcome: Outcome, found: Difference) -> bool:
    """The case's factory is a spy that accepts everything; ours names the flag that is wrong."""
    said = str(getattr(outcome.error, "__notes__", ""))
    names = [flag.strip("-").replace("-", "_") for flag in argv_flags(case)]
    blamed = "[command line]" in said or any(name in said for name in names)
    alone = "exception" not in case["output"]
    return (
        isinstance(outcome.error, SystemExit)
        and blamed
        and alone
        and found.place in ("exception", "exit status", "warnings")
    )


def every_value_has_a_flag(case: dict[str, Any], outcome: Outcome, found: Difference) -> bool:
    """A flag takes every value of its option, not a shorter list."""
    refused = case["output"].get("argparse_error_on_stderr") is True
    return refused and outcome.error is None and found.place in ("exception", "warnings")


def the_oldest_route_is_gone(case: dict[str, Any], _: Outcome, found: Difference) -> bool:
    """`--ptycho_dir` is an older name of `--train_data_file`, `--config` a file of options."""
    older = {"--ptycho_dir", "--config"} & set(argv_flags(case))
    return bool(older) and not found.place.startswith("factory_kwargs")


def folders_are_made_last(case: dict[str, Any], _: Outcome, found: Difference) -> bool:
    """The output folder is made when there is something to write, after every check."""
    return found.place == "output_dir_created" and found.theirs is True and case["kind"].startswith("cli_")


def one_route_stitches(case: dict[str, Any], outcome: Outcome, found: Difference) -> bool:
    """The number of groups and the weighting of patches do not depend on each other."""
    return found.place == "exception" and outcome.error is None and "cannot be honored together" in their_message(case)
