"""Options that only the PyTorch backend has, in small groups by stage."""

from typing import Literal

from ptycho_config.schema.base import config, field
from ptycho_config.schema.checks import between, non_negative, positive


@config
class DataOptions:
    """How a scan file is read and split."""

    measurement_domain: Literal["count_intensity", "normalized_amplitude"] = field(
        default="count_intensity",
        doc="what the patterns are: photon counts, or amplitudes (square roots) in any unit; never guessed",
    )
    validation_fraction: float = field(
        default=0.05, check=between(0.0, 0.5), doc="groups held back when there is no validation scan"
    )


@config
class PrimedOptions:
    """The physics-primed network."""

    stages: int = field(default=3, check=positive, doc="projection steps, each with its own correction")
    width: int = field(default=16, unit="channels", check=positive, doc="channels at the finest level")
    levels: int = field(default=2, check=between(1, 4), doc="halvings of the U-Net")
    alpha: float = field(
        default=0.1,
        check=between(0.0, 1.0),
        doc="regularisation of the projection step: 0 ePIE-like, 1 PIE-like",
    )


@config
class OverlapOptions:
    """The loss that makes neighbouring patches agree."""

    partners: int = field(
        default=0,
        unit="patterns",
        check=non_negative,
        doc="neighbours that travel with each group while training",
    )
    weight: float = field(
        default=0.0,
        check=non_negative,
        doc="weight of the patterns of a cluster predicted from each other's patches",
    )


@config
class StitchOptions:
    """How patches become one object."""

    illumination_floor: float = field(
        default=1e-3,
        check=between(0.0, 1.0),
        doc="pixels with less than this share of the peak illumination are left empty (1)",
    )


@config
class TorchOptions:
    """All options of the PyTorch backend."""

    data: DataOptions = field(default=DataOptions(), doc="reading and splitting")
    primed: PrimedOptions = field(default=PrimedOptions(), doc="the physics-primed network")
    overlap: OverlapOptions = field(default=OverlapOptions(), doc="agreement of neighbouring patches")
    stitch: StitchOptions = field(default=StitchOptions(), doc="stitching")
