"""The parts of a network that fine-tuning tells apart."""

from collections.abc import Iterator

from torch import nn

from ptycho_torch.nets.cnn import CnnNet
from ptycho_torch.nets.cnn_decoder import Decoders
from ptycho_torch.nets.fourier import OperatorNet
from ptycho_torch.nets.neuralop import UnoNet
from ptycho_torch.nets.unet import UNet

ENCODER_BOTTOM, ENCODER_TOP, DECODER, PHASE_HEAD = "encoder_bottom", "encoder_top", "decoder", "phase_head"
PARTS = (ENCODER_BOTTOM, ENCODER_TOP, DECODER, PHASE_HEAD)
Part = tuple[str, nn.Module]


def parameters_by_part(model: nn.Module) -> dict[str, list[nn.Parameter]]:
    """Every parameter of a model in exactly one of `PARTS`.

    encoder_bottom: what sees the input first; encoder_top: the rest up to the coarsest level, or
    the Fourier blocks; phase_head: the layers that draw the phase, or the complex value where a
    network draws both at once; decoder: everything else.
    """
    found: dict[str, list[nn.Parameter]] = {part: [] for part in PARTS}
    taken: set[int] = set()
    for part, module in (one for child in model.modules() for one in _parts(child)):
        for parameter in module.parameters():
            if id(parameter) not in taken:
                taken.add(id(parameter))
                found[part].append(parameter)
    found[DECODER] += [parameter for parameter in model.parameters() if id(parameter) not in taken]
    return found


def _parts(module: nn.Module) -> Iterator[Part]:
    match module:
        case UNet():
            yield ENCODER_BOTTOM, module.stem
            yield from ((ENCODER_BOTTOM, layers[0]) for layers in (module.down, module.shrink))
            yield from ((ENCODER_TOP, layers) for layers in (module.down, module.shrink, module.bottom))
            yield PHASE_HEAD, module.head
        case CnnNet():
            layers = list(module.encoder)
            yield from ((ENCODER_BOTTOM, layer) for layer in layers[: len(layers) // 2])
            yield from ((ENCODER_TOP, layer) for layer in (*layers, module.bottleneck))
            if isinstance(module.decoder, Decoders):
                yield PHASE_HEAD, module.decoder.second.head
        case OperatorNet():
            yield ENCODER_BOTTOM, module.lifter
            yield ENCODER_TOP, module.operator
            yield PHASE_HEAD, module.heads[-1]
        case UnoNet():
            yield ENCODER_BOTTOM, module.operator.get_submodule("lifting")
            yield ENCODER_TOP, module.operator.get_submodule("fno_blocks")
            yield PHASE_HEAD, module.operator.get_submodule("projection")
