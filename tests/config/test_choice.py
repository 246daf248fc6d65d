"""Choices between configs: an impossible pair cannot be built, and every change knows its member."""

import json
from typing import ClassVar, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptycho_config import (
    ConfigError,
    Transform,
    at,
    config,
    diff,
    dump,
    field,
    fields,
    fingerprint,
    layer,
    load,
    migration,
    narrow,
    parse,
    product,
    resolve,
)
from ptycho_config.saved import replay, save
from ptycho_config.schema.paths import get_path, leaves_of


@config
class Cnn:
    """Convolutions."""

    width: int = field(default=32, doc="channels")


@config
class Fno:
    """Fourier layers."""

    KIND: ClassVar[str] = "fourier"

    width: int = field(default=16, doc="channels")
    modes: int = field(default=12, doc="modes kept")
    mix: tuple[float, float] = field(default=(0.5, 0.5), doc="weights of the two paths")


@config
class Net:
    """A network with a name."""

    SCHEMA: ClassVar[str] = "test.net/3"

    size: Literal[64, 128] = field(default=64, unit="px", doc="side")
    body: Cnn | Fno = field(default=Cnn(), doc="layers")


C = fields(Net)
bodies = st.builds(Cnn, width=st.integers(1, 99)) | st.builds(Fno, width=st.integers(1, 99), modes=st.integers(1, 99))
nets = st.builds(Net, size=st.sampled_from([64, 128]), body=bodies)


@given(nets, nets)
def test_differences_cross_the_choice(a: Net, b: Net) -> None:
    """`diff(a, b)(a) == b` whichever members the two have."""
    assert diff(a, b)(a) == b
    assert not diff(a, a)


@given(nets)
def test_a_choice_survives_json(net: Net) -> None:
    """The kind is written, and read back to the same member."""
    assert load(Net, json.loads(json.dumps(dump(net)))) == net


@given(nets, nets)
def test_fingerprints_tell_members_apart(a: Net, b: Net) -> None:
    """Equal configs and only they share one."""
    assert (fingerprint(a) == fingerprint(b)) == (a == b)


@given(nets, bodies)
def test_a_choice_obeys_the_lens_laws(net: Net, body: Cnn | Fno) -> None:
    """What is put is got, whole members too."""
    lens = at(C.body)
    assert lens.get(lens.put(body)(net)) == body
    assert lens.put(lens.get(net))(net) == net


def test_switching_the_member_drops_the_old_ones_fields() -> None:
    """A new member starts from its own defaults; naming the present one changes nothing."""
    wide = at(narrow(C.body, Cnn).width).put(99)(Net())
    assert parse(Net, ["body=fourier"])(wide).body == Fno()
    assert parse(Net, ["body=cnn"])(wide).body == Cnn(width=99)


def test_text_reaches_into_the_member() -> None:
    """Kind first, then its fields, from a command line or a file."""
    expected = Net(body=Fno(modes=5))
    assert parse(Net, ["body=fourier", "body.modes=5"])(Net()) == expected
    assert parse(Net, {"body": {"modes": 5, "kind": "fourier"}}, "file")(Net()) == expected


def test_a_change_for_the_wrong_member_is_refused() -> None:
    """Through a lens, through text, and for a class that is no member."""
    with pytest.raises(ConfigError, match="body is 'cnn' here, the change is for 'fourier'"):
        at(narrow(C.body, Fno).modes).put(3)(Net())
    with pytest.raises(ConfigError, match="'cnn' has no 'modes'"):
        parse(Net, ["body.modes=3"])(Net())
    with pytest.raises(ConfigError, match="cannot be a Net; it can be Cnn, Fno"):
        narrow(C.body, Net)
    with pytest.raises(ConfigError, match=r"narrow\(\.\.\., Cnn\)\.width"):
        at(C.body.width)
    with pytest.raises(ConfigError, match="must be one of 'cnn', 'fourier', got 'rnn'"):
        parse(Net, ["body=rnn"])(Net())


