"""Mistakes that users of configs, lenses, changes, layers, setups and factories make. Read by type checkers, never run.

The mark at the end of a line names the checkers that report it.
"""

from pathlib import Path

from ptycho_config import (
    Sources,
    at,
    config,
    create_inference_payload,
    create_training_payload,
    diff,
    field,
    fields,
    layer,
    load,
    narrow,
    parse,
    product,
    resolve,
    update_legacy_dict,
)
from ptycho_config.legacy import legacy_delta
from ptycho_config.schema import (
    InferenceConfig,
    InferenceSetup,
    ModelConfig,
    PyTorchExecutionConfig,
    TorchOptions,
    TrainingConfig,
    TrainingSetup,
)
from ptycho_config.schema.fields import option
from ptycho_config.schema.replace import replace

base = TrainingSetup()
c = fields(TrainingSetup)
change = at(c.training.nepochs).put(3)
scan, model = Path("scan.npz"), Path("model")
applied = InferenceSetup(inference=InferenceConfig(model_path=model, test_data_file=scan))


def shout(value: str) -> str:
    return value.upper()


def complain(_: object) -> list[str]:
    return ["too few"]


# Configs
ModelConfig(gridsze=2)  # both: misspelt field
ModelConfig(N="64")  # both: text for a number
ModelConfig().N = 128  # both: write to a frozen config
TrainingConfig(optimizer="adamm")  # both: value outside the choice
TrainingConfig(torch_loss_mode="poison")  # both: neither a built-in part nor an entry point
TorchOptions(net="unrolled")  # both: the kind in place of the member
replace(ModelConfig, base.training.model, gridsze=2)  # both: misspelt field
replace(ModelConfig, base.training.model, gridsize="2")  # both: text for a number

# Lenses
at(c.training.nepochs).put("3")  # both: text for a number
at(c.training.optimizer).put("adamm")  # both: value outside the choice
at(c.training.torch_loss_mode).put("poison")  # both: neither a built-in part nor an entry point
at(c.execution.learning_rate).over(shout)  # both: function of text on a number
narrow(c.torch.net, "fno")  # both: the kind in place of the class
fields(base)  # both: a config in place of its class

# Changes and layers
change >> at(c.training.nepochs).put(5)(base)  # both: a config is no change
layer(change, "ci")  # both: arguments in the wrong order
product(change, change)  # both: axes are lists of changes
diff(base, applied)  # neither: configs of two classes
resolve(base, {"training.nepochs": 3})  # both: a mapping is no layer
resolve(TrainingSetup, change)  # both: a class in place of a config
print(resolve(base, change).training)  # both: the config stands in `.config`
change({"training": {}})  # both: a mapping is no config
parse(TrainingSetup, "training.nepochs=3")  # both: one text in place of a list
load(TrainingSetup, "run.json")  # both: a file name in place of data

# Setups and factories
print(create_training_payload(scan).config)  # both: a pair was not unpacked
create_inference_payload(model, scan)  # both: the trained setup is missing
Sources(overides={"training.nepochs": 3})  # both: misspelt argument
Sources(execution={"learning_rate": 1e-3})  # both: a mapping in place of an execution config
update_legacy_dict(legacy_delta(base.training), {})  # both: arguments in the wrong order
legacy_delta(PyTorchExecutionConfig())  # both: execution settings have no legacy form

# Own configs
config(constraints=(complain,))  # both: a constraint gives problems


@config
class Mine:
    width: int = field(default="wide", doc="channels")  # both: default of another type
    depth: int = option(3, "stages", unt="px")  # both: misspelt property
