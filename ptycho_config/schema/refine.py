"""How a stitched object is improved against the measured patterns."""

from collections.abc import Iterator

from ptycho_config.errors import Problem
from ptycho_config.schema.base import config, field
from ptycho_config.schema.checks import non_negative, positive, share_below_one

# Passes over the object alone, before anything else is improved beside it.
ALONE = 2


def _late_parts(options: "RefineOptions") -> Iterator[Problem]:
    for name in ("refine_probe", "refine_positions"):
        if getattr(options, name) and options.passes <= ALONE:
            message = f"would have no effect in {options.passes} passes: it begins with the third"
            yield Problem(name, message, hint="set passes to 3 or more")


@config(constraints=(_late_parts,))
class RefineOptions:
    """Passes over all patterns that improve a stitched object."""

    passes: int = field(default=0, check=non_negative, doc="passes over all patterns; 0 leaves the object as it is")
    batch: int = field(default=64, unit="patterns", check=positive, doc="patterns whose updates are applied together")
    alpha: float = field(
        default=0.3,
        check=share_below_one,
        doc="weight of the local illumination in the step: 0 slow and calm, near 1 fast and noisy",
    )
    coarse: int = field(
        default=2,
        check=non_negative,
        doc="first passes after which coarse structure is corrected from the moments of the patterns; "
        "never after the last",
    )
    average: int = field(
        default=1,
        check=non_negative,
        doc="last passes that apply the updates of all patterns together: less noise, little progress; never the first",
    )
    refine_probe: bool = field(default=False, doc="improve the probe too, from the third pass on")
    refine_positions: bool = field(
        default=False, doc="correct the positions too, from the third pass on, by at most N/8 px"
    )
