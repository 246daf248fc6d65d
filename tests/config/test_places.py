"""Places, layers and functions of whole configs as laws, each with a mutant that it kills.

As in `test_laws`, but over a small config with a choice, a tuple and few values, so that changes meet often.
"""

import copy
import functools
import operator
import time
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from hypothesis import strategies as st

from ptycho_config import ConfigError, Transform, at, config, diff, field, fields, layer, narrow, resolve
from ptycho_config.layers import Layer
from ptycho_config.schema.paths import get_path, leaves_of
from ptycho_config.steps import Step
from tests.strategies.laws import Drawn, Law, check_law, is_killed


@config
class Cnn:
    """Convolutions."""

    width: int = field(default=2, doc="channels")


@config
class Fno:
    """Fourier layers."""

    width: int = field(default=3, doc="channels")
    modes: int = field(default=4, doc="modes kept")


@config
class Net:
    """A network."""

    size: int = field(default=1, doc="side")
    rate: float = field(default=1.0, doc="learning rate")
    mix: tuple[float, float] = field(default=(0.5, 0.5), doc="weights")
    body: Cnn | Fno = field(default=Fno(), doc="layers")


@config
class Run:
    """A run."""

    net: Net = field(default=Net(), doc="network")
    batch: int = field(default=1, doc="patterns in a step")


C = fields(Run)
BASE = Run()
few = st.integers(1, 3)
# Two spellings of one place.
WIDTHS = ("net.body:fno.width", "net.body.width")


def _put(path: str, value: object) -> Transform:
    return Transform((Step(path, "put", value),))


CHANGES: st.SearchStrategy[Transform] = st.one_of(
    st.builds(at(C.net.size).put, few),
    st.builds(at(C.batch).put, few),
    st.builds(at(C.net.mix[0]).put, few.map(float)),
    st.builds(_put, st.sampled_from(WIDTHS), few),
    st.builds(at(C.net.body).put, st.builds(Fno, width=few, modes=few)),
    st.builds(at(C.net).put, st.builds(Net, size=few, body=st.builds(Fno, width=few))),
)
named = st.builds(layer, st.sampled_from("abc"), CHANGES, fixed=st.booleans())
runs = st.builds(Run, net=st.builds(Net, size=few, rate=few.map(float)), batch=few)


