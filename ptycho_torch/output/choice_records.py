"""The records of what a run found besides the object, and of its choices: frozen values with a sentence for people."""

import math
from collections.abc import Mapping

import attrs


@attrs.frozen(kw_only=True)
class PositionCorrections:
    """Distance of refined from recorded positions, px: root mean square and largest; held: patterns that
    stand at the farthest that is allowed."""

    rms_px: float
    max_px: float
    held: int


@attrs.frozen(kw_only=True)
class ProbeRecord:
    """The choice of a probe.

    start: what the search began with, None where the probe of the file was kept; misfit: of pixels that no update saw,
    after an object was fitted with this probe; misfit_file: the same with that of the file, None where it has none.
    """

    start: str | None
    misfit: float
    misfit_file: float | None

    @property
    def sentence(self) -> str:
        """The choice, for people."""
        if self.start is None:
            return f"probe: that of the file, held-back misfit {self.misfit:.2g}"
        compared = "the file has none" if self.misfit_file is None else f"that of the file has {self.misfit_file:.2g}"
        return f"probe: retrieved from {self.start}, held-back misfit {self.misfit:.2g} ({compared})"


def _finite(unexplained: Mapping[str, float]) -> dict[str, float]:
    return {name: part for name, part in unexplained.items() if math.isfinite(part)}


def _percent(part: float) -> str:
    """A part for people; fitted noise can leave more unexplained than there was."""
    return f"{100 * part:.3g} %" if part <= 1 else "> 100 %"


@attrs.frozen(kw_only=True)
class UnknownsRecord:
    """The choice of what is estimated of the instrument.

    chosen: names; unexplained: of the differences between the patterns, apart from noise, the part that was left at
    pixels that no update saw, by what was estimated in a trial; empty where noise hides all differences.
    """

    chosen: tuple[str, ...]
    unexplained: dict[str, float] = attrs.field(converter=_finite)

    @property
    def sentence(self) -> str:
        """The choice, for people."""
        tried = ", ".join(f"{name} {_percent(part)}" for name, part in self.unexplained.items())
        trials = f"; unexplained at held-back pixels, by what is estimated: {tried}" if tried else ""
        return f"estimated: {', '.join(self.chosen) or 'nothing but the object'}{trials}"


@attrs.frozen(kw_only=True)
class ComponentsRecord:
    """The choice of a probe that varies from pattern to pattern.

    kept: whether components were; powers: of each, in the mean over the patterns, as a share of that of the mean probe;
    misfit, misfit_one: R of pixels that no update saw, with the components and with one probe for all.
    """

    kept: bool
    powers: tuple[float, ...]
    misfit: float
    misfit_one: float

    @property
    def sentence(self) -> str:
        """The choice, for people."""
        what = "one for all patterns"
        if self.kept:
            powers = ", ".join(f"{100 * power:.2g} %" for power in self.powers)
            what = f"varies in {len(self.powers)} components with {powers} of its power"
        return f"probe: {what}; held-back misfit {self.misfit:.3g} with components, {self.misfit_one:.3g} without"


@attrs.frozen(kw_only=True)
class PhotonsRecord:
    """A refinement from few photons.

    per_pixel: photons that a lit pixel of the object sent to the detector; denoiser_strength: that of the denoiser, 0
    without; unlikely: by strength, the negative log-likelihood a pattern of pixels that no step had seen.
    """

    per_pixel: float
    denoiser_strength: float
    unlikely: dict[str, float]

    @property
    def sentence(self) -> str:
        """The choice, for people."""
        limit = 100 / (2 * self.per_pixel) ** 0.5
        denoiser = f"with a denoiser of strength {self.denoiser_strength:g}" if self.denoiser_strength else "alone"
        return (
            f"few photons: {self.per_pixel:.3g} a pixel of the object, whose noise alone is {limit:.2g} % of it; "
            f"refined by the likelihood of the counts, {denoiser}, as held-back pixels ask for"
        )


