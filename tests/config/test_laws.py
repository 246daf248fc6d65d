"""The algebra as laws, each with a planted mutant that it kills.

A law is a function of an algebra and of drawn values that fails by assertion. It must hold
for the real algebra on every example, and for its mutant hypothesis must find an example
where it fails.
"""

import json
from collections.abc import Callable
from itertools import chain
from typing import Any

import attrs
import pytest
from hypothesis import strategies as st

from ptycho_config import (
    ConfigError,
    LegacyDelta,
    Transform,
    at,
    diff,
    dump,
    fields,
    fingerprint,
    layer,
    load,
    parse,
    replay,
    resolve,
    save,
    update_legacy_dict,
)
from ptycho_config.apply import try_apply
from ptycho_config.schema import TorchOptions, TrainingSetup
from ptycho_config.schema.paths import get_path, leaves, leaves_of
from ptycho_config.steps import Change, Step
from ptycho_config.transform import with_where
from ptycho_config.versions import migrate
from tests.strategies.configs import BASE, VALUES, puts
from tests.strategies.laws import Drawn, Law, check_law, is_killed

EPOCHS = at(fields(TrainingSetup).training.nepochs)
IN_MODEL = tuple(path for path in VALUES if ".model." in path)
ELSEWHERE = tuple(path for path in VALUES if ".model." not in path)
WRONG = {"training.nepochs": -1, "training.batch_size": 12, "torch.net.alpha": 2.0, "training.model.N": 15}


def _undo(cfg: dict[str, Any], delta: LegacyDelta) -> LegacyDelta:
    return update_legacy_dict(cfg, delta)


@attrs.frozen
class Algebra:
    """The operations under test."""

    then: Callable[[Transform, Transform], Transform] = lambda a, b: a >> b
    act: Callable[[Transform, TrainingSetup], TrainingSetup] = lambda t, x: t(x)
    get: Callable[[TrainingSetup], int] = EPOCHS.get
    put: Callable[[int], Transform] = EPOCHS.put
    diff: Callable[[TrainingSetup, TrainingSetup], Transform] = diff
    trace: Callable[[Transform], tuple[Change, ...]] = lambda t: try_apply(BASE, t.steps).trace
    name: Callable[[str, Transform], Transform] = layer
    resolve: Callable[..., Any] = resolve
    dump: Callable[[Any], dict[str, Any]] = dump
    load: Callable[[Any], TrainingSetup] = lambda data: load(TrainingSetup, data)
    fingerprint: Callable[[Any], str] = fingerprint
    migrate: Callable[[Any], dict[str, Any]] = lambda data: migrate(data, TrainingSetup.SCHEMA)
    parse: Callable[[list[str]], Transform] = lambda texts: parse(TrainingSetup, texts)
    update: Callable[[dict[str, Any], LegacyDelta], LegacyDelta] = _undo
    save: Callable[[Any], Any] = save
    replay: Callable[[Any], Any] = lambda saved: replay(TrainingSetup, saved)


three = st.tuples(puts(), puts(), puts())
apart = st.tuples(puts(IN_MODEL, max_size=1), puts(ELSEWHERE, max_size=1))
alike = st.tuples(puts(IN_MODEL, max_size=1), puts(IN_MODEL, max_size=1))
counts = st.tuples(st.integers(1, 9), st.integers(1, 9))
keys = st.sampled_from("abc")
dicts = st.tuples(st.dictionaries(keys, st.integers(0, 9)), st.dictionaries(keys, st.integers(0, 9)), keys)


def associativity(m: Algebra, drawn: Drawn) -> None:
    a, b, c = drawn
    assert m.then(m.then(a, b), c) == m.then(a, m.then(b, c))


def identity(m: Algebra, drawn: Drawn) -> None:
    assert m.then(drawn[0], Transform()) == drawn[0] == m.then(Transform(), drawn[0])
    assert m.act(Transform(), BASE) == BASE


def action(m: Algebra, drawn: Drawn) -> None:
    a, b, _ = drawn
    assert m.act(m.then(a, b), BASE) == m.act(b, m.act(a, BASE))


