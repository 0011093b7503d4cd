"""What every command prints with: tables for people, one JSON document for scripts.

Results go to stdout, everything else (progress, notes, errors) to stderr.
"""

import json
from collections.abc import Callable, Iterable
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

stdout = Console()
stderr = Console(stderr=True)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def report(document: dict[str, Any], render: Callable[[], object], *, as_json: bool) -> None:
    """Prints `document` as JSON, or what `render` returns for people."""
    if as_json:
        print(json.dumps(document, ensure_ascii=False, indent=2))
    else:
        stdout.print(render())


def note(text: str) -> None:
    """Tells people something beside the result."""
    stderr.print(text, style="dim", markup=False, highlight=False)


def table(columns: Iterable[str | tuple[str, str]], rows: Iterable[Iterable[object]]) -> Table:
    """A table; a column is its header, or (header, "right") to align numbers."""
    result = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        if isinstance(column, str):
            result.add_column(column, overflow="fold")
        else:
            result.add_column(column[0], justify="right" if column[1] == "right" else "left")
    for row in rows:
        # Names come from data: shown as they are, never read as markup.
        result.add_row(*[Text(str(cell)) for cell in row])
    return result
