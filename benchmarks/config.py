"""What the algebra costs, beside attrs and cattrs alone, pydantic and hydra, in one run.

    pip install pydantic hydra-core orjson     # the last four rows
    python benchmarks/config.py

Ten overrides over four groups of the training setup; JSON of the whole setup. Prints a table
of microseconds (best of five) and ratios, and one JSON line.
"""

import argparse
import functools
import json
import operator
import timeit
from collections.abc import Callable
from importlib.util import find_spec
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import attrs
import cattrs
from cattrs.strategies import configure_tagged_union

from ptycho_config import at, dump, fields, layer, load, resolve
from ptycho_config.schema import TrainingSetup
from ptycho_config.schema.base import FieldSpec, leaves, specs

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


def microseconds(work: Callable[[], object]) -> float:
    """Best of five, enough calls each for about 0.1 s."""
    number = max(1, int(0.1 / max(1e-7, min(timeit.repeat(work, number=1, repeat=3)))))
    return min(timeit.repeat(work, number=number, repeat=5)) / number * 1e6


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


def evolve(node: Any, tree: dict[str, Any]) -> Any:
    """`attrs.evolve` once a touched group."""
    return attrs.evolve(node, **{k: evolve(getattr(node, k), v) if isinstance(v, dict) else v for k, v in tree.items()})


def is_union(kind: Any) -> bool:
    """A choice between classes."""
    return bool(get_args(kind)) and all(attrs.has(member) for member in get_args(kind))


def _is_mixed(kind: Any) -> bool:
    members = [member for member in get_args(kind) if member is not type(None)]
    return get_origin(kind) in (Union, UnionType) and len(members) > 1 and not is_union(kind)


def unions(cls: type) -> list[Any]:
    """The choices below a plain class."""
    found = []
    for attribute in attrs.fields(cls):
        if is_union(attribute.type):
            found.append(attribute.type)
        elif attrs.has(attribute.type):
            found += unions(attribute.type)
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
    for union in unions(plain):
        configure_tagged_union(union, made, tag_name="kind")
    # Literals, optional values and tuples are cattrs' own; of other unions it knows nothing.
    made.register_structure_hook_func(_is_mixed, lambda value, _: value)
    made.register_structure_hook_func(lambda t: getattr(t, "__name__", "") == "Path", lambda v, t: t(v))
    return made


def peers(rows: dict[str, float]) -> None:
    """Rows of the libraries that are installed."""
    tree = grouped(CHANGES)
    if find_spec("pydantic"):
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

        cls, data = model(TrainingSetup), {k: v for k, v in dump(BASE).items() if k != "$schema"}
        text = json.dumps(data)
        rows["pydantic: validate JSON"] = microseconds(lambda: cls.model_validate_json(text))
        base = cls.model_validate_json(text)

        def revalidate() -> Any:
            def merge(node: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
                return {**node, **{k: merge(node[k], v) if isinstance(v, dict) else v for k, v in more.items()}}

            return cls.model_validate(merge(base.model_dump(), tree))

        rows["pydantic: ten overrides, revalidated"] = microseconds(revalidate)
    if find_spec("hydra"):
        from hydra import compose, initialize_config_dir
        from hydra.core.config_store import ConfigStore

        data = {k: v for k, v in dump(BASE).items() if k != "$schema"}
        ConfigStore.instance().store("setup", node=data)
        import tempfile

        with tempfile.TemporaryDirectory() as folder, initialize_config_dir(folder, version_base=None):
            assignments = [f"{path}={value}" for path, value in CHANGES.items()]
            rows["hydra: compose with ten overrides"] = microseconds(lambda: compose("setup", assignments))


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    c = fields(TrainingSetup)
    places: dict[str, Any] = {}
    for path in CHANGES:
        place: Any = c
        for name in path.split("."):
            place = getattr(place, name)
        places[path] = place
    change = at(places["training.nepochs"]).put(CHANGES["training.nepochs"])
    for path in list(CHANGES)[1:]:
        change >>= at(places[path]).put(CHANGES[path])
    named, tree, plain = layer("bench", change), grouped(CHANGES), twin(TrainingSetup)()
    assert change(BASE) == evolve(BASE, tree)
    made = strict_converter(type(plain))
    data, plain_data = dump(BASE), made.unstructure(plain)
    text, plain_text = json.dumps(data), json.dumps(plain_data, default=str)
    one_by_one = [grouped({path: value}) for path, value in CHANGES.items()]
    rows = {
        "attrs: ten evolves, one after the other": microseconds(lambda: functools.reduce(evolve, one_by_one, plain)),
        "attrs: grouped evolve, no checks": microseconds(lambda: evolve(plain, tree)),
        "attrs: grouped evolve, checked fields": microseconds(lambda: evolve(BASE, tree)),
        "ours: apply ten overrides": microseconds(lambda: change(BASE)),
        "ours: resolve (trace, conflicts)": microseconds(lambda: resolve(BASE, named)),
        "cattrs: strict load of JSON": microseconds(lambda: made.structure(json.loads(plain_text), type(plain))),
        "ours: load of JSON": microseconds(lambda: load(TrainingSetup, json.loads(text))),
        "cattrs: dump to JSON": microseconds(lambda: json.dumps(made.unstructure(plain), default=str)),
        "ours: dump to JSON": microseconds(lambda: json.dumps(dump(BASE))),
    }
    peers(rows)
    print(f"{sum(1 for _ in leaves(TrainingSetup))} options, {len(CHANGES)} overrides")
    for name, value in rows.items():
        print(f"{name:42} {value:10.1f} us")
    print(json.dumps({name: round(value, 2) for name, value in rows.items()}))


if __name__ == "__main__":
    main()
