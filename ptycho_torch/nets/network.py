"""The interface of networks, and the registry in which they are found by name."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from torch import Tensor, nn

from ptycho_config.schema.networks import Sees
from ptycho_torch.nets.measurements import Measurements
from ptycho_torch.registry import Registry


@runtime_checkable
class Network(Protocol):
    """Clusters of patterns to complex patches of their object: an `nn.Module` with two facts about it.

    B clusters of S patterns of N px a side, P probe modes:

    amplitude `(B, S, N, N)` float32: square roots of the measured intensities, zero frequency at
        `[0, 0]`, in units of their root mean square over the scan (`torch.scale` can change that).
    probe `(B, S, P, N, N)` complex64: moved by the sub-pixel rest of each position; in the units of
        amplitude, so that an object of unit modulus explains the measured power: the predicted amplitude
        is `sqrt(sum_p |F(P_p O)|^2)` with F the unitary DFT.
    initial `(B, S, N, N)` complex64: patches of the first guess, 1 unless `torch.net.start` is `coarse`.
    centre_yx `(B, S, 2)` int64: the object pixel under pixel `[N // 2, N // 2]` of each patch.
    valid_pixels `(N, N)` bool in the order of amplitude: where the detector measured; None for all.

    Returns patches `(B, S, N, N)` complex64, of modulus near 1. B and S may differ from call to call.
    """

    @property
    def sees(self) -> Sees:
        """`group`: the `gridsize^2` patterns of a group as channels, S is a multiple of that; `pattern`:
        each pattern alone; `object`: one object of all patterns (then it is an `ObjectNetwork`)."""

    @property
    def fixes_scale(self) -> bool:
        """Whether it compares amplitude with the probe, so that `torch.scale` must keep their units."""

    def __call__(
        self, amplitude: Tensor, probe: Tensor, initial: Tensor, centre_yx: Tensor, valid_pixels: Tensor | None = None
    ) -> Tensor:
        """Patches `(B, S, N, N)` complex64."""


@runtime_checkable
class ObjectNetwork(Network, Protocol):
    """A network that sees one object: trained on clusters, it reconstructs whole scans at once.

    `nets.measurements.ObjectNet` is a base class that has all but `reconstruct`.
    """

    def reconstruct(self, measured: Measurements) -> Tensor:
        """The object `(B, H, W)` complex64, of modulus near 1, that measurements show."""


Factory = Callable[..., nn.Module]
# Built-in factories take (ModelConfig, the options of the network), those of other packages
# (ModelConfig, **torch.net.options).
NETWORKS: Registry[Factory] = Registry("network", "ptycho.networks")
