"""Options of a family of simulated scans; the defaults are those of the network that comes with ptycho."""

from collections.abc import Iterator
from pathlib import Path

from ptycho_config import Problem, config, field
from ptycho_config.schema.checks import at_least, non_negative, positive


def _ranges(family: "Family") -> Iterator[Problem]:
    for name in ("photons", "overlap", "darkest", "phase_rad"):
        low, high = getattr(family, name)
        if low > high:
            yield Problem(name, f"its lowest value {low} is above its highest, {high}", hint="exchange them")
    if family.photons[0] <= 0 or family.phase_rad[0] <= 0:
        yield Problem("photons", "and phase_rad are drawn over their logarithm", hint="give numbers above 0")
    if not 0 <= family.overlap[0] <= family.overlap[1] < 1:
        yield Problem("overlap", f"must lie between 0 and less than 1, got {list(family.overlap)}")
    if not 0 < family.darkest[0] <= family.darkest[1] <= 1:
        yield Problem("darkest", f"must lie above 0 and up to 1, got {list(family.darkest)}")


def _sizes(family: "Family") -> Iterator[Problem]:
    if family.large > family.scans:
        yield Problem("large", f"of {family.scans} scans {family.large} cannot have large patterns")
    if family.large and family.probe is not None:
        yield Problem("large", "has no meaning: patterns have the side of the probe", hint="set large=0")


@config(constraints=(_ranges, _sizes))
class Family:
    """Simulated scans from which one network learns; each draws its own values in these ranges."""

    probe: Path | None = field(
        default=None, doc="scan or .npy array (N, N) or (modes, N, N) with the probe of all; null: each draws its own"
    )
    scans: int = field(default=224, doc="number of scans", check=at_least(2))
    large: int = field(default=24, doc="how many of them have patterns of 128 px, the others of 64", check=non_negative)
    photons: tuple[float, float] = field(default=(1e4, 3e6), doc="in a pattern, on average", unit="photons")
    overlap: tuple[float, float] = field(default=(0.55, 0.85), doc="of neighbouring spots, 1 - step / diameter")
    darkest: tuple[float, float] = field(default=(0.3, 0.95), doc="modulus of the object where it absorbs most")
    phase_rad: tuple[float, float] = field(default=(0.1, 2.5), doc="range of its phase", unit="rad")
    epochs: int = field(default=3, doc="passes over all scans", check=positive)
    seed: int = field(default=0, doc="of the scans, their groups and the network", check=non_negative)
