"""Tables of options: one row each, as values and as HTML."""

from collections.abc import Sequence
from html import escape
from typing import Any

import attrs


@attrs.frozen
class Row:
    """One option: its value, what it means, and the layer that set it last."""

    path: str
    value: Any
    unit: str
    doc: str
    layer: str = ""
    where: str = ""


_STYLE = (
    "<style>.ptycho-options{border-collapse:collapse;font:13px/1.5 system-ui,sans-serif}"
    ".ptycho-options th,.ptycho-options td{text-align:left;padding:2px 12px 2px 0;"
    "border-bottom:1px solid #8884}.ptycho-options .set{font-weight:600}</style>"
)


def table_html(rows: Sequence[Row], base: str) -> str:
    """The `rows` that a layer other than `base` has set are bold; the doc of each field is its tooltip."""
    head = "".join(f"<th>{name}</th>" for name in ("option", "value", "unit", "layer", "where"))
    lines = [_STYLE, f'<table class="ptycho-options"><tr>{head}</tr>']
    for row in rows:
        mark = "" if row.layer == base else ' class="set"'
        texts = (row.path, repr(row.value), row.unit, row.layer, row.where)
        cells = "".join(f"<td>{escape(str(text))}</td>" for text in texts)
        lines.append(f'<tr{mark} title="{escape(row.doc, quote=True)}">{cells}</tr>')
    return "\n".join([*lines, "</table>"])


def table_text(rows: Sequence[Row]) -> str:
    """Columns for a terminal; values first set by a layer carry its name."""
    cells = [(row.path, repr(row.value), row.unit, row.layer, row.where) for row in rows]
    head = ("option", "value", "unit", "layer", "where")
    widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        for line in (head, *cells)
    )
