"""How a stitched object is improved against the measured patterns."""

from ptycho_config.schema.base import config, field
from ptycho_config.schema.checks import between, non_negative, positive


@config
class RefineOptions:
    """Passes over all patterns that improve a stitched object with the known probe."""

    passes: int = field(default=0, check=non_negative, doc="passes over all patterns; 0 leaves the object")
    batch: int = field(
        default=32, unit="patterns", check=positive, doc="patterns whose updates are applied at once"
    )
    alpha: float = field(
        default=0.1,
        check=between(0.0, 1.0),
        doc="weight of the local illumination in the step: 0 ePIE-like and calm, 1 fast and noisy",
    )
    coarse: int = field(
        default=2,
        check=non_negative,
        doc="first passes before which coarse structure is corrected from the moments of the patterns",
    )
    refine_probe: bool = field(default=False, doc="improve the probe too")
    refine_positions: bool = field(default=False, doc="improve the scan positions too")
