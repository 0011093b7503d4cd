"""The object store: one code path for `file://` and `s3://`.

A partition is a folder of data files with a `_SUCCESS` marker, which is a manifest: it names the
files that count. Every attempt at a partition takes a fencing token, writes in a folder of its
own, and commits by moving its files in and replacing the marker; an attempt that a newer one has
overtaken cannot commit.
"""

from segue.lake.partition import (
    Attempt,
    Manifest,
    Partition,
    begin,
    committed,
    is_made,
    read_manifest,
)
from segue.lake.store import Lake

__all__ = [
    "Attempt",
    "Lake",
    "Manifest",
    "Partition",
    "begin",
    "committed",
    "is_made",
    "read_manifest",
]
