"""The configs that users could have in place of ours, over the same tree, and what they cost.

Used by `config.py`. Each function gives the rows of one library in microseconds; it may use the folder given,
which holds the whole setup and a part of it as files.
"""

import functools
import json
import operator
import time
import timeit
from collections.abc import Callable
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import attrs
import cattrs
from cattrs.strategies import configure_tagged_union

from ptycho_config import dump
from ptycho_config.schema import TrainingSetup
from ptycho_config.schema.fields import FieldSpec
from ptycho_config.schema.specs import specs

Rows = dict[str, float]
BASE = TrainingSetup()
CHANGES = {
    "training.nepochs": 3,
    "training.batch_size": 8,
    "training.scheduler": "Exponential",
    "training.optimizer": "sgd",
    "training.model.N": 128,
    "training.model.gridsize": 2,
    "execution.learning_rate": 1e-2,
    "execution.num_workers": 2,
    "torch.data.validation_fraction": 0.1,
    "torch.stitch.illumination_floor": 1e-2,
}
PARTIAL = dict(list(CHANGES.items())[:5])
ASSIGNMENTS = [f"{path}={value}" for path, value in CHANGES.items()]


def microseconds(work: Callable[[], object]) -> float:
    """Processor time, which a busy machine does not stretch: best of seven, enough calls each for about 0.1 s."""
    repeat = functools.partial(timeit.repeat, work, timer=time.process_time)
    number = max(1, int(0.1 / max(1e-7, min(timeit.repeat(work, number=1, repeat=3)))))
    return min(repeat(number=number, repeat=7)) / number * 1e6


def plain_data() -> dict[str, Any]:
    return {name: value for name, value in dump(BASE).items() if name != "schema"}


