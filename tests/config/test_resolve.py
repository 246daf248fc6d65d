"""Layers: precedence, provenance and conflicts."""

import pytest

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
