"""The Python tasks of `collect_lyrics`.

What they need is imported when they run: Airflow parses the DAG's file every few seconds.
"""

import asyncio
import json
import logging
import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from airflow.sdk import get_current_context
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from segue.airflow.connections import database
from segue.airflow.dates import partition_date
from segue.errors import SegueError, SettingError
from segue.settings import get_settings

if TYPE_CHECKING:
    from segue.lyrics.collector import Latencies, Summary
    from segue.lyrics.lookup import Catalogue, Song

log = logging.getLogger(__name__)

BATCH = 500
MOST_BATCHES = 1_000
"""Airflow maps a task over at most 1,024 values."""

_COUNTS = ("found", "instrumental", "not_found", "failed", "skipped", "unasked")


def plan(provider: str, max_songs: str, retry_failed: str) -> list[dict[str, str]]:
    """Chooses the songs, those in most playlists first, and cuts them into batches."""
    from segue.lake import Lake, Manifest, begin
    from segue.store import collections
    from segue.store.lyrics import due_songs

    if not provider:
        raise AirflowSkipException(
            "lyrics are not collected: SEGUE_LYRICS_PROVIDERS names no provider (lrclib, dump, "
            "folder), and the run's parameters neither"
        )
    _check(provider)
    db = database()
    # A store from before there were lyrics has no collections for them yet.
    collections.apply(db)
    wanted = due_songs(db, int(max_songs), retry_failed=retry_failed == "True")
    size = max(BATCH, -(-len(wanted) // MOST_BATCHES))
    dag_run = get_current_context()["dag_run"]
    lake, key = Lake(get_settings().lake_url), f"plans/{dag_run.dag_id}/{_slug(dag_run.run_id)}"
    attempt = begin(lake, key)
    batches: list[dict[str, str]] = []
    files: list[str] = []
    for first in range(0, len(wanted), size):
        songs = wanted[first : first + size]
        name = attempt.file_name(f"batch-{len(files):04d}", "json")
        text = json.dumps([[*vars(song).values()] for song in songs], ensure_ascii=False)
        lake.put(f"{attempt.work}/{key}/{name}", text.encode())
        files.append(name)
        label = f"songs {first + 1:,}–{first + len(songs):,}"
        batches.append({"label": label, "batch": str(len(files)), "key": f"{key}/{name}"})
    attempt.commit({key: Manifest(files, attempt.token, "", len(wanted))})
    log.info("%d songs to look up in %d batches", len(wanted), len(batches))
    return batches


def fetch(
    provider: str, lrclib_url: str, rate: str, label: str, batch: str, key: str
) -> dict[str, Any]:
    """Looks a batch of songs up, with this task's share of the rate and of the places."""
    from segue.lake import Lake
    from segue.lyrics.collector import Latencies
    from segue.lyrics.lookup import Song
    from segue.store.lyrics import LyricsStore

    settings = get_settings()
    songs = [Song(*fields) for fields in json.loads(Lake(settings.lake_url).get(key))]
    dag_run = get_current_context()["dag_run"]
    store = LyricsStore(
        database(), f"{dag_run.dag_id}/{dag_run.run_id}/{batch}", keep=settings.lyrics_keep
    )
    latencies = Latencies()
    try:
        summary, requests = asyncio.run(
            _collect(songs, provider, lrclib_url, float(rate), store, latencies)
        )
    except asyncio.CancelledError:
        raise SegueError(
            f"{label}: stopped; what was answered is saved, the other songs are given back"
        ) from None
    counts = {name: getattr(summary, name) for name in _COUNTS}
    log.info("%s: %s", label, ", ".join(f"{name} {count}" for name, count in counts.items()))
    if summary.host_down is not None:
        raise SegueError(
            f"the lyrics service does not answer ({summary.host_down}): {summary.unasked} of "
            f"{len(songs)} songs wait for the next try; what was answered is saved"
        )
    return {
        **counts,
        "seconds": round(summary.seconds, 3),
        "requests": requests,
        "latencies": {str(step): n for step, n in latencies.counts.items()},
    }


def summarise() -> dict[str, Any]:
    """Adds up what the batches did, and tells what is covered and how long the rest would take."""
    from segue.lyrics.collector import Latencies
    from segue.store import runs
    from segue.store.lyrics import coverage

    context = get_current_context()
    batches = context["ti"].xcom_pull(task_ids="plan")
    if not batches:
        # No retry of this task mends another.
        raise AirflowFailException("no songs were chosen: see the log of `plan`")
    planned = len(batches)
    # In a list: for a task alone, Airflow gives a single batch's value as it is.
    done = [s for s in context["ti"].xcom_pull(task_ids=["fetch"]) if s]
    counts = {name: sum(s[name] for s in done) for name in _COUNTS}
    latencies = Latencies(Counter())
    for each in done:
        latencies.counts.update({int(step): n for step, n in each["latencies"].items()})
    db = database()
    covered = coverage(db)
    facts = _facts(counts, done, latencies, covered) | {
        "batches": planned,
        "batches_failed": planned - len(done),
    }
    width = max(map(len, facts))
    log.info("\n%s", "\n".join(f"{name:{width}}  {value}" for name, value in facts.items()))
    dag_run = context["dag_run"]
    runs.record_run(
        db,
        f"{dag_run.dag_id}/{dag_run.run_id}",
        dag_id=dag_run.dag_id,
        logical_date=partition_date(dag_run),
        rows={name: value for name, value in facts.items() if value is not None},
        durations={"fetch": sum(s["seconds"] for s in done)},
    )
    if not done:
        raise AirflowFailException(
            f"none of {planned} batches got through: the lyrics service does not answer, or "
            "refuses; the log of `fetch` says which. The next run asks again"
        )
    return facts


def _facts(
    counts: dict[str, int],
    done: Sequence[dict[str, Any]],
    latencies: "Latencies",
    covered: dict[str, Any],
) -> dict[str, Any]:
    answered = counts["found"] + counts["instrumental"] + counts["not_found"]
    seconds = sum(s["seconds"] for s in done)
    requests = sum(s["requests"] for s in done)
    # Batches run side by side: their seconds add up to more than the run took.
    pace = min(get_settings().lyrics_slots, len(done)) / seconds if seconds else None
    p50, p95 = latencies.percentile(0.5), latencies.percentile(0.95)
    left = covered["pending"]
    return {
        **counts,
        "requests": requests,
        "hit_rate": round(counts["found"] / answered, 4) if answered else None,
        "latency_p50_ms": None if p50 is None else round(p50 * 1000, 1),
        "latency_p95_ms": None if p95 is None else round(p95 * 1000, 1),
        "requests_per_second": round(requests * pace, 2) if pace else None,
        "songs_left": left,
        "hours_left": round(left / (answered * pace) / 3600, 2) if pace and answered else None,
        "songs_covered": covered["found"] + covered["instrumental"],
        "entries_covered": round(covered["entries_covered"], 4),
    }


async def _collect(
    songs: "Sequence[Song]",
    provider: str,
    url: str,
    rate: float,
    store: Any,
    latencies: "Latencies",
) -> "tuple[Summary, int]":
    from importlib.metadata import version

    from segue.lyrics.collector import collect
    from segue.lyrics.limits import HostLimits
    from segue.lyrics.providers.dump import Dump
    from segue.lyrics.providers.folder import Folder
    from segue.lyrics.providers.lrclib import Lrclib

    settings = get_settings()
    # The pool lets this many of these tasks run at once, of all runs together.
    share = settings.lyrics_slots
    in_flight = max(settings.lyrics_in_flight // share, 1)
    contact = f" ({settings.lyrics_contact})" if settings.lyrics_contact else ""
    asked: list[Lrclib] = []
    async with AsyncExitStack() as stack:
        catalogues: list[Catalogue] = []
        for name in _check(provider):
            if name == "dump" and settings.lyrics_dump is not None:
                catalogues.append(Dump(settings.lyrics_dump))
            elif name == "folder" and settings.lyrics_folder is not None:
                catalogues.append(Folder(settings.lyrics_folder))
            elif name == "lrclib":
                lrclib = Lrclib(
                    url,
                    user_agent=f"segue/{version('segue')}{contact}",
                    limits=HostLimits(rate=rate / share, in_flight=in_flight),
                    on_latency=latencies.add,
                )
                asked.append(await stack.enter_async_context(lrclib))
                catalogues.append(lrclib)
        with _cancelled_by_sigterm():
            summary = await collect(songs, catalogues, store, in_flight=in_flight)
    return summary, sum(lrclib.requests for lrclib in asked)


@contextmanager
def _cancelled_by_sigterm() -> Iterator[None]:
    """Cancels the current asyncio task on SIGTERM, so that it saves and gives back what it holds.

    Airflow passes the signal to an operator's `on_kill`, which does nothing for Python, and sends
    SIGKILL a few seconds later.
    """
    loop, current = asyncio.get_running_loop(), asyncio.current_task()
    assert current is not None
    before = signal.getsignal(signal.SIGTERM)
    loop.add_signal_handler(signal.SIGTERM, current.cancel)
    try:
        yield
    finally:
        # The loop would put the default back, which is to die.
        loop.remove_signal_handler(signal.SIGTERM)
        signal.signal(signal.SIGTERM, before)


def _check(provider: str) -> list[str]:
    """The providers that `provider` names; raises `SettingError`."""
    settings = get_settings()
    places = {"lrclib": True, "dump": settings.lyrics_dump, "folder": settings.lyrics_folder}
    names = [name.strip() for name in provider.split(",") if name.strip()]
    for name in names:
        if name not in places:
            raise SettingError(f"provider: {name!r} is none of {', '.join(places)}")
        if not places[name]:
            raise SettingError(f"SEGUE_LYRICS_{name.upper()}: must be set for the provider {name}")
    return names


def _slug(run_id: str) -> str:
    return "".join(c if c.isalnum() or c in "-_.+" else "_" for c in run_id)