def put_get(m: Algebra, drawn: Drawn) -> None:
    assert m.get(m.act(m.put(drawn[0]), BASE)) == drawn[0]


def get_put(m: Algebra, drawn: Drawn) -> None:
    config = EPOCHS.put(drawn[0])(BASE)
    assert m.act(m.put(m.get(config)), config) == config


def put_put(m: Algebra, drawn: Drawn) -> None:
    first, second = drawn
    assert m.act(m.then(m.put(first), m.put(second)), BASE) == m.act(m.put(second), BASE)


def idempotence(m: Algebra, drawn: Drawn) -> None:
    once = m.act(drawn[0], BASE)
    assert m.act(drawn[0], once) == once


def disjoint_changes_commute(m: Algebra, drawn: Drawn) -> None:
    a, b = drawn
    assert m.act(m.then(a, b), BASE) == m.act(m.then(b, a), BASE)


def difference_reaches(m: Algebra, drawn: Drawn) -> None:
    x, y = drawn[0](BASE), drawn[1](BASE)
    assert m.act(m.diff(x, y), x) == y


def no_difference_is_empty(m: Algebra, drawn: Drawn) -> None:
    assert not m.diff(drawn[0](BASE), drawn[0](BASE))


def differences_compose(m: Algebra, drawn: Drawn) -> None:
    x, y, z = (change(BASE) for change in drawn)
    assert m.act(m.then(m.diff(x, y), m.diff(y, z)), x) == m.act(m.diff(x, z), x)


def trace_replays(m: Algebra, drawn: Drawn) -> None:
    replayed = Transform(tuple(Step(change.path, "put", change.new) for change in m.trace(drawn[0])))
    assert replayed(BASE) == drawn[0](BASE)


def old_is_the_previous_new(m: Algebra, drawn: Drawn) -> None:
    held = {path: value for path, _, value in leaves_of(BASE)}
    for change in m.trace(drawn[0]):
        assert held[change.path] == change.old
        held[change.path] = change.new


def round_trip(m: Algebra, drawn: Drawn) -> None:
    config = drawn[0](BASE)
    assert m.load(json.loads(json.dumps(m.dump(config)))) == config


def equal_iff_same_fingerprint(m: Algebra, drawn: Drawn) -> None:
    forget = at(fields(TrainingSetup).training.train_data_file).put(None)
    x, y = (drawn[0] >> forget)(BASE), (drawn[1] >> forget)(BASE)
    assert (m.fingerprint(x) == m.fingerprint(y)) == (x == y)


def inputs_unchanged(m: Algebra, drawn: Drawn) -> None:
    config = attrs.evolve(drawn[0](BASE))
    before = attrs.asdict(config)
    m.act(drawn[1], config)
    assert attrs.asdict(config) == before


def grouped_equals_one_by_one(m: Algebra, drawn: Drawn) -> None:
    config = BASE
    for step in drawn[0].steps:
        config = Transform((step,))(config)
    assert m.act(drawn[0], BASE) == config


def naming_is_a_homomorphism(m: Algebra, drawn: Drawn) -> None:
    a, b, _ = drawn
    assert m.name("x", a >> b) == m.name("x", a) >> m.name("x", b)


def resolve_is_free_of_order(m: Algebra, drawn: Drawn) -> None:
    a, b = layer("a", drawn[0]), layer("b", drawn[1])
    assert m.resolve(BASE, a, b).config == m.resolve(BASE, b, a).config


def only_names_make_layers(m: Algebra, drawn: Drawn) -> None:
    a, b = layer("a", drawn[0]), layer("b", drawn[1])
    assert m.resolve(BASE, a >> b) == m.resolve(BASE, a, b)


def migrated_is_current(m: Algebra, drawn: Drawn) -> None:
    data = m.migrate(dump(drawn[0](BASE)))
    assert dump(load(TrainingSetup, data)) == data


