"""Playlists as they arrive: read, checked, and turned into the two staging tables.

`decode_slice` turns one file into Arrow tables and quarantine records. The fast path decodes the
whole file at once and checks it by column; a file that fails any check goes through the careful
path, which saves every good playlist and names every bad one.
"""

from segue.ingest.decode import DecodedSlice, decode_slice
from segue.ingest.duplicates import PlaylistVersions, losers_across_files
from segue.ingest.merge import merge_tracks
from segue.ingest.quarantine import QuarantineRecord

__all__ = [
    "DecodedSlice",
    "PlaylistVersions",
    "QuarantineRecord",
    "decode_slice",
    "losers_across_files",
    "merge_tracks",
]
