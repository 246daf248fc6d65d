"""Sweeps: the product of axes of changes, each point one training."""

from ptycho_torch.sweep.plan import Trial, axis, plan_sweep
from ptycho_torch.sweep.results import Row, draw_sweep, read_rows, table
from ptycho_torch.sweep.run import run_local, run_ray

__all__ = ["Row", "Trial", "axis", "draw_sweep", "plan_sweep", "read_rows", "run_local", "run_ray", "table"]
