"""Whether a reconstruction leaves more of its patterns than of those that its object would give.

Where R is near that of noise, a wrong position or probe hides in it. The scan that the object would give, with other
noise, is reconstructed in the same way (parametric bootstrap, as a test of the fit: Stute, Gonzalez Manteiga & Presedo
Quindimil, Metrika 40, 243 (1993)): what noise, the denoiser, and passes that are too few leave is left there too.
"""

import torch

from ptycho_torch.judgement.fit import Fit
from ptycho_torch.judgement.orientation import SIGNIFICANT, SUBSTANTIAL, standard_errors
from ptycho_torch.verdict import Evidence

REPETITION = "repetition"


def needs_repetition(fit: Fit) -> bool:
    """Whether the R of a fit is near that of noise, and yet leaves a substantial part of what an object can explain."""
    return fit.is_near_noise and fit.explained < 1 - SUBSTANTIAL


def compare_repetition(own: Fit, repeated: Fit) -> Evidence:
    """The evidence of a simulated repetition; own: the fit of measured patterns; repeated: that of the patterns that
    its object would give, reconstructed in the same way."""
    difference = torch.from_numpy(own.excess - repeated.excess)
    room = own.flat - own.noise
    share = float(difference.sum()) / room if room > 0 else 0.0
    errors = standard_errors(difference)
    text = (
        f"the patterns are explained worse than those of a simulated scan of this object with as many photons: "
        f"{100 * share:.0f} % of what an object can explain ({errors:.0f} standard errors)"
    )
    if share <= SUBSTANTIAL or errors <= SIGNIFICANT:
        return Evidence(name=REPETITION, level="sound", text=text, value=share)
    text = f"{text}. Noise may hide that positions, probe or background are wrong"
    remedy = "check positions, probe and background, or count more photons"
    return Evidence(name=REPETITION, level="doubtful", text=text, value=share, remedy=remedy)
