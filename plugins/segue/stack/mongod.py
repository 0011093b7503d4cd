"""Where the mongod binary is."""

import importlib.util
import shutil
from pathlib import Path

from segue.errors import SegueError


def mongod_binary() -> Path:
    """The `mongod` of PATH, else the one of the wheel; raises `SegueError` if there is none."""
    if found := shutil.which("mongod"):
        return Path(found)
    spec = importlib.util.find_spec("fiftyone")
    for folder in spec.submodule_search_locations or () if spec else ():
        binary = Path(folder) / "db" / "bin" / "mongod"
        if binary.exists():
            return binary
    raise SegueError(
        "no mongod: install MongoDB 6 or newer, or set SEGUE_MONGO_URI to one that runs elsewhere"
    )