def test_wrong_documents_name_the_member() -> None:
    """A missing or unknown kind and a field of another member."""
    for document, reason in (
        ({"body": {"width": 3}}, "must be a table with 'kind'"),
        ({"body": {"kind": "fourie"}}, "did you mean 'fourier'"),
        ({"body": {"kind": "cnn", "modes": 3}}, "body.modes: unknown field"),
    ):
        with pytest.raises(ConfigError, match=reason):
            load(Net, document)


def test_the_trace_explains_the_member_and_its_fields() -> None:
    """Who chose it, and who set what in it; pins reach inside."""
    chosen = layer("bundle", at(C.body).put(Fno(modes=5)), fixed=True)
    resolved = resolve(Net(), chosen)
    assert str(resolved.explain("body")).startswith("body: 'cnn' -> 'fourier' [bundle]")
    assert str(resolved.explain("body.modes")).startswith("body.modes: None -> 5 [bundle]")
    assert {row.path for row in resolved.explain().rows} == {"size", "body", "body.width", "body.modes", "body.mix"}
    with pytest.raises(ConfigError, match=r"'bundle' .*fixes it to 5, 'user' asks for 6"):
        resolve(Net(), chosen, layer("user", at(narrow(C.body, Fno).modes).put(6)))
    assert replay(Net, json.loads(json.dumps(save(resolved)))) == resolved


@given(nets, nets)
def test_the_trace_ends_at_the_config(a: Net, b: Net) -> None:
    """The last new value of each path is the value of the config."""
    resolved = resolve(a, layer("x", diff(a, b)))
    last = {change.path: change.new for change in resolved.explain().changes}
    held = {path: value for path, _, value in leaves_of(resolved.config)}
    assert all(held[path] == value for path, value in last.items())


def test_a_sweep_is_the_product_of_its_axes() -> None:
    """Every combination once, in the order of the axes."""
    sizes = [at(C.size).put(64), at(C.size).put(128)]
    members = [at(C.body).put(Cnn()), at(C.body).put(Fno()), Transform()]
    sweep = product(sizes, members)
    assert len(sweep) == 6
    assert sweep[1] == sizes[0] >> members[1]
    assert len({fingerprint(change(Net())) for change in sweep}) == 4


@migration("test.net", 1)
def _rename(data: dict[str, object]) -> dict[str, object]:
    return {("size" if key == "n" else key): value for key, value in data.items()}


@migration("test.net", 2)
def _wrap(data: dict[str, object]) -> dict[str, object]:
    return {**data, "body": {"kind": data["body"]}}


def test_old_documents_are_brought_up_step_by_step() -> None:
    """Version 1 goes through version 2 to 3; dumping the result is current."""
    net = load(Net, {"$schema": "test.net/1", "n": 128, "body": "fourier"})
    assert net == Net(size=128, body=Fno())
    assert dump(net)["schema"] == "test.net/3"
    assert parse(Net, {"$schema": "test.net/2", "size": 128, "body": "cnn"}, "f")(Net()).size == 128


@pytest.mark.parametrize("schema", ["test.net/4", "test.net/0", "other/1", "test.net"])
def test_documents_without_a_way_here_are_refused(schema: str) -> None:
    """Newer, unknown and foreign ones."""
    with pytest.raises(ConfigError, match=r"test\.net|other"):
        load(Net, {"$schema": schema})


def test_a_config_shows_itself_in_a_notebook() -> None:
    """Every leaf with its value and unit."""
    html = Net(body=Fno())._repr_html_()  # type: ignore[attr-defined]
    assert "body.modes" in html
    assert "px" in html


def test_get_path_can_demand_a_member() -> None:
    """`name:kind` is an error where another member stands."""
    assert get_path(Net(), "body:cnn.width") == 32
    with pytest.raises(ConfigError, match="is 'cnn' here"):
        get_path(Net(), "body:fourier.modes")
