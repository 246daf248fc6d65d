"""The algebra of changes, as laws; each law is shown to catch a broken algebra."""

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptycho_config import TrainingSetup, Transform, at, diff, fields, layer, resolve
from ptycho_config.schema import get_path, leaves
from ptycho_config.transform import apply
from tests.strategies.configs import VALUES, puts

BASE = TrainingSetup()
GROUPS = {
    "model": tuple(p for p in VALUES if ".model." in p),
    "rest": tuple(p for p in VALUES if ".model." not in p),
}


@given(puts(), puts(), puts())
def test_composition_is_associative(a: Transform, b: Transform, c: Transform) -> None:
    """How changes are bracketed does not matter."""
    assert (a >> b) >> c == a >> (b >> c)


@given(puts())
def test_the_empty_transform_is_the_identity(a: Transform) -> None:
    """Changing nothing changes nothing, on either side."""
    assert Transform() >> a == a == a >> Transform()
    assert Transform()(BASE) is BASE


@given(puts(), puts())
def test_composition_is_application_in_order(a: Transform, b: Transform) -> None:
    """`(a >> b)(x) == b(a(x))`."""
    assert (a >> b)(BASE) == b(a(BASE))


@given(puts())
def test_puts_are_idempotent_and_leave_their_input_alone(a: Transform) -> None:
    """Applying twice is applying once, and configs never change."""
    before = attrs.asdict(BASE)
    once = a(BASE)
    assert a(once) == once
    assert attrs.asdict(BASE) == before


@given(puts(GROUPS["model"]), puts(GROUPS["rest"]))
def test_changes_of_different_fields_commute(a: Transform, b: Transform) -> None:
    """Only changes of the same field depend on their order."""
    assert (a >> b)(BASE) == (b >> a)(BASE)


@given(puts(), puts())
def test_a_difference_turns_one_config_into_the_other(a: Transform, b: Transform) -> None:
    """`diff(x, y)(x) == y`, and there is no difference between equals."""
    x, y = a(BASE), b(BASE)
    assert diff(x, y)(x) == y
    assert not diff(x, x)


@given(puts())
def test_grouped_application_equals_one_by_one(a: Transform) -> None:
    """Rebuilding each node once gives what step by step gives."""
    config = BASE
    for step in a.steps:
        config = Transform((step,))(config)
    assert a(BASE) == config


@given(puts())
def test_the_trace_replays_to_the_config(a: Transform) -> None:
    """Each old value is the previous new one, and the last new one is the value."""
    config, trace = apply(BASE, a.steps)
    current = {path: get_path(BASE, path) for path, _ in leaves(TrainingSetup)}
    for change in trace:
        assert current[change.path] == change.old
        current[change.path] = change.new
    assert all(get_path(config, path) == value for path, value in current.items())


@given(st.sampled_from([64, 128, 256]), st.sampled_from([64, 128, 256]))
def test_lens_laws(first: int, second: int) -> None:
    """What is put is got; putting what is there changes nothing; the last put wins."""
    size = at(fields(TrainingSetup).training.model.N)
    assert size.get(size.put(first)(BASE)) == first  # type: ignore[arg-type]
    assert size.put(size.get(BASE))(BASE) == BASE
    assert (size.put(first) >> size.put(second))(BASE) == size.put(second)(BASE)  # type: ignore[arg-type]


@given(puts(), puts())
def test_naming_a_layer_is_a_homomorphism(a: Transform, b: Transform) -> None:
    """Naming a composition is composing the named."""
    assert layer("x", a >> b) == layer("x", a) >> layer("x", b)


@given(puts(GROUPS["model"], max_size=1), puts(GROUPS["rest"], max_size=1))
def test_resolve_is_free_of_order_where_no_two_layers_share_a_path(a: Transform, b: Transform) -> None:
    """Layers that do not meet can be given in any order."""
    assert (
        resolve(BASE, layer("a", a), layer("b", b)).config
        == resolve(BASE, layer("b", b), layer("a", a)).config
    )


def test_over_sees_the_value_of_earlier_steps() -> None:
    """A computed change starts from what stands before it."""
    epochs = at(fields(TrainingSetup).training.nepochs)
    change = epochs.put(7) >> epochs.over(lambda n: 2 * n)
    assert change(BASE).training.nepochs == 14


def test_a_group_can_be_changed_before_and_after_its_leaves() -> None:
    """Group and leaf changes mix in any order."""
    c = fields(TrainingSetup)
    other = attrs.evolve(BASE.training.model, gridsize=2)
    change = at(c.training.model.N).put(128) >> at(c.training.model).over(
        lambda m: attrs.evolve(m, gridsize=2)
    )
    assert change(BASE).training.model == attrs.evolve(other, N=128)
    again = change >> at(c.training.model.N).put(256)
    assert again(BASE).training.model == attrs.evolve(other, N=256)


class ReversedTransform(Transform):
    """A broken algebra: it applies its steps last to first."""

    def __rshift__(self, other: Transform) -> "ReversedTransform":
        return ReversedTransform(other.steps + self.steps)


def test_the_action_law_catches_a_reversed_composition() -> None:
    """The planted mutant fails the law of composition."""
    size = at(fields(TrainingSetup).training.model.N)
    a, b = ReversedTransform(size.put(128).steps), ReversedTransform(size.put(256).steps)
    with pytest.raises(AssertionError):
        assert (a >> b)(BASE) == b(a(BASE))
