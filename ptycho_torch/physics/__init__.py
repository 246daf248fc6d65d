"""Ptychography as pure functions: diffraction, patches, projections, simulation."""
