"""Facts about a scan file, as a value that enters the derivation as a layer."""

import attrs

from ptycho_config.layers import FACTS, Layer
from ptycho_config.lens import Lens, at, fields
from ptycho_config.schema import InferenceSetup, TrainingSetup
from ptycho_config.steps import Step
from ptycho_config.transform import Transform


@attrs.frozen(kw_only=True)
class DatasetFacts:
    """Read from a scan by `ptycho_torch.data.readers.inspect_dataset`; holds no arrays."""

    name: str
    n_patterns: int
    n_pixels: int
    probe_modes: int
    nphotons: float | None

    def training_layer(self) -> Layer:
        """N, fixed because the file decides it, and the photon count where metadata has it."""
        c = fields(TrainingSetup)
        return self._layer(at(c.training.model.N), at(c.training.nphotons))

    def inference_layer(self) -> Layer:
        """N, fixed because the file decides it."""
        return self._layer(at(fields(InferenceSetup).inference.model.N), None)

    def _layer(self, size: Lens[int], photons: Lens[float] | None) -> Layer:
        steps = [Step(size.path, "put", self.n_pixels, FACTS, fixed=True, where=f"probeGuess of {self.name}")]
        if photons is not None and self.nphotons is not None:
            steps.append(Step(photons.path, "put", self.nphotons, FACTS, where=f"_metadata of {self.name}"))
        return Layer(FACTS, Transform(tuple(steps)))
