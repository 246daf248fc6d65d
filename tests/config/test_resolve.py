"""Layers: precedence, provenance and conflicts."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import attrs
import pytest
from IPython.core.compilerop import CachingCompiler

from ptycho_config import ConfigError, Resolved, at, fields, layer, parse, resolve
from ptycho_config.schema import TrainingSetup

C = fields(TrainingSetup)
EPOCHS = at(C.training.nepochs)


def _resolved() -> Resolved[TrainingSetup]:
    return resolve(
        TrainingSetup(), layer("profile", EPOCHS.put(20)), parse(TrainingSetup, ["training.nepochs=7"], "command line")
    )


def test_the_later_layer_wins_and_explain_says_over_what() -> None:
    """Every value tells its history."""
    resolved = _resolved()
    assert resolved.config.training.nepochs == 7
    first, second = str(resolved.explain(EPOCHS)).splitlines()
    assert first.startswith("training.nepochs: 50 -> 20 [profile] test_resolve.py:")
    assert second == "training.nepochs: 20 -> 7 [command line] assignment 1"


def test_an_untouched_value_comes_from_the_schema() -> None:
    """Defaults have a layer too."""
    assert str(_resolved().explain("training.batch_size")) == "training.batch_size: 16 [schema defaults]"


def test_explain_knows_only_fields() -> None:
    """A typo in a question is an error with a suggestion."""
    with pytest.raises(ConfigError, match=r"did you mean 'training\.nepochs'"):
        _resolved().explain("nepochs")


def test_one_layer_cannot_say_two_things() -> None:
    """The same path set twice in a layer is a conflict."""
    with pytest.raises(ConfigError, match="in the same layer"):
        resolve(TrainingSetup(), layer("notebook", EPOCHS.put(1) >> EPOCHS.put(2)))


def test_a_fixed_value_names_both_sides_when_it_is_contradicted() -> None:
    """Whoever fixed a value and whoever changed it are both in the message."""
    pinned = layer("dataset facts", at(C.training.model.N).put(128), fixed=True)
    with pytest.raises(ConfigError, match=r"'dataset facts' .*fixes it to 128, 'user' asks for 64"):
        resolve(TrainingSetup(), pinned, layer("user", at(C.training.model.N).put(64)))
    assert resolve(TrainingSetup(), pinned, layer("user", at(C.training.model.N).put(128)))


def test_all_problems_come_at_once_with_their_layers() -> None:
    """One run shows everything that is wrong."""
    wrong = parse(TrainingSetup, ["training.nepochs=-1", "training.batch_size=12", "execution.prefetch_factor=2"])
    with pytest.raises(ConfigError) as caught:
        resolve(TrainingSetup(), wrong)
    assert [problem.path for problem in caught.value.problems] == [
        "training.nepochs",
        "training.batch_size",
        "execution.prefetch_factor",
    ]
    assert {problem.layer for problem in caught.value.problems} == {"command line"}


def test_names_are_checked_where_they_are_written() -> None:
    """A typo in a lens is an error on its own line, with a suggestion."""
    with pytest.raises(ConfigError, match="did you mean 'gridsize'"):
        at(C.training.model.gridsze)  # type: ignore[attr-defined]


def test_a_notebook_shows_what_was_changed() -> None:
    """The table marks the rows that a layer has set and shows where."""
    html = _resolved()._repr_html_()
    assert "training.nepochs" in html
    assert "command line" in html


def _fail(value: int) -> int:
    raise RuntimeError(f"no way with {value}")


def test_a_function_that_fails_is_a_problem_with_its_path_and_layer() -> None:
    """What it raised is the cause; a value that it may not return, and an error of a config, are placed too."""
    with pytest.raises(
        ConfigError, match=r"training\.nepochs: _fail raised RuntimeError: no way with 50   \[mine\]"
    ) as e:
        resolve(TrainingSetup(), layer("mine", EPOCHS.over(_fail)))
    assert isinstance(e.value.__cause__, RuntimeError)
    with pytest.raises(ConfigError, match="must be greater than 0, got 0") as e:
        resolve(TrainingSetup(), layer("mine", EPOCHS.over(lambda _: 0) >> at(C.training.batch_size).over(_fail)))
    assert [problem.path for problem in e.value.problems] == ["training.nepochs", "training.batch_size"]
    with pytest.raises(ConfigError, match=r"training\.model\.N: must be an integer, got 'x'   \[mine\]"):
        resolve(TrainingSetup(), layer("mine", at(C.training.model).over(lambda m: attrs.evolve(m, N="x"))))
    with pytest.raises(ConfigError, match="must return a TrainingSetup, got None"):
        at(C).over(lambda _: None)(TrainingSetup())  # type: ignore[arg-type,return-value] # that is the test


def test_a_wrong_value_is_refused_where_it_is_written() -> None:
    """And what is accepted is kept in the form of the field."""
    with pytest.raises(ConfigError, match=r"training\.nepochs: must be an integer, got True   test_resolve\.py:"):
        EPOCHS.put(True)
    assert at(C.execution.learning_rate).put(1).steps[0].arg.hex() == (1.0).hex()
    assert at(C.training.train_data_file).put("a.npz") == at(C.training.train_data_file).put(Path("a.npz"))  # type: ignore[arg-type] # text is a path
    fixed = at(C.execution.recon_log_fixed_indices)
    assert hash(fixed.put([1, 2])) == hash(fixed.put((1, 2)))  # type: ignore[arg-type] # a list is a tuple


WRONG: dict[str, Callable[[], object]] = {
    "compose a Transform with >> and another Transform, not 3": lambda: EPOCHS.put(1) >> 3,  # type: ignore[operator]
    "and another Transform, not <function _fail": lambda: _fail >> EPOCHS.put(1),  # type: ignore[operator]
    "resolve starts from a config, not {}": lambda: resolve({}, EPOCHS.put(1)),
    "resolve takes transforms and layers, not 'ci'": lambda: resolve(TrainingSetup(), "ci"),  # type: ignore[arg-type]
    "make a layer of a Transform, not <function": lambda: layer("a", _fail),  # type: ignore[arg-type]
    "name a layer by a string, not <Transform": lambda: layer(EPOCHS.put(1), EPOCHS.put(2)),  # type: ignore[arg-type]
    r"give over\(\) a function, not 3": lambda: EPOCHS.over(3),  # type: ignore[arg-type]
    "is not a config class": lambda: EPOCHS.put(1)({}),
    "name the fields of a class made with @config, not": lambda: fields(3),  # type: ignore[type-var,arg-type]
}


@pytest.mark.parametrize("message", WRONG)
def test_an_operand_of_another_kind_is_one_clear_error(message: str) -> None:
    """It says what is possible, and what was found."""
    with pytest.raises(TypeError, match=message):
        WRONG[message]()


def test_explain_takes_a_group_or_nothing() -> None:
    """A table of the last values, as text and as HTML; every change is there too."""
    found = _resolved().explain("training.model")
    assert {row.path.rpartition(".")[0] for row in found.rows} == {"training.model"}
    assert str(found).splitlines()[0].split() == ["option", "value", "unit", "layer", "where"]
    assert [change.new for change in _resolved().explain().changes] == [20, 7]
    assert _resolved() == _resolved()


def test_cells_of_a_notebook_are_told_apart() -> None:
    """By the number that IPython gave them; where nothing knows it, they are cells."""
    code, compiler = "\nt = at(c.training.nepochs).put(3)", CachingCompiler()
    shell = SimpleNamespace(compile=compiler)
    for source, found, where in (
        (compiler.cache(code, 3), shell, "cell [3]:2"),
        ("ipykernel_1/23.py", shell, "cell:2"),
        ("ipykernel_1/23.py", None, "cell:2"),
        ("<stdin>", None, "<stdin>:2"),
    ):
        names: dict[str, Any] = {"at": at, "c": C, "get_ipython": lambda found=found: found}
        exec(compile(code, source, "exec"), names)  # noqa: S102 - as IPython does
        assert names["t"].steps[0].where == where
