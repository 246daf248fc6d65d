"""Simulated scans with known truth: `write_simulation(Path("scan.npz"), simulate(Simulation(step_px=8)))`."""

from ptycho_torch.simulation.options import Simulation
from ptycho_torch.simulation.scan import Simulated, simulate
from ptycho_torch.simulation.write import write_simulation

__all__ = ["Simulated", "Simulation", "simulate", "write_simulation"]
