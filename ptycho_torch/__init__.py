"""Physics-informed neural reconstruction of ptychography scans. Start at `ptycho_torch.api`."""

from importlib.util import find_spec

if find_spec("torch") is None:
    raise RuntimeError(
        "ptycho_torch needs PyTorch, which is not installed in this environment. Install it with "
        "`pip install torch` (CPU only: `pip install torch --index-url https://download.pytorch.org/whl/cpu`)."
    )
