"""The legacy parameter store: defaults, checked writes, derived sizes, and a seal that holds."""

from collections import UserDict
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Self

DATA_SOURCES = ("lines", "grf", "experimental", "points", "testimg", "diagonals", "xpp", "V", "generic")
WRITABLE_UNDER_SEAL = frozenset({"intensity_scale", "probe", "timestamp"})
DERIVED = "bigN"
DEFAULTS: Mapping[str, Any] = MappingProxyType(
    {
        "N": 128,
        "offset": 4,
        "gridsize": 2,
        "outer_offset_train": None,
        "outer_offset_test": None,
        "batch_size": 16,
        "nepochs": 60,
        "n_filters_scale": 2,
        "output_prefix": "outputs",
        "big_gridsize": 10,
        "max_position_jitter": 10,
        "sim_jitter_scale": 0.0,
        "default_probe_scale": 0.7,
        "mae_weight": 0.0,
        "nll_weight": 1.0,
        "tv_weight": 0.0,
        "realspace_mae_weight": 0.0,
        "realspace_weight": 0.0,
        "nphotons": 1e9,
        "nimgs_train": 9,
        "nimgs_test": 3,
        "data_source": "generic",
        "probe.trainable": False,
        "intensity_scale.trainable": False,
        "positions.provided": False,
        "object.big": True,
        "probe.big": False,
        "probe_scale": 10.0,
        "set_phi": False,
        "probe.mask": True,
        "pad_object": True,
        "model_type": "pinn",
        "label": "",
        "size": 392,
        "amp_activation": "sigmoid",
        "h5_path": "wts.h5",
        "npseed": 42,
        "debug": True,
        "gaussian_smoothing_sigma": 0.0,
        "use_xla_translate": True,
    }
)
_REQUIRED = object()


class SealedError(RuntimeError):
    """A write to a sealed store. The message names the keys and the way out."""


class LegacyParams(UserDict[str, Any]):
    """A mapping of legacy keys that starts with the defaults.

    Every way of writing respects the seal. `bigN` is computed when it is read and never stored,
    so it cannot go stale.
    """

    def __init__(self) -> None:
        self._sealed = False
        super().__init__(DEFAULTS)

    def __setitem__(self, key: str, value: Any) -> None:
        self._refuse({key})
        super().__setitem__(key, value)

    def __delitem__(self, key: str) -> None:
        self._refuse({key})
        super().__delitem__(key)

    def __missing__(self, key: str) -> Any:
        if key == DERIVED:
            return self.big_n
        raise KeyError(key)

    def update(self, *values: Any, **named: Any) -> None:
        """As `dict.update`, all or nothing under the seal."""
        new = dict(*values, **named)
        self._refuse(set(new))
        self.data.update(new)

    def __ior__(self, other: Any) -> Self:  # type: ignore[override,misc] # typeshed overloads it by type
        self.update(other)
        return self

    def clear(self) -> None:
        """As `dict.clear`, all or nothing under the seal."""
        self._refuse(set(self))
        self.data.clear()

    def _refuse(self, keys: set[str]) -> None:
        blocked = sorted(keys - WRITABLE_UNDER_SEAL) if self._sealed else []
        if blocked:
            names = ", ".join(blocked)
            raise SealedError(f"the legacy dict is sealed: {names} cannot be written; call unseal() first")

    def ensure_defaults(self) -> None:
        """Put back defaults that were removed; values that are there are kept."""
        self.update({key: value for key, value in DEFAULTS.items() if key not in self})

    def read(self, key: str, default: Any = _REQUIRED) -> Any:
        """The value of a key, where it was removed its default; KeyError without a `default` for a key
        that has none. As in the replaced system it puts all removed defaults back, but not under the
        seal; `check`, `snapshot` and the sizes never write."""
        if not self._sealed:
            self.ensure_defaults()
        values = self.snapshot()
        return values[key] if default is _REQUIRED else values.get(key, default)

    def write(self, key: str, value: Any) -> None:
        """Set a key if the store stays valid; otherwise ValueError, and nothing has changed."""
        self.check({key: value})
        self[key] = value

    def check(self, changes: Mapping[str, Any] = MappingProxyType({})) -> None:
        """ValueError if the values, with the `changes`, contradict each other."""
        problem = _invalid({**DEFAULTS, **self, **changes})
        if problem:
            raise ValueError(problem)

    def snapshot(self) -> dict[str, Any]:
        """A copy of all values, with the defaults of those that were removed and with `bigN`."""
        return {**DEFAULTS, **self, DERIVED: self.big_n}

    def seal(self) -> None:
        """Refuse writes of everything but what is found while running."""
        self._sealed = True

    def unseal(self) -> None:
        """Allow writes again."""
        self._sealed = False

    @property
    def big_n(self) -> int:
        """`N + (gridsize - 1) offset`, px: the side of the region that a group covers."""
        values = {**DEFAULTS, **self}
        return int(values["N"] + (values["gridsize"] - 1) * values["offset"])

    @property
    def padding_size(self) -> int:
        """`(gridsize - 1) offset + max_position_jitter`, px."""
        values = {**DEFAULTS, **self}
        return int((values["gridsize"] - 1) * values["offset"] + values["max_position_jitter"])

    @property
    def padded_size(self) -> int:
        """`bigN + max_position_jitter`, px."""
        return self.big_n + int(self.read("max_position_jitter"))


def _invalid(values: Mapping[str, Any]) -> str:
    """The reason why a set of legacy values is invalid, or nothing."""
    if values["data_source"] not in DATA_SOURCES:
        return f"data_source must be one of {', '.join(DATA_SOURCES)}, got {values['data_source']!r}"
    if values["realspace_mae_weight"] > 0 and not values["realspace_weight"] > 0:
        return "realspace_mae_weight has no effect while realspace_weight is 0; set realspace_weight above 0"
    return ""


legacy_params = LegacyParams()
"""The legacy dict of this process, which the verbs write unless they are given another."""
