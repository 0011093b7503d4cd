"""The conditions that DAGs wait for; each returns (met, why)."""

from datetime import datetime

from segue.ingest.corpus import readiness
from segue.ingest.inbox import read_drop
from segue.lake import Lake, read_manifest
from segue.settings import get_settings


def drop_complete(date: str) -> tuple[bool, str]:
    """Whether the inbox's drop of `date` is complete, or has left it after it landed."""
    settings = get_settings()
    drop = read_drop(Lake(settings.inbox_url), date, settings.inbox_settle_seconds)
    landing = f"landing/dt={date}"
    if not drop.complete and not drop.slices and read_manifest(Lake(settings.lake_url), landing):
        return True, f"{date} has landed and left the inbox"
    return drop.complete, drop.why


def playlists_ingested(as_of: str) -> tuple[bool, str]:
    """Whether every day that a training as of `as_of` (ISO 8601) should see is ingested."""
    settings = get_settings()
    moment = datetime.fromisoformat(as_of)
    state = readiness(Lake(settings.lake_url), moment, settings.train_grace_hours)
    return state.ready, state.why
