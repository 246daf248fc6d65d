"""Configuration of a beamline's own program: an example of configs that are not those of this project."""