def _result(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except ConfigError as error:
        return {problem.path for problem in error.problems}


@attrs.frozen
class Algebra:
    """The operations under test."""

    act: Callable[[Transform, Run], Run] = lambda t, x: t(x)
    resolve: Callable[..., Any] = resolve
    equal: Callable[[Step, Step], bool] = operator.eq
    changes: Callable[[Any], Any] = lambda resolved: resolved.explain().changes


def a_place_has_one_value_in_a_layer(m: Algebra, drawn: Drawn) -> None:
    first, second, a, b = drawn
    one = layer("one", _put(first, a) >> _put(second, b))
    assert isinstance(_result(lambda: m.resolve(BASE, one)), set) == (a != b)


def an_option_refines_its_member_and_not_the_other_way_round(m: Algebra, drawn: Drawn) -> None:
    path, a, b = drawn
    member, option = at(C.net.body).put(Fno(width=a)), _put(path, b)
    assert m.resolve(BASE, layer("one", member >> option)).config.net.body == Fno(width=b)
    assert isinstance(_result(lambda: m.resolve(BASE, layer("one", option >> member))), set) == (a != b)


def a_member_takes_no_option_of_its_layer_away(m: Algebra, drawn: Drawn) -> None:
    path, a, _ = drawn
    lost = layer("one", _put(path, a) >> at(narrow(C.net.body, Fno).modes).put(a) >> at(C.net.body).put(Cnn()))
    found = _result(lambda: m.resolve(BASE, lost))
    assert isinstance(found, set)
    assert "net.body.modes" in found


def application_is_resolution(m: Algebra, drawn: Drawn) -> None:
    """Unless one layer contradicts itself, which only resolve knows."""
    change = functools.reduce(operator.rshift, (layer(f"{n}", one) for n, one in enumerate(drawn[0])), Transform())
    assert _result(lambda: m.act(change, BASE)) == _result(lambda: resolve(BASE, change).config)


def a_fixed_layer_pins_its_end(m: Algebra, drawn: Drawn) -> None:
    a, b, plus = drawn
    pinned = layer("pin", at(C.net.size).put(a) >> at(C.net.size).over(lambda n: n + plus), fixed=True)
    found = _result(lambda: m.resolve(BASE, pinned, layer("user", at(C.net.size).put(b))))
    assert isinstance(found, set) == (b != a + plus)


def layers_compose_as_changes_do(m: Algebra, drawn: Drawn) -> None:
    a, b, c = drawn
    expected = _result(lambda: m.resolve(BASE, a, b, c))
    assert _result(lambda: m.resolve(BASE, a >> b, c)) == expected
    assert _result(lambda: m.resolve(BASE, a >> b >> c)) == expected


def a_function_of_the_whole_is_a_step(m: Algebra, drawn: Drawn) -> None:
    start, change = drawn
    assert m.act(at(C).over(change), start) == change(start)


def its_trace_is_the_difference(m: Algebra, drawn: Drawn) -> None:
    start, change = drawn
    made = m.changes(resolve(start, layer("rule", at(C).over(change))))
    held, after = ({path: value for path, _, value in leaves_of(one)} for one in (start, change(start)))
    assert {one.path: one.new for one in made} == {path: one for path, one in after.items() if one != held.get(path)}


def reset_is_the_default(m: Algebra, drawn: Drawn) -> None:
    start, change = drawn
    changed = change(start)
    for lens in (at(C.net.size), at(C.net.mix), at(C.net.body), at(C.net), at(C.batch)):
        assert get_path(m.act(lens.reset(), changed), lens.path) == get_path(BASE, lens.path)
    assert m.act(at(C).reset(), changed) == BASE


def an_element_is_a_place(m: Algebra, drawn: Drawn) -> None:
    (first, second), value, position = drawn
    start = Run(net=Net(mix=(first, second)))
    lens = at(C.net.mix[position])
    found = m.act(lens.put(value), start)
    assert lens.get(found) == value
    assert found.net.mix[1 - position] == (first, second)[1 - position]
    assert m.act(lens.put(lens.get(start)), start) == start


def steps_are_equal_by_the_accepted_value(m: Algebra, drawn: Drawn) -> None:
    a, b = (Step("x", "put", value, where=f"file:{number}") for number, value in enumerate(drawn))
    same = repr(drawn[0]) == repr(drawn[1])
    assert m.equal(a, b) == same
    assert hash(a) == hash(b) or not same


def _each_step_a_layer(base: Run, *layers: Transform) -> Any:
    steps = [step for one in layers for step in one.steps]
    return resolve(base, *(layer(f"{n}", Transform((step,))) for n, step in enumerate(steps)))


def _without_functions(base: Run, *layers: Transform) -> Any:
    return resolve(base, *(Transform(step for step in one.steps if step.op == "put") for one in layers))


def _first_argument_again(base: Run, *layers: Transform) -> Any:
    return resolve(base, *layers, layers[0])


def _first_element(t: Transform, x: Run) -> Run:
    return Transform(attrs.evolve(step, path="net.mix.0") for step in t.steps)(x)


LISTS = st.lists(named, max_size=4).map(lambda parts: (parts,))
TWO = st.tuples(runs, CHANGES)
scalars = st.sampled_from([0, 1, 0.0, 1.0, False, True, None, "1", (1,), (1.0,), (True,), ((1,),), ((True,),)])
floats = few.map(float)
LAWS: dict[Law, tuple[st.SearchStrategy[Drawn], Algebra]] = {
    a_place_has_one_value_in_a_layer: (
        st.tuples(st.sampled_from(WIDTHS), st.sampled_from(WIDTHS), few, few),
        Algebra(resolve=_each_step_a_layer),
    ),
    an_option_refines_its_member_and_not_the_other_way_round: (
        st.tuples(st.sampled_from(WIDTHS), few, few),
        Algebra(resolve=_each_step_a_layer),
    ),
    a_member_takes_no_option_of_its_layer_away: (
        st.tuples(st.sampled_from(WIDTHS), few, few),
        Algebra(resolve=lambda base, *layers: resolve(base, *(Transform(one.steps[-1:]) for one in layers))),
    ),
    application_is_resolution: (
        LISTS,
        Algebra(act=lambda t, x: Transform(attrs.evolve(step, fixed=False) for step in t.steps)(x)),
    ),
    a_fixed_layer_pins_its_end: (st.tuples(few, few, few), Algebra(resolve=_without_functions)),
    layers_compose_as_changes_do: (st.tuples(named, named, named), Algebra(resolve=_first_argument_again)),
    a_function_of_the_whole_is_a_step: (TWO, Algebra(act=lambda _, x: x)),
    its_trace_is_the_difference: (TWO, Algebra(changes=lambda resolved: resolved.explain("net").changes)),
    reset_is_the_default: (TWO, Algebra(act=lambda t, x: x if t.steps[0].path == "net.mix" else t(x))),
    an_element_is_a_place: (
        st.tuples(st.tuples(floats, floats), floats, st.integers(0, 1)),
        Algebra(act=_first_element),
    ),
    steps_are_equal_by_the_accepted_value: (
        st.tuples(scalars, scalars),
        Algebra(equal=lambda a, b: bool(a.arg == b.arg)),
    ),
}


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_the_law_holds(law: Law) -> None:
    """For every drawn example."""
    check_law(law, LAWS[law][0], Algebra())


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_the_law_kills_its_mutant(law: Law) -> None:
    """Hypothesis finds an example where the mutant breaks it."""
    assert is_killed(law, *LAWS[law])


@pytest.mark.slow
def test_eighty_thousand_changes_compose_in_linear_time() -> None:
    """From the left and from the right, to the same value; copies of what is there already would take 15 s."""
    parts = [at(C.batch).put(1 + n % 7) for n in range(80_000)]
    start = time.process_time()
    left = functools.reduce(operator.rshift, parts)
    right = functools.reduce(lambda after, before: before >> after, reversed(parts))
    assert left == right == Transform(step for part in parts for step in part.steps)
    assert time.process_time() - start < 3.0
    assert hash(left) == hash(right)
    assert copy.deepcopy(left) == left


def test_a_fixed_place_is_fixed_however_it_is_changed() -> None:
    """Through its member, its tuple, an element, a function of the whole, and by another member."""
    width, first = at(narrow(C.net.body, Fno).width), at(C.net.mix[0])
    pins = {
        "net.body.width": layer("pin", width.put(7), fixed=True),
        "net.mix.0": layer("pin", first.put(0.25), fixed=True),
        "net.mix": layer("pin", at(C.net.mix).put((0.25, 0.5)), fixed=True),
    }
    for path, change in (
        ("net.body.width", at(C.net.body).put(Fno())),
        ("net.body.width", at(C.net.body).put(Cnn())),
        ("net.body.width", at(C.net).put(Net())),
        ("net.mix.0", at(C.net.mix).put((0.5, 0.5))),
        ("net.mix", first.put(0.75)),
        ("net.mix.0", at(C).over(lambda _: Run())),
    ):
        with pytest.raises(ConfigError, match=r"'pin' .*fixes it to .*'user'") as caught:
            resolve(BASE, pins[path], layer("user", change))
        assert [problem.path for problem in caught.value.problems] == [path]
        with pytest.raises(ConfigError, match="fixes it"):
            (pins[path] >> layer("user", change))(BASE)


def test_an_element_that_there_is_not_is_refused() -> None:
    """Where it is written for a tuple of known length, where it is applied for text."""
    with pytest.raises(ConfigError, match="has no element 2"):
        at(C.net.mix[2])  # type: ignore[misc] # beyond the tuple
    with pytest.raises(ConfigError, match=r"net\.mix\.2: there is no '2'"):
        _put("net.mix.2", 1.0)(BASE)
    with pytest.raises(ConfigError, match="an element has no default"):
        at(C.net.mix[0]).reset()(BASE)


def test_layers_and_changes_show_themselves() -> None:
    """In a line, and as a table in a notebook."""
    change = at(C.net.size).put(2) >> at(C.batch).over(abs) >> at(C.net.rate).reset() >> at(C.net.mix[0]).put(0.1)
    assert repr(change) == "<Transform net.size = 2, batch = abs, net.rate = the default, ... 4 steps>"
    assert repr(Transform()) == "<Transform without steps>"
    assert repr(Layer("mine", at(C.batch).put(3))) == "<Layer 'mine': batch = 3>"
    assert repr(resolve(BASE, layer("mine", change))) == "<Run after 4 changes by mine>"
    for shown in (change, Layer("mine", change), resolve(BASE, layer("mine", change))):
        assert "<td>net.size</td>" in shown._repr_html_()  # type: ignore[attr-defined] # each has one
    assert diff(BASE, change(BASE))(BASE) == change(BASE)