@attrs.frozen(kw_only=True)
class SparseRecord:
    """A refinement from patterns that overlap little.

    overlap: linear, of neighbouring patterns; kept: whether what followed the passes, steps with a denoiser through
    levels of photons, was; misfit: R at pixels that these steps had not seen; misfit_passes: there, after the passes
    alone.
    """

    overlap: float
    kept: bool
    misfit: float
    misfit_passes: float

    @property
    def sentence(self) -> str:
        """The choice, for people."""
        chosen = "refined with a denoiser, from few photons to all" if self.kept else "refined by the passes alone"
        return (
            f"little overlap: neighbours share about {100 * self.overlap:.0f} % of the width of the probe; {chosen}; "
            f"misfit at held-back pixels with it {self.misfit:.2g}, without {self.misfit_passes:.2g}"
        )


@attrs.frozen(kw_only=True)
class NetworkRecord:
    """The comparison of a network with the solver alone.

    start: where the returned object began: `network`, or with the solver alone `flat` or `coarse`, what totals and
    centres of mass of the patterns give; passes: over all patterns that followed; unexplained: of the differences
    between the patterns, apart from noise, the part that each of the three leaves at pixels that it has not seen, the
    network after these passes, and alone where that leaves next to nothing; empty where noise hides all differences,
    and at few photons. less_likely: at few photons, by start, how much less the log-likelihood of counts that no step
    saw is than after the best.
    """

    start: str
    passes: int
    unexplained: dict[str, float] = attrs.field(converter=_finite)
    less_likely: dict[str, float] = attrs.field(factory=dict)

    @property
    def kept(self) -> bool:
        """Whether the object of the network was returned."""
        return self.start == "network"

    @property
    def sentence(self) -> str:
        """The choice, for people."""
        whose = "of the network" if self.kept else f"of the solver from a {self.start} start, not of the network"
        if self.less_likely:
            tried = ", ".join(f"{name} {value:.3g}" for name, value in self.less_likely.items())
            return f"object: {whose}; log-likelihood of held-back counts below that of the best, by start: {tried}"
        tried = ", ".join(f"{name} {_percent(part)}" for name, part in self.unexplained.items())
        return f"object: {whose}, and {self.passes} passes; unexplained at held-back pixels, by start: {tried}"


@attrs.frozen(kw_only=True)
class HalvesRecord:
    """The comparison of the objects of two halves of a scan: half_period_px and half_period_um, where their ring
    correlation falls below the half-bit threshold, None where it never is above or the pixel is not known; the medians
    of the expected errors of modulus and phase."""

    half_period_px: float | None
    half_period_um: float | None
    modulus_deviation: float
    phase_deviation_rad: float

    @property
    def sentence(self) -> str:
        """The comparison, for people."""
        length = "" if self.half_period_um is None else f" ({self.half_period_um:.3g} \N{MICRO SIGN}m)"
        period = "nothing" if self.half_period_px is None else f"a half period of {self.half_period_px:.3g} px{length}"
        return (
            f"two halves of the scan agree down to {period}; expected error of the modulus "
            f"{self.modulus_deviation:.2g}, of the phase {self.phase_deviation_rad:.2g} rad"
        )


@attrs.frozen(kw_only=True)
class InstrumentRecord:
    """The instrument as it was estimated: mode_powers, the share of each incoherent mode of the probe, None for one
    mode; mean_background in the unit of the patterns; flux_spread, the standard deviation of the relative flux of the
    frames; None where these were not estimated."""

    mode_powers: tuple[float, ...] | None
    mean_background: float | None
    flux_spread: float | None

    @property
    def sentence(self) -> str | None:
        """The estimates, for people; None where there are none."""
        parts = []
        if self.mode_powers is not None:
            parts.append(f"{len(self.mode_powers)} modes with {', '.join(f'{p:.2g}' for p in self.mode_powers)}")
        if self.mean_background is not None:
            parts.append(f"a background of {self.mean_background:.3g} a pixel")
        if self.flux_spread is not None:
            parts.append(f"a flux that varies by {100 * self.flux_spread:.2g} %")
        return f"instrument: {'; '.join(parts)}" if parts else None
