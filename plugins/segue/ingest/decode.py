"""One file of a drop, from its bytes to tables and quarantine records."""

from dataclasses import dataclass

from segue.ingest.careful import decode_carefully
from segue.ingest.compression import decompress
from segue.ingest.fast import decode_valid
from segue.ingest.quarantine import QuarantineRecord
from segue.ingest.tables import Tables, tables_of


@dataclass(frozen=True)
class DecodedSlice:
    """What one file became: every playlist of it is in `tables` or in `quarantined`."""

    file: str
    tables: Tables
    quarantined: list[QuarantineRecord]
    unreadable: bool
    """Whether nothing of the file could be read: it has one quarantine record, for the whole."""
    size: int
    """Bytes, decompressed."""

    @property
    def playlists_in(self) -> int:
        """Playlists in the file; a stretch that could not be told apart counts as one."""
        return int(self.tables.playlists.num_rows) + len(self.quarantined)


def decode_slice(file: str, blob: bytes, exclude: dict[int, str] | None = None) -> DecodedSlice:
    """The tables and the quarantine records made of the file `file` with the content `blob`.

    `file` is its name, with its ending: `.json`, `.json.gz` or `.json.zst`. `exclude` gives
    playlists, by pid, that are quarantined although they are good, each with the reason. Raises
    nothing, whatever `blob` holds.
    """
    content = decompress(file, blob)
    if not content.damage and not exclude:
        playlists = decode_valid(content.data)
        if playlists is not None:
            return DecodedSlice(file, tables_of(playlists), [], False, len(content.data))
    careful = decode_carefully(file, content.data, content.damage, exclude)
    return DecodedSlice(
        file,
        tables_of(careful.playlists),
        careful.quarantined,
        careful.unreadable,
        len(content.data),
    )
