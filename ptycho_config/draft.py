"""A config under change, each node of which is rebuilt once."""

from collections.abc import Mapping
from typing import Any

import attrs

from ptycho_config.errors import ConfigError, Problem, near_miss
from ptycho_config.schema.fields import FieldSpec
from ptycho_config.schema.mapping import FrozenMapping
from ptycho_config.schema.paths import leaves
from ptycho_config.schema.places import check_together, element_spec, rebuild, required_fields
from ptycho_config.schema.specs import kind_at, specs_of
from ptycho_config.steps import Step, join, plain_path, tokens


class Draft:
    """A config, tuple or mapping under change: values to be, and drafts of the nodes below. is_new: it has never been
    judged."""

    __slots__ = ("groups", "is_new", "node", "spec", "specs", "values")

    def __init__(self, node: Any, spec: FieldSpec | None = None) -> None:
        self.node = node
        self.spec = spec
        self.specs = specs_of(type(node))
        self.values: dict[str, Any] = {}
        self.groups: dict[str, Draft] = {}
        self.is_new = False

    def find(self, name: str, *, new: bool = False) -> FieldSpec | None:
        """The field of this name, or the element of this position or key; None if there is none. A mapping has
        room for a `new` one."""
        if self.specs is not None:
            return self.specs.get(name)
        inner = None if self.spec is None else element_spec(self.spec, name)
        if isinstance(self.node, tuple):
            return inner if name.isdecimal() and int(name) < len(self.node) else None
        return inner if isinstance(self.node, Mapping) and (new or name in self.node or name in self.values) else None

    def below(self, name: str) -> "Draft":
        """The draft of the node of this name, made where there is none yet."""
        if name not in self.groups:
            self.groups[name] = Draft(self._value(name), self.find(name))
            self.values.pop(name, None)
        return self.groups[name]

    def _value(self, name: str) -> Any:
        if name in self.values:
            return self.values[name]
        if self.specs is not None:
            return getattr(self.node, name)
        return self.node.get(name) if isinstance(self.node, Mapping) else self.node[int(name)]

    def current(self, name: str) -> Any:
        """The value now; its constraints hold only at the end."""
        return self.groups[name].build() if name in self.groups else self._value(name)

    def replace(self, name: str, value: Any) -> None:
        """Put a value in the place of this name, and of what was changed below it."""
        self.groups.pop(name, None)
        self.values[name] = value

    def become(self, node: Any) -> None:
        """Be another node altogether."""
        self.__init__(node, self.spec)  # type: ignore[misc]

    def build(self) -> Any:
        """The node with all changes, unchecked."""
        return self._with({name: group.build() for name, group in self.groups.items()})

    def finish(self, path: str, problems: list[Problem]) -> Any:
        """The node with all changes; adds what is wrong with it to `problems`."""
        before, below = len(problems), {}
        for name, group in self.groups.items():
            below[name] = group.finish(join(path, name), problems)
        required = () if self.specs is None else required_fields(type(self.node))
        missing = [one for one in required if one not in self.groups and self._value(one) is attrs.NOTHING]
        problems += [Problem(join(path, one), "is required") for one in missing]
        # What relates fields is not judged while one of them is wrong.
        if not (self.values or below or self.is_new) or len(problems) > before:
            return self.node
        node = self._with(below)
        try:
            if self.specs is not None:
                check_together(node)
            elif self.spec is not None:
                node = self.spec.accept(node)
        except ConfigError as error:
            problems.extend(p.under(path) if path else p for p in error.problems)
        except ValueError as error:
            problems.append(Problem(path, str(error)))
        return node

    def _with(self, below: dict[str, Any]) -> Any:
        changed = {**self.values, **below} if below else self.values
        if not changed:
            return self.node
        if self.specs is not None:
            return rebuild(self.node, changed)
        if isinstance(self.node, Mapping):
            return FrozenMapping({**self.node, **changed})
        return tuple(changed.get(str(position), value) for position, value in enumerate(self.node))


def locate(root: Draft, step: Step) -> tuple[Draft, str, FieldSpec, tuple[Draft, str, str] | None]:
    """The draft below `root` that holds the place of the `step`, its name and field; for an element,
    also the draft, name and path of the leaf around it. Raises ConfigError where there is no such place."""
    draft, leaf = root, None
    groups, last = tokens(step.path)
    for position, (name, kind) in enumerate(groups):
        spec = draft.find(name)
        if spec is None:
            raise ConfigError([_unknown(root.node, draft, name, step)])
        if leaf is None and not (spec.is_group or spec.members):
            leaf = draft, name, ".".join(group for group, _ in groups[: position + 1])
        draft = draft.below(name)
        if spec.members and draft.node is None:
            hint = f"put {' or '.join(map(repr, spec.members))} there first"
            raise ConfigError([step.problem(f"{name} is off (null), so it has no options", hint)])
        if kind and kind != (found := kind_at(draft.node)):
            problem = step.problem(f"{name} is {found!r} here, the change is for {kind!r}")
            raise ConfigError([attrs.evolve(problem, path=plain_path(step.path))])
    spec = draft.find(last, new=step.op == "put")
    if spec is None:
        raise ConfigError([_unknown(root.node, draft, last, step)])
    return draft, last, spec, leaf


def _unknown(root: Any, draft: Draft, name: str, step: Step) -> Problem:
    if draft.specs is None:
        size = f"{len(draft.node)} elements" if isinstance(draft.node, (tuple, Mapping)) else "no elements"
        return step.problem(f"there is no {name!r} in {draft.node!r}, which has {size}")
    known = [path for path, _ in leaves(type(root))]
    if plain_path(step.path) in known:
        return step.problem(f"{kind_at(draft.node)!r} has no {name!r}; it belongs to another member of the choice")
    return step.problem("unknown field", near_miss(step.path, known))


def default_at(root: Draft, step: Step) -> Any:
    """The default at the path of a `step`: of the outermost config between `root` and it that states one. Raises
    ConfigError where none does."""
    draft, default = root, None
    groups, last = tokens(step.path)
    for depth, name in enumerate((*(name for name, _ in groups), last)):
        if draft.specs is None or (spec := draft.specs.get(name)) is None:
            raise ConfigError([step.problem("an element has no default", "reset the whole field")])
        stated = type(default) is type(draft.node)
        default = getattr(default, name) if stated else spec.default
        if depth < len(groups):
            draft = draft.below(name)
    if default is attrs.NOTHING:
        raise ConfigError([step.problem("has no default to reset to", "put a value")])
    return default
