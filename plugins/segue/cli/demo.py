"""`segue demo`: real playlists through the whole platform, and what comes out of it."""

from datetime import UTC, datetime, timedelta

from segue.cli import ask, run, stack
from segue.cli.main import app
from segue.cli.output import stderr, stdout
from segue.settings import PROJECT, get_settings
from segue.stack.state import running

SAMPLE = PROJECT / "sample" / "spotify-archive"


@app.command()
def demo() -> None:
    """Start the stack, run the sample through the DAGs, print recommendations.

    The stack stays up for the browser; `segue down` stops it.
    """
    settings = get_settings()
    stack.up(show_password=False)
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    stderr.print(f"\nIngesting {SAMPLE} as the playlists of {yesterday}, then training on them.")
    document = run.run_source(settings, SAMPLE, yesterday, train=True)
    stdout.print(run.summary(document))
    _heading("segue similar Blinding Lights")
    ask.similar(["Blinding Lights"], k=8, metric="cosine", version=None, as_json=False)
    _heading('segue playlists "drivers license"')
    ask.playlists(["drivers license"], k=8, version=None, as_json=False)
    _heading('segue continue "Blinding Lights" "Levitating Dua Lipa" "Watermelon Sugar" -n 12')
    songs = ["Blinding Lights", "Levitating Dua Lipa", "Watermelon Sugar"]
    ask.continue_(songs, title=None, n=12, metric="cosine", version=None, as_json=False)
    stdout.print(
        "\nAsk for songs of your own: `source .venv/bin/activate`, then the commands above.\n"
        "Watch the runs in Airflow:"
    )
    if state := running(settings):
        print("\n".join(stack.address(settings, state, with_password=True)))
    stdout.print("`segue down` stops everything; `segue --help` shows what else there is.")


def _heading(command: str) -> None:
    stdout.print(f"\n$ {command}", style="bold cyan", markup=False, highlight=False)