def merged(node: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """Plain data with `more` on top."""
    return {**node, **{k: merged(node[k], v) if isinstance(v, dict) else v for k, v in more.items()}}


def grouped(changes: dict[str, Any]) -> dict[str, Any]:
    """Nested groups of `path -> value`."""
    tree: dict[str, Any] = {}
    for path, value in changes.items():
        *groups, name = path.split(".")
        node = tree
        for group in groups:
            node = node.setdefault(group, {})
        node[name] = value
    return tree


def twin(cls: type) -> type:
    """The same tree as plain frozen attrs classes: no checks, no converters."""
    made = {}
    for name, spec in specs(cls).items():
        kind, default = spec.annotation, spec.default
        if spec.is_group:
            kind = twin(spec.annotation)
            default = kind()
        elif spec.members:
            members = {member: twin(member) for member in spec.members.values()}
            kind = functools.reduce(operator.or_, members.values())
            default = members[type(spec.default)]()
        made[name] = attrs.field(type=kind, default=default)
    return attrs.make_class(cls.__name__, made, frozen=True, slots=True, kw_only=True)


def evolved(node: Any, replace: Callable[..., Any]) -> Any:
    """The ten overrides by hand: one `replace` for each touched group."""
    training = replace(
        node.training,
        nepochs=3,
        batch_size=8,
        scheduler="Exponential",
        optimizer="sgd",
        model=replace(node.training.model, N=128, gridsize=2),
    )
    execution = replace(node.execution, learning_rate=1e-2, num_workers=2)
    torch = replace(
        node.torch,
        data=replace(node.torch.data, validation_fraction=0.1),
        stitch=replace(node.torch.stitch, illumination_floor=1e-2),
    )
    return replace(node, training=training, execution=execution, torch=torch)


def is_choice(kind: Any) -> bool:
    """A choice between classes."""
    return bool(get_args(kind)) and all(attrs.has(member) for member in get_args(kind))


def _is_mixed(kind: Any) -> bool:
    members = [member for member in get_args(kind) if member is not type(None)]
    return get_origin(kind) in (Union, UnionType) and len(members) > 1 and not is_choice(kind)


def choices(cls: type) -> list[Any]:
    """The choices below a plain class."""
    found = []
    for attribute in attrs.fields(cls):
        if is_choice(attribute.type):
            found.append(attribute.type)
        elif attrs.has(attribute.type):
            found += choices(attribute.type)
    return found


def strict_converter(plain: type) -> cattrs.Converter:
    """A plain strict cattrs converter: unknown keys refused, scalars not coerced."""
    made = cattrs.Converter(forbid_extra_keys=True)
    for scalar in (int, float, bool, str):

        def exact(value: Any, _: Any, scalar: type = scalar) -> Any:
            if type(value) is scalar:
                return value
            raise TypeError(f"not a {scalar.__name__}")

        made.register_structure_hook(scalar, exact)
    for choice in choices(plain):
        configure_tagged_union(choice, made, tag_name="kind")
    # Literals, optional values and tuples are cattrs' own; of other unions it knows nothing.
    made.register_structure_hook_func(_is_mixed, lambda value, _: value)
    made.register_structure_hook_func(lambda t: getattr(t, "__name__", "") == "Path", lambda v, t: t(v))
    return made


def attrs_and_cattrs(_: Path) -> Rows:
    """Plain classes; nothing is checked when one is changed."""
    import orjson

    plain = twin(TrainingSetup)()
    made = strict_converter(type(plain))
    text = json.dumps(made.unstructure(plain), default=str)
    return {
        "attrs: ten overrides, by hand, unchecked": microseconds(lambda: evolved(plain, attrs.evolve)),
        "attrs: the same on our checked classes": microseconds(lambda: evolved(BASE, attrs.evolve)),
        "cattrs, orjson: strict load of JSON": microseconds(lambda: made.structure(orjson.loads(text), type(plain))),
        "cattrs, orjson: dump to JSON": microseconds(lambda: orjson.dumps(made.unstructure(plain), default=str)),
    }


def pydantic_rows(_: Path) -> Rows:
    """Frozen models that forbid unknown keys; a change is validated with the whole tree, as ours is."""
    import pydantic

    def kind(spec: FieldSpec) -> Any:
        if spec.members:
            members = [model(cls, tag) for tag, cls in spec.members.items()]
            return Annotated[functools.reduce(operator.or_, members), pydantic.Field(discriminator="kind")]
        return model(spec.annotation) if spec.is_group else spec.annotation

    def model(cls: type, tag: str = "") -> type:
        kinds = {name: (kind(spec), ...) for name, spec in specs(cls).items()}
        if tag:
            kinds["kind"] = (Literal[tag], ...)
        settings = pydantic.ConfigDict(frozen=True, extra="forbid", protected_namespaces=())
        return pydantic.create_model(cls.__name__, __config__=settings, **kinds)

    made: Any = model(TrainingSetup)
    text, tree = json.dumps(plain_data()), grouped(CHANGES)
    base = made.model_validate_json(text)
    return {
        "pydantic: ten overrides, unchecked copies": microseconds(
            lambda: evolved(base, lambda node, **changes: node.model_copy(update=changes))
        ),
        "pydantic: ten overrides, validated": microseconds(
            lambda: made.model_validate(merged(base.model_dump(), tree))
        ),
        "pydantic: load of JSON": microseconds(lambda: made.model_validate_json(text)),
        "pydantic: dump to JSON": microseconds(base.model_dump_json),
    }


def chz_rows(_: Path) -> Rows:
    """Immutable classes; choices as groups, because a chz field holds one class."""
    import chz

    def model(cls: type) -> type:
        body: dict[str, Any] = {"__annotations__": {}, "__module__": __name__}
        for name, spec in specs(cls).items():
            held = spec.annotation if spec.is_group else type(spec.default) if spec.members else None
            kind = model(held) if held else spec.annotation
            body["__annotations__"][name] = kind
            body[name] = chz.field(blueprint_unspecified=kind, default_factory=kind) if held else spec.default
        return chz.chz(type(cls.__name__, (), body))

    made: Any = model(TrainingSetup)
    base = made()
    return {
        "chz: ten overrides, by hand": microseconds(lambda: evolved(base, chz.replace)),
        "chz: ten overrides, blueprint": microseconds(lambda: chz.Blueprint(made).apply(CHANGES).make()),
        "chz: ten assignments as text": microseconds(lambda: chz.Blueprint(made).make_from_argv(ASSIGNMENTS)),
    }


def omegaconf_rows(folder: Path) -> Rows:
    """Untyped containers: nothing is checked but the keys."""
    from omegaconf import OmegaConf

    base = OmegaConf.create(plain_data())
    OmegaConf.set_struct(base, True)
    tree = grouped(CHANGES)
    return {
        "OmegaConf: ten overrides": microseconds(lambda: OmegaConf.merge(base, tree)),
        "OmegaConf: ten assignments as text": microseconds(
            lambda: OmegaConf.merge(base, OmegaConf.from_dotlist(ASSIGNMENTS))
        ),
        "OmegaConf: full YAML file": microseconds(lambda: OmegaConf.load(folder / "full.yaml")),
        "OmegaConf: partial YAML file, merged": microseconds(
            lambda: OmegaConf.merge(base, OmegaConf.load(folder / "partial.yaml"))
        ),
    }


def hydra_rows(folder: Path) -> Rows:
    """Compose of one stored config."""
    from hydra import compose, initialize_config_dir
    from hydra.core.config_store import ConfigStore

    ConfigStore.instance().store("setup", node=plain_data())
    with initialize_config_dir(str(folder), version_base=None):
        return {"hydra: ten assignments as text": microseconds(lambda: compose("setup", ASSIGNMENTS))}
