"""Improvement of a stitched object against the measured patterns."""

from collections.abc import Iterator
from typing import Literal

from ptycho_config.errors import Problem
from ptycho_config.schema.base import config
from ptycho_config.schema.checks import between, non_negative, non_negative_or_auto, positive, share_below_one
from ptycho_config.schema.fields import option

Unknown = Literal["probe", "positions", "background", "flux", "modes"]
# Passes over the object alone, before the probe and the positions are improved too.
ALONE = 2
# Passes of `auto` where nothing is known of the scan; and where probe or positions, which follow slowly, are improved.
AUTO, AUTO_TOGETHER = 4, 12
# Photons a pixel of the object whose noise is 1 % of it: `1 / sqrt(2 n)`.
FEW_PHOTONS = 5000
# The linear overlap of neighbouring patterns, `1 - step / diameter` of the probe, up to which steps with the denoiser
# are tried; a good scan has more.
LITTLE_OVERLAP = 0.5


def _late_parts(options: "RefineOptions") -> Iterator[Problem]:
    for name in ("refine_probe", "refine_positions"):
        if getattr(options, name) and options.planned <= ALONE:
            message = f"would have no effect in {options.passes} passes: it begins with the third"
            yield Problem(name, message, hint="set passes to 3 or more")


def _background(options: "RefineOptions") -> Iterator[Problem]:
    if options.background == "none" and options.unknown != "auto" and "background" in options.unknown:
        yield Problem("background", "is none, but unknown names it", hint="set background to constant or image")


def _components(options: "RefineOptions") -> Iterator[Problem]:
    if options.probe_components and options.planned == 0:
        message = "would have no effect without passes"
        yield Problem("probe_components", message, hint="set passes to 1 or more")


@config(constraints=(_late_parts, _background, _components))
class RefineOptions:
    """Passes over all patterns that improve a stitched object, and the search for what they need first."""

    unknown: Literal["auto"] | tuple[Unknown, ...] = option(
        "auto",
        "what is not known of the instrument and is estimated: probe, positions, background, flux of the frames, "
        "modes; auto: what lowers the misfit of pixels that are held back; [] nothing. What is found is refined in "
        "12 passes or more. Unless it is [], the solver's object replaces that of a network that leaves more of them",
    )
    background: Literal["none", "constant", "image"] = option(
        "image", "background where it is not known: one value, or an image that is smooth over 2 px; none: never"
    )
    modes: int = option(
        0,
        "incoherent modes of the probe where they are not known; 0: as many as the misfit asks for, at most 4",
        check=between(0, 6),
    )
    probe_components: int = option(
        0,
        "components by which the first mode of the probe varies from pattern to pattern (orthogonal probe relaxation), "
        "kept where pixels that are held back ask for them; 0: one probe for all. unknown=auto then chooses no "
        "positions, whose errors components take up",
        check=between(0, 6),
    )
    passes: int | Literal["auto"] = option(
        "auto",
        "passes over all patterns, 0 for none; auto, after a network: "
        f"{AUTO}, or {2 * AUTO} where the misfit of held-back pixels still falls, none where it rises, and "
        f"{AUTO_TOGETHER} with probe or positions",
        check=non_negative_or_auto,
    )
    likelihood: Literal["auto", "amplitude", "poisson"] = option(
        "auto",
        "what the passes maximise: amplitude, fast where photons abound; poisson, the likelihood of the counts with a "
        "denoiser and total variation as prior; auto: poisson below "
        f"{FEW_PHOTONS} photons a pixel of the object; otherwise amplitude, followed by steps with the denoiser where "
        f"neighbouring patterns overlap by {100 * LITTLE_OVERLAP:g} % or less and held-back pixels gain. batch, alpha, "
        "coarse and average are of the amplitude passes",
    )
    batch: int = option(64, "patterns whose updates are applied together", unit="patterns", check=positive)
    alpha: float = option(
        0.3,
        "weight of the local illumination in the step: 0 slow and calm, near 1 fast and noisy",
        check=share_below_one,
    )
    coarse: int = option(
        2,
        "first passes after which coarse structure is corrected from the moments of the patterns; never after the last",
        check=non_negative,
    )
    average: int = option(
        1,
        "last passes that apply the updates of all patterns together: less noise, little progress; never the first",
        check=non_negative,
    )
    refine_probe: bool = option(False, "improve the probe too, from the third pass on")
    refine_positions: bool = option(False, "correct the positions too, from the third pass on, by at most N/8 px")
    halves: bool = option(
        False,
        "reconstruct two halves of the scan too, for the resolution by their ring correlation, and the scan that the "
        "object would give, for maps of the expected errors; three times the time",
    )

    @property
    def planned(self) -> int:
        """The number of passes; where it is `auto`, that of a scan of which nothing is known."""
        if self.passes != "auto":
            return self.passes
        return AUTO_TOGETHER if self.refine_probe or self.refine_positions else AUTO
