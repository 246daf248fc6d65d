"""A self-contained HTML report: pictures, figures of merit, and where every option came from."""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment

from ptycho_config.layers import BASE
from ptycho_config.steps import plain_path
from ptycho_torch.files import atomic_write
from ptycho_torch.output.derivation import Derivation
from ptycho_torch.verdict import Verdict

_TEMPLATE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{{ title }}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body{font:15px/1.5 system-ui,sans-serif;max-width:1100px;margin:2rem auto;padding:0 1rem}
.row{display:grid;grid-template-columns:repeat(auto-fit,minmax(400px,1fr));gap:1rem}.row img{width:100%}
table{border-collapse:collapse;font-size:13px}td,th{text-align:left;padding:2px 14px 2px 0;
border-bottom:1px solid #8884;vertical-align:top}tr.set td{font-weight:600}
</style>
<h1>{{ title }}</h1>
<div class="row">{% for name, data in pictures.items() -%}
<img alt="{{ name }}" src="data:image/png;base64,{{ data }}">{% endfor %}</div>
{% for heading, table in tables.items() %}<h2>{{ heading }}</h2>
<table>{% for key, value in table.items() -%}
<tr><td>{{ key }}</td><td>{{ value }}</td></tr>{% endfor %}</table>
{% endfor %}
{% for heading, rows in configurations.items() %}<h2>{{ heading }}</h2>
<table><tr><th>option</th><th>value</th><th>layer</th><th>where</th></tr>
{% for row in rows %}<tr{% if row.layer != base %} class="set"{% endif %}><td>{{ row.path }}</td>
<td>{{ row.value }}</td><td>{{ row.layer }}</td><td>{{ row.where }}</td></tr>{% endfor %}</table>
{% endfor %}</html>
"""


class OptionRow(NamedTuple):
    """An option, its value, and the layer and line that set it last, alone or with the choice or group that it is
    part of."""

    path: str
    value: object
    layer: str = BASE
    where: str = ""


def option_rows(derivation: Derivation) -> list[OptionRow]:
    """Every option of a derivation."""
    rows = [OptionRow(path, value) for path, value in _leaves(derivation.config, "") if not path.startswith("$")]
    for one in derivation.layers:
        for step in one.steps:
            place = plain_path(step["path"])
            set_here = [f"{row.path}.".startswith(f"{place}." if place else "") for row in rows]
            rows = [
                row._replace(layer=one.layer, where=step["where"]) if here else row
                for row, here in zip(rows, set_here, strict=True)
            ]
    return rows


def _leaves(node: Mapping[str, object], prefix: str) -> list[tuple[str, object]]:
    found: list[tuple[str, object]] = []
    for key, value in node.items():
        path = f"{prefix}.{key}" if prefix else key
        found.extend(_leaves(value, path) if isinstance(value, Mapping) else [(path, value)])
    return found


def verdict_table(verdict: Verdict) -> dict[str, str]:
    """The rows of a verdict in a report: level, remedy, and every piece of evidence by name."""
    rows: dict[str, str] = {"level": verdict.level}
    if verdict.remedy:
        rows["remedy"] = verdict.remedy
    return rows | {f"{one.name} ({one.level})": one.text for one in verdict.evidence}


def write_report(
    path: Path,
    title: str,
    pictures: Sequence[Path],
    tables: Mapping[str, Mapping[str, object]],
    derivations: Mapping[str, Derivation],
) -> None:
    """Write one HTML file to path that needs no other: pictures embedded, everything escaped.

    title: the heading; pictures: PNG files; tables: rows by heading; derivations: of the configurations, by
    heading. Raises OSError where a picture cannot be read or the file cannot be written.
    """
    encoded = {p.stem: base64.b64encode(p.read_bytes()).decode("ascii") for p in pictures}
    configurations = {name: option_rows(derivation) for name, derivation in derivations.items()}
    flat = {heading: dict(_leaves(table, "")) for heading, table in tables.items()}
    page = Environment(autoescape=True).from_string(_TEMPLATE)
    with atomic_write(path) as temporary:
        temporary.write_text(
            page.render(title=title, pictures=encoded, tables=flat, configurations=configurations, base=BASE),
            encoding="utf-8",
        )
