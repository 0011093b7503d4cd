"""`segue demo`: real playlists through the whole platform, and what comes out of it."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from segue.cli import ask, lyrics, run, stack
from segue.cli.main import app
from segue.cli.output import stderr, stdout
from segue.errors import SegueError
from segue.settings import PROJECT, Settings, get_settings
from segue.stack.state import running

SAMPLE = PROJECT / "sample" / "spotify-archive"
SONGS = 2_000
"""Songs that lyrics are collected for."""


@app.command()
def demo() -> None:
    """Start the stack, run the sample through the DAGs, print recommendations.

    Its lyrics are made up, from a stand-in for the lyrics service: a demo calls nobody.
    The stack stays up for the browser; `segue down` stops it.
    """
    settings = get_settings()
    stack.up(show_password=False)
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    stderr.print(f"\nIngesting {SAMPLE} as the playlists of {yesterday}, then training on them.")
    document = run.run_source(
        settings,
        SAMPLE,
        yesterday,
        train=True,
        before_training=lambda: _collect_made_up_lyrics(settings),
    )
    stdout.print(run.summary(document))
    _heading("segue similar Blinding Lights")
    ask.similar(
        ["Blinding Lights"], k=8, metric="cosine", by="playlists", version=None, as_json=False
    )
    _heading('segue playlists "drivers license"')
    ask.playlists(["drivers license"], k=8, version=None, as_json=False)
    _heading('segue continue "Blinding Lights" "Levitating Dua Lipa" "Watermelon Sugar" -n 12')
    songs = ["Blinding Lights", "Levitating Dua Lipa", "Watermelon Sugar"]
    ask.continue_(songs, title=None, n=12, metric="cosine", version=None, as_json=False)
    _heading("segue similar --by lyrics Blinding Lights")
    ask.similar(["Blinding Lights"], k=5, metric="cosine", by="lyrics", version=None, as_json=False)
    stdout.print(
        "\nAsk for songs of your own: `source .venv/bin/activate`, then the commands above.\n"
        "Watch the runs in Airflow:"
    )
    if state := running(settings):
        print("\n".join(stack.address(settings, state, with_password=True)))
    stdout.print("`segue down` stops everything; `segue --help` shows what else there is.")


def _collect_made_up_lyrics(settings: Settings) -> None:
    stderr.print(f"Collecting made-up lyrics of {SONGS:,} songs from a stand-in for LRCLIB.")
    with _stand_in() as url:
        conf = {"provider": "lrclib", "lrclib_url": url, "max_songs": SONGS, "rate": 1_000}
        lyrics.collect_lyrics(settings, conf=conf)


@contextmanager
def _stand_in() -> Iterator[str]:
    """The address of a server that speaks LRCLIB's protocol and knows made-up texts only."""
    command = [sys.executable, "-m", "tests.lrclib_server", "--made-up-for", str(SAMPLE)]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            url = server.stdout.readline().strip()
            if not url.startswith("http://127.0.0.1:"):
                raise SegueError("the stand-in for the lyrics service did not start")
            yield url
        finally:
            server.terminate()


def _heading(command: str) -> None:
    stdout.print(f"\n$ {command}", style="bold cyan", markup=False, highlight=False)
