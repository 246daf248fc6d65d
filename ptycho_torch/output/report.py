"""A report that needs no other file: verdict, figures, figures of merit, and where every option came from."""

import functools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import attrs
from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from ptycho_config.layers import BASE
from ptycho_config.steps import plain_path
from ptycho_torch.files import atomic_write
from ptycho_torch.output.derivation import Derivation
from ptycho_torch.output.report_figures import Figure
from ptycho_torch.verdict import Verdict


class OptionRow(NamedTuple):
    """An option, its value, that of the schema, and the layer and line that set it last, alone or with the choice or
    group that it is part of."""

    path: str
    value: object
    default: object = None
    layer: str = BASE
    where: str = ""


@attrs.frozen
class Section:
    """A heading with figures below it, and a sentence; wide: three figures belong into one row."""

    heading: str
    figures: tuple[Figure, ...]
    text: str = ""
    wide: bool = False


@attrs.frozen(repr=False)
class Report:
    """The content of a report.

    title; verdict: on the scan and its result; facts: the few numbers that come first; sections: figures by heading;
    tables: rows by heading; derivations: of the configurations, by heading.
    """

    title: str
    verdict: Verdict | None = None
    facts: Mapping[str, str] = attrs.field(factory=dict)
    sections: tuple[Section, ...] = ()
    tables: Mapping[str, Mapping[str, object]] = attrs.field(factory=dict)
    derivations: Mapping[str, Derivation] = attrs.field(factory=dict)

    def __repr__(self) -> str:
        figures = sum(len(section.figures) for section in self.sections)
        return f"<Report {self.title!r}: {figures} figures>"

    def html(self) -> str:
        """The report as HTML, everything in it escaped."""
        options = {name: _by_difference(option_rows(one)) for name, one in self.derivations.items()}
        tables = {heading: dict(_leaves(table, "")) for heading, table in self.tables.items()}
        return _template().render(report=self, options=options, tables=tables)


def _by_difference(rows: list[OptionRow]) -> tuple[list[OptionRow], list[OptionRow]]:
    """The rows whose value is not that of the schema, and the others."""
    changed = [row for row in rows if row.layer != BASE and row.value != row.default]
    return changed, [row for row in rows if row not in changed]


def option_rows(derivation: Derivation) -> list[OptionRow]:
    """Every option of a derivation."""
    before = dict(_leaves(derivation.base, ""))
    found = [one for one in _leaves(derivation.config, "") if not one[0].startswith("$")]
    rows = [OptionRow(path, value, before.get(path)) for path, value in found]
    for one in derivation.layers:
        for step in one.steps:
            place = plain_path(step["path"])
            set_here = [f"{row.path}.".startswith(f"{place}." if place else "") for row in rows]
            rows = [
                row._replace(layer=one.layer, where=step["where"]) if here else row
                for row, here in zip(rows, set_here, strict=True)
            ]
    return rows


def _leaves(node: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        path = f"{prefix}.{key}" if prefix else key
        if isinstance(value, Mapping):
            yield from _leaves(value, path)
        else:
            yield path, value


def write_report(path: Path, report: Report) -> None:
    """Write a report to path as HTML, whole or not at all. Raises OSError where that cannot be done."""
    with atomic_write(path) as temporary:
        temporary.write_text(report.html(), encoding="utf-8")


@functools.cache
def _template() -> Template:
    loader = PackageLoader("ptycho_torch.output", "templates")
    return Environment(autoescape=True, loader=loader, undefined=StrictUndefined, trim_blocks=True).get_template(
        "report.html.jinja"
    )
