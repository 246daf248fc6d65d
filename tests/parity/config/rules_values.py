"""Rules about values: what is refused, kept, translated, or has another default."""

from typing import Any

from ptycho_config import ConfigError
from ptycho_config.legacy import RENAMED
from ptycho_config.vocabulary import aliases
from tests.parity.config.adapter import Outcome
from tests.parity.config.commands import ROOTS
from tests.parity.config.differences import ABSENT, Difference
from tests.parity.config.given import arguments, paths, same_option, their_message


def refused_at_construction(case: dict[str, Any], outcome: Outcome, found: Difference) -> bool:
    """Theirs accepts; every problem of ours is about an option that the case gives."""
    if found.place != "exception" or found.theirs != "no error" or not isinstance(outcome.error, ConfigError):
        return False
    given = arguments(case)
    known = {path.rpartition(".")[2] for name in given for path in (*paths(name), name)}
    return all(
        problem.path.rpartition(".")[2] in known or any(name in str(problem) for name in given)
        for problem in outcome.error.problems
    )


def problems_as_values(case: dict[str, Any], outcome: Outcome, found: Difference) -> bool:
    """Both refuse; ours is a subclass of their exception, or a ConfigError where theirs is a
    TypeError or an error of the file's parser."""
    if found.place != "exception" or outcome.error is None or found.theirs == "no error":
        return False
    bases = [base.__name__ for base in type(outcome.error).__mro__]
    instead = isinstance(outcome.error, ConfigError) and (found.theirs == "TypeError" or case["kind"] == "yaml")
    return found.theirs in bases or instead


def a_model_has_defaults(case: dict[str, Any], outcome: Outcome, found: Difference) -> bool:
    """The model may be left out: its defaults are written down once."""
    missing = found.place == "exception" and found.theirs == "TypeError" and outcome.error is None
    return missing and "model" in their_message(case)


def values_have_the_type_of_their_field(_: dict[str, Any], __: Outcome, found: Difference) -> bool:
    """An integer given for a real number is stored as one, a list as a tuple."""
    number = type(found.theirs) is int and type(found.ours) is float and found.theirs == found.ours
    return number or (isinstance(found.theirs, list) and found.ours == {"$tuple": found.theirs})


def one_meaning_per_name(case: dict[str, Any], _: Outcome, found: Difference) -> bool:
    """`n_subsample` is the number of patterns kept; groups per centre is another option."""
    return "n_subsample" in arguments(case) and found.place.endswith("pt_data_config.fields.n_subsample")


def both_spellings(case: dict[str, Any], outcome: Outcome, found: Difference) -> bool:
    """A canonical word is accepted where theirs knows only the torch word."""
    words = ("Invalid mode", "Invalid activation", "Unsupported mode", "Unsupported activation")
    return (
        found.place == "exception"
        and outcome.error is None
        and any(word.lower() in their_message(case).lower() for word in words)
    )


def nothing_is_dropped(case: dict[str, Any], _: Outcome, found: Difference) -> bool:
    """The value that the case gives, by this or another name of the option, arrives."""
    translations = aliases(next(iter(ROOTS.values()))[1])
    older = {key: name for name, key in RENAMED.items()}
    key = found.place.removeprefix("cfg.")
    name = older.get(key, key) if found.place.startswith("cfg.") else found.name
    if name not in translations:
        return False
    ours = translations[name].translation.read(_plain(found.ours))
    return any(
        same_option(given, name) and translations[given].translation.read(_plain(value)) == ours
        for given, value in arguments(case).items()
        if given in translations
    )


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return value.get("$path", tuple(value["$tuple"]) if "$tuple" in value else value)
    return value


def one_option_for_the_scale_contract(case: dict[str, Any], outcome: Outcome, found: Difference) -> bool:
    """Half a pair is enough: the other half follows from it."""
    half = ("must be supplied together", "Unsupported scale contract")
    refused = any(phrase in their_message(case) for phrase in half)
    return found.place == "exception" and outcome.error is None and refused


def photons_are_not_guessed_from_a_default(case: dict[str, Any], outcome: Outcome, found: Difference) -> bool:
    """A photon count is taken as it is, whether or not it equals some default."""
    return found.place == "exception" and outcome.error is None and "nphotons default" in their_message(case)


def every_pattern_by_default(case: dict[str, Any], outcome: Outcome, found: Difference) -> bool:
    """`n_groups` that nobody gave stays null (no key): not 512, and no error."""
    demanded = found.place == "exception" and outcome.error is None
    if demanded and "n_groups is required" in their_message(case):
        return True
    return found.name == "n_groups" and found.theirs == 512 and found.ours in (None, ABSENT)


def older_name_is_not_translated(case: dict[str, Any], _: Outcome, found: Difference) -> bool:
    """`n_images` is kept as it is given, and refused before a run with the name to use."""
    alias = "n_images" in arguments(case)
    group = found.name == "n_groups" and found.ours in (None, ABSENT)
    return alias and (group or (found.place == "warnings" and found.theirs == ("DeprecationWarning",)))


def accelerator_stays_auto(case: dict[str, Any], _: Outcome, found: Difference) -> bool:
    """`auto` is kept in the value, whatever the host; no warning about the host either."""
    warned = found.place == "warnings" and set(found.theirs) == {"UserWarning"} and "POLICY-001" in str(case)
    value = found.name in ("accelerator", "result") and found.ours == "auto"
    return value or warned


def none_is_no_path(_: dict[str, Any], __: Outcome, found: Difference) -> bool:
    """A file that is null stays null; theirs becomes a file named 'None'."""
    theirs = _plain(found.theirs)
    return found.name.endswith(("_data_file", "_data_file_path")) and theirs == "None" and found.ours in (None, ABSENT)


LOSSLESS = {
    "n_subsample": (1,),
    "x_bounds": ([0.0, 1.0],),
    "y_bounds": ([0.0, 1.0],),
    "window": (0,),
    "varpro_scaling": (False,),
    "training_patch_weighting": ("probe",),
    "patch_weighting": ("probe",),
    "experiment_name": ("ptycho",),
}


def the_whole_scan_by_default(case: dict[str, Any], _: Outcome, found: Difference) -> bool:
    """Where the case says nothing, the flat view shows our defaults: all of the scan, once."""
    return found.name in LOSSLESS and found.ours in LOSSLESS[found.name] and found.name not in arguments(case)


REPEATED = (
    "strategy",
    "num_workers",
    "learning_rate",
    "scheduler",
    "accum_steps",
    "middle_trim",
    "pad_eval",
    "batch_size",
    "gradient_clip_val",
    "gradient_clip_algorithm",
    "n_devices",
    "device",
    "spectral_bottleneck_blocks",
    "spectral_bottleneck_modes",
    "spectral_bottleneck_share_weights",
    "spectral_bottleneck_gate_init",
    "spectral_bottleneck_gate_mode",
    "loss_function",
    "torch_loss_mode",
)


def one_place_for_an_option(_: dict[str, Any], __: Outcome, found: Difference) -> bool:
    """An option that theirs keeps in several classes is one value, shown the same everywhere."""
    views = ("pt_training_config", "pt_model_config", "pt_inference_config", "execution_config")
    return found.name in REPEATED and any(f".{view}." in found.place for view in views)
