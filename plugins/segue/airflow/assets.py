"""What the DAGs read and produce, so that the UI shows what comes from what."""

from airflow.sdk import Asset

INBOX = Asset("inbox", uri="segue://inbox")
"""A day's drop. It comes from outside: no task produces it."""

PLAYLISTS = Asset("playlists", uri="segue://playlists")
"""A day's playlists: staged in the lake and loaded into MongoDB."""

LYRICS = Asset("lyrics", uri="segue://lyrics")
"""What is known of the songs' lyrics."""

PUBLISHED = Asset("published", uri="segue://published")
"""The version that people are served."""

EXTERNAL = frozenset({INBOX.name})
"""Assets that no task produces."""
