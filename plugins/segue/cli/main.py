"""The command line: what there is, and how errors end.

Exit codes: 0 done, 1 failed, 2 wrong use or setting.
"""

import sys
from typing import Annotated

import typer

from segue.cli.output import stderr
from segue.errors import SegueError, SettingError

app = typer.Typer(
    name="segue",
    help="Playlists in, recommendations out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _options(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show the trace of an error.")] = False,
) -> None:
    context.obj = debug


def main() -> None:
    """Runs the command of `sys.argv` and exits."""
    debug = "--debug" in sys.argv
    try:
        app()
    except SegueError as error:
        if debug:
            raise
        stderr.print(f"segue: {error}", style="red", markup=False, highlight=False)
        sys.exit(2 if isinstance(error, SettingError) else 1)
    except OSError as error:
        # A full disk, a closed pipe, a folder that may not be read.
        if debug:
            raise
        stderr.print(f"segue: {error}", style="red", markup=False, highlight=False)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


# Each adds its commands to `app`, so they come after it; `--help` shows them in this order.
from segue.cli import (  # noqa: E402
    ask as ask,
    demo as demo,
    lyrics as lyrics,
    run as run,
    stack as stack,
    store as store,
)
