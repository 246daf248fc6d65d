"""Tables for people, as text and as HTML."""

from collections.abc import Iterable, Sequence
from html import escape

import attrs


@attrs.frozen
class Line:
    """One line of a table; title: its tooltip, marked: whether it stands out."""

    cells: tuple[str, ...]
    title: str = ""
    marked: bool = False


_STYLE = (
    "<style>.ptycho-options{border-collapse:collapse;font:13px/1.5 system-ui,sans-serif}"
    ".ptycho-options th,.ptycho-options td{text-align:left;padding:2px 12px 2px 0;"
    "border-bottom:1px solid #8884}.ptycho-options .set{font-weight:600}</style>"
)


def table_html(head: Sequence[str], lines: Iterable[Line]) -> str:
    """The `lines` below the names of their columns `head`."""
    names = "".join(f"<th>{name}</th>" for name in head)
    made = [_STYLE, f'<table class="ptycho-options"><tr>{names}</tr>']
    for line in lines:
        mark = ' class="set"' if line.marked else ""
        title = f' title="{escape(line.title, quote=True)}"' if line.title else ""
        made.append(f"<tr{mark}{title}>{''.join(f'<td>{escape(text)}</td>' for text in line.cells)}</tr>")
    return "\n".join([*made, "</table>"])


def table_text(head: Sequence[str], lines: Iterable[Line]) -> str:
    """The `lines` in columns for a terminal, below `head`."""
    every = [tuple(head), *(line.cells for line in lines)]
    widths = [max(map(len, column)) for column in zip(*every, strict=True)]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(cells, widths, strict=True)).rstrip() for cells in every
    )
