"""The public names: few, explicit, and nothing besides."""

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import ptycho_config
import ptycho_config.schema
from ptycho_config.schema.specs import is_config, members_of

# The names of the algebra that documents, notebooks and users rely on.
PROMISED = {
    *("config", "field", "fields", "at", "narrow", "Transform", "layer", "resolve", "Resolved", "diff", "product"),
    *("load", "dump", "parse", "migration", "fingerprint", "LegacyDelta", "update_legacy_dict", "ConfigError"),
    *("Problem", "save", "replay"),
}


def _public(module: ModuleType) -> set[str]:
    return {
        name for name in dir(module) if not name.startswith("_") and not isinstance(getattr(module, name), ModuleType)
    }


def test_the_package_has_its_promised_names_and_few_others() -> None:
    """At most 25 names, all of them declared."""
    assert set(ptycho_config.__all__) >= PROMISED
    assert len(ptycho_config.__all__) <= 25
    assert _public(ptycho_config) == set(ptycho_config.__all__)


def test_the_schema_holds_config_classes_and_choices_only() -> None:
    """Functions over the schema stand in the module that defines them."""
    assert _public(ptycho_config.schema) == set(ptycho_config.schema.__all__)
    named = [getattr(ptycho_config.schema, name) for name in ptycho_config.schema.__all__]
    assert [one for one in named if not (is_config(one) or members_of(one))] == []


def test_a_star_import_in_a_new_process_leaks_nothing() -> None:
    """Neither modules nor helpers arrive with it."""
    code = "before = set(dir()); from ptycho_config import *; print(*sorted(set(dir()) - before - {'before'}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == sorted(ptycho_config.__all__)


def test_the_algebra_waits_neither_for_the_schema_nor_for_its_names_elsewhere() -> None:
    """Whoever has configs of their own pays for the algebra alone."""
    code = "import sys, ptycho_config; print(*(name for name in sys.modules if name.startswith('ptycho_config.')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.removeprefix("ptycho_config.") for name in done.stdout.split()}
    assert "lens" in loaded
    assert not {name for name in loaded if name.partition(".")[0] in {"factory", "legacy", "policy", "vocabulary"}}
    root = Path(ptycho_config.__file__).parent
    options = {path.stem for path in (root / "schema").glob("*.py") if "\n@config" in path.read_text()}
    assert "setup" in options
    assert not loaded & {f"schema.{name}" for name in options}
