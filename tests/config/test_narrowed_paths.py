"""Paths that demand a member, as changes print them (`torch.net:fno.modes`), are taken wherever options are given."""

import json
from pathlib import Path
from typing import Any

import pytest

from ptycho_config import ConfigError, Transform, at, create_training_payload, fields, narrow, parse
from ptycho_config.schema import TrainingSetup, Unrolled

c = fields(TrainingSetup)
RECOMMENDED = create_training_payload(profile="unrolled")[0].config
WIDER = at(narrow(c.torch.net, Unrolled).width).put(8)
(STEP,) = WIDER.steps


def _from_file(tmp_path: Path, name: str, text: str) -> Transform:
    (tmp_path / name).write_text(text)
    return parse(TrainingSetup, tmp_path / name)


def test_every_reader_takes_the_path_of_a_change(tmp_path: Path) -> None:
    """Assignments, mappings, and files of each format, nested or dotted."""
    table: Any = {"torch": {"net:unrolled": {"width": 8}}}
    readings = [
        parse(TrainingSetup, [f"{STEP.path}=8"]),
        parse(TrainingSetup, [(STEP.path, "8", "--set")]),
        parse(TrainingSetup, {STEP.path: 8}),
        parse(TrainingSetup, table),
        _from_file(tmp_path, "a.json", json.dumps(table)),
        _from_file(tmp_path, "a.yaml", f"{STEP.path}: 8\n"),
        _from_file(tmp_path, "a.toml", f'"{STEP.path}" = 8\n'),
    ]
    assert {(step.path, step.arg) for one in readings for step in one.steps} == {(STEP.path, 8)}
    assert {one(RECOMMENDED) for one in readings} == {WIDER(RECOMMENDED)}


def test_the_member_is_demanded() -> None:
    """Another member is an error that names both, as with the lens."""
    change = parse(TrainingSetup, [f"{STEP.path}=8"])
    with pytest.raises(ConfigError, match=r"torch.net.width: net is 'cnn' here, the change is for 'unrolled'"):
        change(TrainingSetup())


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("torch.net:unroled.width", r"torch.net has no member 'unroled' .* did you mean 'unrolled'"),
        ("torch.net:unrolled", r"names a member and no option of it .* write torch.net=unrolled to choose it"),
        ("training:unrolled.nepochs", r"training has no member 'unrolled'"),
        ("torch.net:unrolled.modse", r"unknown field"),
    ],
)
def test_a_member_or_option_that_there_is_not_is_named(path: str, reason: str) -> None:
    """Where the path is written."""
    with pytest.raises(ConfigError, match=f"{path}: {reason}"):
        parse(TrainingSetup, [f"{path}=8"])
