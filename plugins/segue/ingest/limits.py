"""What a valid playlist keeps to; the fast and the careful path check the same."""

NAME_LENGTH = 10_000
"""Characters a name or a description may have."""

INT32_MAX = 2**31 - 1
INT64_MAX = 2**63 - 1

OPTIONAL_COUNTS = ("num_tracks", "num_albums", "num_artists", "num_followers", "num_edits")
"""Fields of a playlist that may be missing or null; if not, they lie in [0, INT32_MAX]."""

URI_PREFIXES = {
    "track_uri": b"spotify:track:",
    "artist_uri": b"spotify:artist:",
    "album_uri": b"spotify:album:",
}
"""What stands before the id; together the patterns of `segue.schemas`."""

URI_ID_LENGTH = 22
"""Characters of an id, each of 0-9, A-Z and a-z."""