def text_of_a_put_parses_back(m: Algebra, drawn: Drawn) -> None:
    config = drawn[0](BASE)
    data = json.loads(json.dumps(dump(config)))
    texts = []
    for step in drawn[0].steps:
        node = data
        for name in step.path.split("."):
            node = node[name]
        texts.append(f"{step.path}={json.dumps(node)}")
    assert m.parse(texts)(BASE) == config


def a_saved_change_is_the_change(m: Algebra, drawn: Drawn) -> None:
    change = layer("one", drawn[0], fixed=True) >> drawn[1]
    assert m.replay(json.loads(json.dumps(m.save(change)))) == change


def a_saved_derivation_is_the_derivation(m: Algebra, drawn: Drawn) -> None:
    """With the same trace, of which the origins are a part that does not count in equality of steps."""
    x, y = drawn[0](BASE), drawn[1](BASE)
    resolved = resolve(BASE, layer("a", diff(BASE, x)), layer("b", with_where(diff(x, y), "b.py:1")))
    replayed = m.replay(json.loads(json.dumps(m.save(resolved))))
    assert replayed == resolved
    read, made = replayed.explain().changes, resolved.explain().changes
    assert [change.where for change in read] == [change.where for change in made]


def update_then_inverse(m: Algebra, drawn: Drawn) -> None:
    cfg, values, gone = drawn
    delta = LegacyDelta({k: v for k, v in values.items() if k != gone}, frozenset(gone))
    changed = dict(cfg)
    update_legacy_dict(changed, m.update(changed, delta))
    assert changed == cfg


def errors_do_not_depend_on_order(m: Algebra, drawn: Drawn) -> None:
    def problems(paths: list[str]) -> set[tuple[str, str]]:
        with pytest.raises(ConfigError) as caught:
            m.act(Transform(tuple(Step(path, "put", WRONG[path]) for path in paths)), BASE)
        return {(problem.path, problem.message) for problem in caught.value.problems}

    assert problems(list(drawn[0])) == problems(sorted(WRONG))


def _first_only(t: Transform, x: TrainingSetup) -> TrainingSetup:
    return Transform(t.steps[:1])(x)


def _stop_at_first_error(t: Transform, x: TrainingSetup) -> TrainingSetup:
    for step in t.steps:
        x = Transform((step,))(x)
    return x


def _writes_through(t: Transform, x: TrainingSetup) -> TrainingSetup:
    for name in ("training", "execution", "torch"):
        object.__setattr__(x, name, getattr(t(x), name))
    return x


def _keeps_added(cfg: dict[str, Any], delta: LegacyDelta) -> LegacyDelta:
    inverse = update_legacy_dict(cfg, delta)
    return LegacyDelta(inverse.set)


def _same_old(t: Transform) -> tuple[Change, ...]:
    return tuple(c._replace(old=get_path(BASE, c.path)) for c in try_apply(BASE, t.steps).trace)


def _last_layer_only(base: Any, *layers: Transform) -> Any:
    return resolve(base, layers[-1])


def _a_layer_an_argument(base: Any, *layers: Transform) -> Any:
    return attrs.evolve(resolve(base, *layers), layers=layers)


def _forgets_a_leaf(x: TrainingSetup, y: TrainingSetup) -> Transform:
    return Transform(diff(x, y).steps[1:])


def _half_migrated(data: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key != "execution"}


def _without_pins(saved: Any) -> Any:
    """A change or derivation that is read without what is fixed."""
    for step in saved.get("steps", ()):
        step["fixed"] = False
    return replay(TrainingSetup, saved)


def _without_places(value: Any) -> Any:
    """A change or derivation that is saved without the origin of its steps."""
    saved = save(value)
    for step in chain.from_iterable(one["steps"] for one in saved.get("layers", ())):
        step["where"] = ""
    return saved


