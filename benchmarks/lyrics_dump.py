"""10,000 look-ups in a dump of a million tracks, as JSON.

    python benchmarks/lyrics_dump.py [--tracks 1000000] [--songs 10000] [--folder DIR]

The file has LRCLIB's schema and indexes, without full-text search; titles and artists are drawn
from real ones. Half of the songs are in it. Ours is the provider `dump`, asked for 128 songs at
once, first with the album and then, where that finds nothing, without, as the collector does. The
peer sends the server's own query for each question, one after another, through `sqlite3`. Both
must find the same. Seconds are wall time, CPU seconds beside them; `ratio` is that of CPU time.
"""

import argparse
import asyncio
import gzip
import json
import random
import resource
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from segue.lyrics.names import normalise
from segue.lyrics.providers.dump import Dump

PROJECT = Path(__file__).resolve().parents[1]
IN_FLIGHT = 128
SCHEMA = """
    CREATE TABLE tracks (
        id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, name_lower TEXT, artist_name TEXT,
        artist_name_lower TEXT, album_name TEXT, album_name_lower TEXT, duration FLOAT,
        last_lyrics_id INTEGER, created_at DATETIME, updated_at DATETIME,
        UNIQUE (name_lower, artist_name_lower, album_name_lower, duration)
    );
    CREATE TABLE lyrics (
        id INTEGER PRIMARY KEY AUTOINCREMENT, plain_lyrics TEXT, synced_lyrics TEXT,
        track_id INTEGER, has_plain_lyrics BOOLEAN, has_synced_lyrics BOOLEAN,
        instrumental BOOLEAN, source TEXT, created_at DATETIME, updated_at DATETIME
    );
"""
INDEXES = """
    CREATE INDEX idx_tracks_name_lower ON tracks (name_lower);
    CREATE INDEX idx_tracks_artist_name_lower ON tracks (artist_name_lower);
    CREATE INDEX idx_tracks_album_name_lower ON tracks (album_name_lower);
    CREATE INDEX idx_tracks_duration ON tracks (duration);
    CREATE INDEX idx_tracks_last_lyrics_id ON tracks (last_lyrics_id);
    CREATE INDEX idx_lyrics_track_id ON lyrics (track_id);
"""
SERVER = """
    SELECT tracks.id, tracks.name, tracks.artist_name, tracks.album_name, tracks.duration,
           tracks.last_lyrics_id, lyrics.instrumental, lyrics.plain_lyrics, lyrics.synced_lyrics
    FROM tracks LEFT JOIN lyrics ON tracks.last_lyrics_id = lyrics.id
    WHERE tracks.name_lower = ? AND tracks.artist_name_lower = ?
      AND tracks.duration >= ? AND tracks.duration <= ?{album}
    ORDER BY tracks.id
"""

Question = tuple[str, str, str, float]
"""Title, artist, album, seconds."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--tracks", type=int, default=1_000_000)
    parser.add_argument("--songs", type=int, default=10_000)
    parser.add_argument("--folder", type=Path, help="Where to build; default: a temporary one.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        file = Path(folder, "lrclib.sqlite3")
        questions = build(file, options.tracks, options.songs)
        ours, ours_time = timed(lambda: asyncio.run(ask(file, questions)))
        peer, peer_time = timed(lambda: ask_as_server(file, questions))
        if ours != peer:
            raise SystemExit("the two found different tracks")
        document = {
            "name": "lyrics_dump",
            "input": {
                "tracks": options.tracks,
                "songs": options.songs,
                "found": sum(title is not None for title in ours),
                "megabytes": round(file.stat().st_size / 1e6),
            },
            "ours": ours_time
            | {"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024},
            "peer": {"name": "the server's query, one by one, through sqlite3", **peer_time},
            "ratio": round(peer_time["cpu_s"] / ours_time["cpu_s"], 2),
        }
    print(json.dumps(document, indent=2))


def build(file: Path, tracks: int, songs: int) -> list[Question]:
    """Writes the dump; the questions to ask it, half of them about tracks that it has."""
    random.seed(7)
    questions: list[Question] = []
    asked = set(random.sample(range(tracks), songs // 2))
    database = sqlite3.connect(file)
    database.executescript(f"PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; {SCHEMA}")

    def rows() -> Iterator[tuple[Any, ...]]:
        for number, (title, artist, album, seconds) in enumerate(made_up(tracks)):
            if number in asked:
                # Every other one with an album that the dump doesn't have.
                questions.append((title, artist, album if number % 2 else "Else", seconds + 1))
                questions.append((f"{title} absent", artist, album, seconds))
            names = [v for name in (title, artist, album) for v in (name, normalise(name))]
            yield (*names, seconds, number + 1)

    database.executemany(
        "INSERT OR IGNORE INTO tracks (name, name_lower, artist_name, artist_name_lower, "
        "album_name, album_name_lower, duration, last_lyrics_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        rows(),
    )
    database.executemany(
        "INSERT INTO lyrics (id, plain_lyrics, track_id, instrumental) VALUES (?, ?, ?, 0)",
        ((n + 1, f"words of {n}\n" * 40, n + 1) for n in range(tracks)),
    )
    database.executescript(INDEXES)
    database.commit()
    database.close()
    random.shuffle(questions)
    return questions


def made_up(tracks: int) -> Iterator[Question]:
    """Tracks with the titles and artists of the sample, in chance pairs."""
    slices = sorted((PROJECT / "sample" / "spotify-archive").glob("*.json.gz"))
    songs = [
        (track["track_name"], track["artist_name"], track["album_name"])
        for file in slices
        for playlist in json.loads(gzip.decompress(file.read_bytes()))["playlists"]
        for track in playlist["tracks"]
    ]
    for _ in range(tracks):
        title, album = random.choice(songs)[0], random.choice(songs)[2]
        yield title, random.choice(songs)[1], album, float(random.randint(90, 400))


async def ask(file: Path, questions: list[Question]) -> list[str | None]:
    """What the provider finds: titles."""
    dump = Dump(file)
    found: list[str | None] = [None] * len(questions)
    left = iter(enumerate(questions))

    async def work() -> None:
        for index, (title, artist, album, seconds) in left:
            entry = await dump.get(title, artist, album, seconds)
            entry = entry or await dump.get(title, artist, None, seconds)
            found[index] = entry.title if entry else None

    await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))
    dump.close()
    return found


def ask_as_server(file: Path, questions: list[Question]) -> list[str | None]:
    """What the server's query finds: titles."""
    database = sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)
    with_album = SERVER.format(album=" AND tracks.album_name_lower = ?")
    without_album = SERVER.format(album="")
    found: list[str | None] = []
    for title, artist, album, seconds in questions:
        names = (normalise(title), normalise(artist), seconds - 2, seconds + 2)
        row = None
        # As the server does with names that are nothing but punctuation.
        if names[0] and names[1]:
            if normalise(album):
                row = database.execute(with_album, (*names, normalise(album))).fetchone()
            row = row or database.execute(without_album, names).fetchone()
        found.append(row[1] if row else None)
    database.close()
    return found


def timed(run: Callable[[], list[str | None]]) -> tuple[list[str | None], dict[str, float]]:
    """What `run` returns, and the seconds that it took."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = run()
    return result, {
        "cpu_s": round(time.process_time() - cpu, 3),
        "wall_s": round(time.perf_counter() - wall, 3),
    }


if __name__ == "__main__":
    main()
