"""Components of a probe that varies: laws of their forms."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from ptycho_torch.physics.probe_components import Variation, component_powers, orthogonal_turn, turn_variation, vary


def _variation(seed: int, number: int) -> Variation:
    rng = np.random.default_rng(seed)
    parts = rng.normal(size=(2, number, 8, 8))
    return Variation(torch.from_numpy(parts[0] + 1j * parts[1]), torch.from_numpy(rng.normal(size=(20, number))))


@given(st.integers(0, 100), st.integers(1, 3))
def test_turned_components_are_orthogonal_and_give_the_same_probes(seed: int, number: int) -> None:
    """Other components of a variation give the same probes."""
    probe, given_ = torch.ones(2, 8, 8, dtype=torch.complex128), _variation(seed, number)
    found = turn_variation(given_, orthogonal_turn(given_))
    torch.testing.assert_close(vary(probe, *found), vary(probe, *given_))
    products = torch.einsum("kyx,lyx->kl", found.components, found.components.conj()).real
    torch.testing.assert_close(products, torch.eye(number, dtype=torch.float64))
    strengths = component_powers(probe, found).tolist()
    assert strengths == sorted(strengths, reverse=True)


def test_further_modes_do_not_vary() -> None:
    """Components belong to the first mode."""
    probe = torch.ones(2, 8, 8, dtype=torch.complex128)
    varied = vary(probe, *_variation(0, 2))
    assert torch.equal(varied[:, 1], probe[1].expand(20, -1, -1))
    assert not torch.equal(varied[0, 0], varied[1, 0])
