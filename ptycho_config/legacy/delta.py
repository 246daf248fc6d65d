"""The flat legacy dict: a pure projection of a config, and the one function that writes it.

Set, keep and unset are three different things: a field that is None unsets its key, so no
value of an earlier run leaks into the next. Execution settings have no projection here, by
type: only training and inference configs are accepted.
"""

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import attrs

from ptycho_config.schema import InferenceConfig, ModelConfig, TrainingConfig
from ptycho_config.schema.specs import specs

RENAMED: Mapping[str, str] = MappingProxyType(
    {
        "object_big": "object.big",
        "probe_big": "probe.big",
        "probe_mask": "probe.mask",
        "probe_trainable": "probe.trainable",
        "intensity_scale_trainable": "intensity_scale.trainable",
        "positions_provided": "positions.provided",
        "output_dir": "output_prefix",
        "train_data_file": "train_data_file_path",
        "test_data_file": "test_data_file_path",
    }
)


def _frozen(values: Mapping[str, Any]) -> Mapping[str, Any]:
    return MappingProxyType(dict(values))


def _names(names: Iterable[str]) -> frozenset[str]:
    return frozenset(names)


@attrs.frozen
class LegacyDelta:
    """A change of the legacy dict as a value: keys to set, keys to remove; the rest is kept."""

    set: Mapping[str, Any] = attrs.field(factory=dict, converter=_frozen)
    unset: frozenset[str] = attrs.field(default=frozenset(), converter=_names)

    def __attrs_post_init__(self) -> None:
        both = sorted(self.unset & self.set.keys())
        if both:
            raise ValueError(f"a legacy key is both set and unset: {', '.join(both)}")

    def __rshift__(self, other: "LegacyDelta") -> "LegacyDelta":
        """First self, then other."""
        kept = {key: value for key, value in self.set.items() if key not in other.unset}
        return LegacyDelta({**kept, **other.set}, (self.unset - other.set.keys()) | other.unset)

    def __reduce__(self) -> tuple[Any, ...]:
        return LegacyDelta, (dict(self.set), self.unset)


def _flat(config: TrainingConfig | InferenceConfig | ModelConfig) -> dict[str, Any]:
    """Legacy key to value: own keys, then the model's, then the renamed ones in their order."""
    own = {name: getattr(config, name) for name in specs(type(config))}
    model = own.pop("model", None)
    named = {**own, **({name: getattr(model, name) for name in specs(ModelConfig)} if model else {})}
    values = {name: str(value) if isinstance(value, Path) else value for name, value in named.items()}
    kept = {name: value for name, value in values.items() if name not in RENAMED}
    return {**kept, **{key: values[name] for name, key in RENAMED.items() if name in values}}


def legacy_delta(config: TrainingConfig | InferenceConfig | ModelConfig) -> LegacyDelta:
    """The legacy view of a config: renamed keys, paths as text, None as unset. Pure."""
    if not isinstance(config, (TrainingConfig, InferenceConfig, ModelConfig)):
        raise TypeError(f"a {type(config).__name__} has no legacy form; only training, inference and model configs do")
    values = _flat(config)
    return LegacyDelta(
        {key: value for key, value in values.items() if value is not None},
        frozenset(key for key, value in values.items() if value is None),
    )


def update_legacy_dict(cfg: MutableMapping[str, Any], delta: LegacyDelta) -> LegacyDelta:
    """Write the delta into `cfg` in place, all of it or nothing, and return the delta that restores it.

    The only effect of this package, called once at the boundary of a training or inference
    run, before any data is loaded. Raises what `cfg` raises for a key that it refuses.
    """
    touched = delta.set.keys() | delta.unset
    before = {key: cfg[key] for key in touched if key in cfg}
    try:
        for key in delta.unset:
            cfg.pop(key, None)
        cfg.update(delta.set)
    except BaseException:
        # Only what has changed: what `cfg` refuses to write, it may refuse to write back.
        for key in touched:
            if key not in before:
                cfg.pop(key, None)
            elif key not in cfg or cfg[key] is not before[key]:
                cfg[key] = before[key]
        raise
    return LegacyDelta(before, frozenset(touched - before.keys()))


@contextmanager
def legacy_values(cfg: MutableMapping[str, Any], delta: LegacyDelta) -> Iterator[None]:
    """Write the delta into `cfg`; where the block then fails, `cfg` has its former values again."""
    former = update_legacy_dict(cfg, delta)
    try:
        yield
    except BaseException:
        update_legacy_dict(cfg, former)
        raise
