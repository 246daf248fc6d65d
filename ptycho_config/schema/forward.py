"""The physics a network is trained against, and the units of what was measured."""

from typing import ClassVar, Literal

from ptycho_config.schema.base import config
from ptycho_config.schema.checks import positive
from ptycho_config.schema.fields import option, suggested


@config
class Amplitude:
    """`A = |F[P O]|`, compared in units of the scan's mean."""

    amplitude_physics_gain: float = option(1.0, "factor on the predicted amplitude while training", check=positive)


@config
class RectangularScaled:
    """`I = sum_p |F[s1 P Re O + i s2 P Im O]|^2` in photon counts."""

    KIND: ClassVar[str] = "rectangular_scaled"

    rect_s1s2_trainable: bool = option(True, "learn s1 and s2")
    rect_s1s2_init: Literal["ones", "data"] = option(
        "ones", "first value of s1 and s2: one, or from the energy of the first batch"
    )


ForwardModel = Amplitude | RectangularScaled


@config
class ScaleOptions:
    """The units of a file and the scaling of what the network reads.

    The scale contract follows from the domain: `count_intensity` is `ci_intensity_v2`,
    `normalized_amplitude` is `legacy_v1`; so the two cannot contradict each other.
    """

    CONTRACTS: ClassVar[dict[str, str]] = {"count_intensity": "ci_intensity_v2", "normalized_amplitude": "legacy_v1"}

    domain: Literal["count_intensity", "normalized_amplitude"] = suggested(
        "count_intensity",
        "what the patterns are: photon counts, or amplitudes (square roots) in any unit; never guessed",
    )
    normalize: Literal["Group", "Batch", "None"] = option(
        "Batch", "what the input scale is taken over: each group (of one pattern: its scan), the whole scan, or nothing"
    )
    data_scaling: Literal["Parseval", "Max"] = option("Parseval", "input scale from mean energy or brightest pattern")
    probe_normalize: bool = option(
        True,
        "scale the probe so that an object of modulus probe_scale / 4 fits on average; false keeps the "
        "file's probe, so that the network draws the object of the file",
    )
    statistics: Literal["scan", "training"] = suggested(
        "scan", "whose mean intensity and probe power scale a scan: its own, or those of the training, frozen"
    )
