"""How a Spark job's process begins and ends."""

import logging
import sys
from collections.abc import Callable

from segue.errors import SegueError


def run(main: Callable[[], None]) -> None:
    """Runs a job's `main` and exits.

    A `SegueError` ends the process with its `exit_code` and one line on stderr; anything else
    with its trace and 1.
    """
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("py4j").setLevel(logging.WARNING)
    try:
        main()
    except SegueError as error:
        print(f"segue: {error}", file=sys.stderr, flush=True)
        sys.exit(error.exit_code)
