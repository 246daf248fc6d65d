"""Physics-informed neural reconstruction of ptychography scans.

    from ptycho_torch import simulate, reconstruct, train

    scan = simulate(object="polyhedra")     # or the path of a scan file
    result = reconstruct(scan, "result")    # with the network that comes with ptycho
    run = train(scan, "run", nepochs=5)     # or one of your own
    reconstruct(scan, "mine", model=run)

Every verb takes a path or arrays, and options by name: `ptycho config show` lists them all. Each is imported when it is
used.
"""

import sys
from importlib.metadata import version
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING, Any

if find_spec("torch") is None:
    raise RuntimeError(
        "ptycho_torch needs PyTorch, which is not installed in this environment. Install it with "
        "`pip install torch` (CPU only: `pip install torch --index-url https://download.pytorch.org/whl/cpu`)."
    )

import lazy_loader

if TYPE_CHECKING:
    from ptycho_torch.api.comparison import compare as compare
    from ptycho_torch.api.comparison import evaluate as evaluate
    from ptycho_torch.api.inference import reconstruct as reconstruct
    from ptycho_torch.api.loading import load as load
    from ptycho_torch.api.refinement import refine as refine
    from ptycho_torch.api.reporting import report as report
    from ptycho_torch.api.scans import inspect as inspect
    from ptycho_torch.api.scans import read_scan as read_scan
    from ptycho_torch.api.scans import simulate as simulate
    from ptycho_torch.api.training import train as train

__version__ = version("ptycho")

_VERBS = {
    "api.comparison": ["compare", "evaluate"],
    "api.inference": ["reconstruct"],
    "api.loading": ["load"],
    "api.refinement": ["refine"],
    "api.reporting": ["report"],
    "api.scans": ["inspect", "read_scan", "simulate"],
    "api.training": ["train"],
}

if not TYPE_CHECKING:
    # For type checkers a module with `__getattr__` has every name.
    __getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs=_VERBS)


class _Package(ModuleType):
    """This package, whose verbs keep their names."""

    def __setattr__(self, name: str, value: Any) -> None:
        # The import of the module `ptycho_torch.train` would put it in the place of the verb.
        if not (isinstance(value, ModuleType) and any(name in verbs for verbs in _VERBS.values())):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