EVERY_PUT = st.permutations(sorted(WRONG)).map(lambda paths: (paths,))
LAWS: dict[Law, tuple[st.SearchStrategy[Drawn], Algebra]] = {
    associativity: (three, Algebra(then=lambda a, b: Transform(a.steps + b.steps[: len(a.steps)]))),
    identity: (three, Algebra(then=lambda a, _: a)),
    action: (three, Algebra(then=lambda a, b: b >> a)),
    put_get: (counts, Algebra(put=lambda n: EPOCHS.put(n + 1))),
    get_put: (counts, Algebra(get=lambda x: EPOCHS.get(x) + 1)),
    put_put: (counts, Algebra(then=lambda a, b: b >> a)),
    idempotence: (three, Algebra(act=lambda t, x: (t >> EPOCHS.over(lambda n: n + 1))(x))),
    disjoint_changes_commute: (apart, Algebra(act=_first_only)),
    difference_reaches: (three, Algebra(diff=_forgets_a_leaf)),
    no_difference_is_empty: (three, Algebra(diff=lambda _, y: diff(BASE, y))),
    differences_compose: (three, Algebra(diff=lambda _, y: diff(BASE, y))),
    trace_replays: (three, Algebra(trace=lambda t: try_apply(BASE, t.steps).trace[:-1])),
    old_is_the_previous_new: (three, Algebra(trace=_same_old)),
    round_trip: (three, Algebra(dump=lambda x: {**dump(x), "execution": {}})),
    equal_iff_same_fingerprint: (three, Algebra(fingerprint=lambda x: fingerprint(x.training))),
    inputs_unchanged: (three, Algebra(act=_writes_through)),
    grouped_equals_one_by_one: (three, Algebra(act=lambda t, x: Transform(t.steps[::-1])(x))),
    naming_is_a_homomorphism: (three, Algebra(name=lambda n, t: layer(f"{n}{len(t.steps)}", t))),
    resolve_is_free_of_order: (apart, Algebra(resolve=_last_layer_only)),
    only_names_make_layers: (alike, Algebra(resolve=_a_layer_an_argument)),
    migrated_is_current: (three, Algebra(migrate=_half_migrated)),
    text_of_a_put_parses_back: (three, Algebra(parse=lambda texts: parse(TrainingSetup, texts[:-1]))),
    a_saved_change_is_the_change: (three, Algebra(replay=_without_pins)),
    a_saved_derivation_is_the_derivation: (three, Algebra(save=_without_places)),
    update_then_inverse: (dicts, Algebra(update=_keeps_added)),
    errors_do_not_depend_on_order: (EVERY_PUT, Algebra(act=_stop_at_first_error)),
}


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_the_law_holds(law: Law) -> None:
    """For every drawn example."""
    check_law(law, LAWS[law][0], Algebra())


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_the_law_kills_its_mutant(law: Law) -> None:
    """Hypothesis finds an example where the mutant breaks it."""
    assert is_killed(law, *LAWS[law])


def test_over_sees_the_value_of_earlier_steps() -> None:
    """A computed change starts from what stands before it."""
    change = EPOCHS.put(7) >> EPOCHS.over(lambda n: 2 * n)
    assert change(BASE).training.nepochs == 14


def test_a_group_can_be_changed_before_and_after_its_leaves() -> None:
    """Group and leaf changes mix in any order."""
    c = fields(TrainingSetup)
    other = attrs.evolve(BASE.training.model, gridsize=2)
    change = at(c.training.model.N).put(128) >> at(c.training.model).over(lambda m: attrs.evolve(m, gridsize=2))
    assert change(BASE).training.model == attrs.evolve(other, N=128)
    again = change >> at(c.training.model.N).put(256)
    assert again(BASE).training.model == attrs.evolve(other, N=256)


def test_every_leaf_of_the_schema_is_reached_by_its_path() -> None:
    """The leaves that a class can have are those that its configs have, over all members of choices."""
    choices = {path: spec.members.values() for path, spec in leaves(TorchOptions) if spec.members}
    held = {path for path, _, _ in leaves_of(BASE)}
    for path, members in choices.items():
        for member in members:
            changed = Transform((Step(path, "put", member()),))(BASE.torch)
            held |= {f"torch.{leaf}" for leaf, _, _ in leaves_of(changed)}
    assert {path for path, _ in leaves(TrainingSetup)} == held
