"""The table of options in a report names the layer of every value."""

from ptycho_config import at, create_training_payload, fields, layer, narrow, resolve
from ptycho_config.layers import BASE
from ptycho_config.schema import TrainingSetup, Unrolled
from ptycho_torch.output.derivation import derivation_of
from ptycho_torch.output.report import option_rows


def test_the_options_of_a_member_have_the_layer_that_chose_it() -> None:
    """And those that a later layer set within it, by its narrowed path, have that one."""
    c = fields(TrainingSetup)
    base = create_training_payload(profile="unrolled")[0].config
    chosen = layer("choice", at(c.torch.net).put(Unrolled(stages=2)))
    wider = layer("refinement", at(narrow(c.torch.net, Unrolled).width).put(8))
    rows = {row.path: row for row in option_rows(derivation_of(resolve(base, chosen, wider)))}
    assert [rows[path].layer for path in ("torch.net.kind", "torch.net.stages", "torch.net.width")] == [
        "choice",
        "choice",
        "refinement",
    ]
    assert rows["training.nepochs"].layer == BASE
