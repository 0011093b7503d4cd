"""Every setting, read once from `SEGUE_*` variables or `.env`.

A wrong value raises `SettingError` at the start and names the variable.
"""

import os
import textwrap
from datetime import date
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, get_args

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from segue.errors import SettingError

LyricsProvider = Literal["lrclib", "dump", "folder"]

PROJECT = Path(__file__).resolve().parents[2]
"""The checkout: `dags/`, `spark_jobs/` and `plugins/` stand here."""


class Settings(BaseSettings):
    """One attribute a setting; `SEGUE_` and its name in capitals is the variable."""

    model_config = SettingsConfigDict(
        env_prefix="SEGUE_",
        env_file=PROJECT / ".env",
        extra="ignore",
        validate_default=True,
        env_ignore_empty=True,
    )

    home: Annotated[Path, Field(description="Folder of the local stack: data, logs, secrets.")] = (
        PROJECT / ".segue"
    )
    lake: Annotated[
        str,
        Field(
            description="Root of the object store, file:///… or s3://bucket/prefix. "
            "Empty: the folder `lake` in SEGUE_HOME."
        ),
    ] = ""
    inbox: Annotated[
        str,
        Field(
            description="Where drops arrive as dt=YYYY-MM-DD folders; a folder, file:///… or "
            "s3://…. Empty: the folder `inbox` in SEGUE_HOME."
        ),
    ] = ""
    inbox_settle_seconds: Annotated[
        float,
        Field(
            gt=0,
            allow_inf_nan=False,
            description="A drop without a _READY marker counts as complete once no file "
            "of it has changed for this many seconds.",
        ),
    ] = 60
    mongo_uri: Annotated[
        SecretStr | None,
        Field(
            description="MongoDB to use, mongodb://… or mongodb+srv://…. "
            "Empty: the embedded mongod that `segue up` starts."
        ),
    ] = None
    mongo_database: Annotated[str, Field(min_length=1, description="MongoDB database.")] = "segue"
    spark_master: Annotated[
        str,
        Field(description="Master that the local stack writes into the connection segue_spark."),
    ] = "local[2]"
    spark_driver_memory: Annotated[
        str, Field(pattern=r"^\d+[kmgt]$", description="Memory of each job's driver, as 2g.")
    ] = "2g"
    spark_shuffle_partitions: Annotated[
        int,
        Field(
            ge=1,
            description="Parts a job's shuffles are cut into: a few on a laptop, two to three for "
            "each core of a cluster.",
        ),
    ] = 8
    spark_slots: Annotated[
        int,
        Field(
            ge=1, le=1_000, description="Spark jobs that run at once (slots of the pool `spark`)."
        ),
    ] = 2
    max_active_runs: Annotated[
        int,
        Field(ge=1, le=1_000, description="Runs of one DAG at once; what a backfill is capped at."),
    ] = 4
    start_date: Annotated[
        date,
        Field(
            description="First date that can run. With SEGUE_CATCHUP, set it to the day you go "
            "live: catching up begins there."
        ),
    ] = date(2010, 1, 1)
    catchup: Annotated[
        bool, Field(description="Whether the daily and weekly DAGs run the dates they missed.")
    ] = False
    quarantine_max_share: Annotated[
        float,
        Field(
            ge=0,
            le=1,
            allow_inf_nan=False,
            description="Share of a drop's playlists that may be quarantined before its run fails.",
        ),
    ] = 0.01
    word2vec_partitions: Annotated[
        int,
        Field(
            ge=1,
            description="Partitions MLlib Word2Vec trains on. 1 is the reference; more is "
            "faster on a cluster, and not reproducible bit by bit.",
        ),
    ] = 1
    train_grace_hours: Annotated[
        float,
        Field(
            ge=0,
            le=10_000,
            description="How long after its date a training waits for that day's "
            "playlists before it goes ahead without them.",
        ),
    ] = 6
    lyrics_providers: Annotated[
        str,
        Field(
            description="Where lyrics are looked up, in this order, with commas between them: "
            "lrclib (the service at SEGUE_LRCLIB_URL), dump, folder. Empty: none are collected."
        ),
    ] = ""
    lyrics_max_songs: Annotated[
        int, Field(ge=1, description="Songs that one run of collect_lyrics looks up at most.")
    ] = 10_000
    lyrics_rate: Annotated[
        float,
        Field(
            gt=0,
            le=10_000,
            allow_inf_nan=False,
            description="Requests a second to a lyrics service, of all tasks together.",
        ),
    ] = 10
    lyrics_in_flight: Annotated[
        int,
        Field(
            ge=1,
            le=1_000,
            description="Requests to a lyrics service that wait for their answer at once, of all "
            "tasks together.",
        ),
    ] = 32
    lyrics_slots: Annotated[
        int,
        Field(
            ge=1,
            le=100,
            description="Batches of songs that are looked up at once (slots of the pool "
            "`lyrics_api`); each gets its share of the rate.",
        ),
    ] = 2
    lyrics_keep: Annotated[
        Literal["text", "counts"],
        Field(
            description="What is stored of found lyrics: their text, or only how often each word "
            "occurs."
        ),
    ] = "text"
    lyrics_contact: Annotated[
        str,
        Field(
            pattern=r"^[\x20-\x7e]*$",
            description="Added to the User-Agent that a lyrics service sees: an address at which "
            "its people reach you.",
        ),
    ] = ""
    lrclib_url: Annotated[
        str,
        Field(pattern=r"^https?://[^\s/]+.*$", description="LRCLIB's address."),
    ] = "https://lrclib.net"
    lyrics_dump: Annotated[
        Path | None, Field(description="LRCLIB's SQLite dump, for the provider `dump`.")
    ] = None
    lyrics_folder: Annotated[
        Path | None,
        Field(description="Folder of .lrc and .txt files, for the provider `folder`."),
    ] = None
    lyrics_pairs: Annotated[
        int,
        Field(
            ge=1_000,
            le=100_000_000,
            description="Pairs of songs that the correlation of lyrics and playlists samples.",
        ),
    ] = 1_000_000
    keep_bundles: Annotated[
        int, Field(ge=1, description="Serving bundles kept in the local cache.")
    ] = 2
    airflow_port: Annotated[
        int, Field(ge=1, le=65535, description="Port of Airflow's UI; the next free one is taken.")
    ] = 8080
    mongo_port: Annotated[
        int,
        Field(ge=1, le=65535, description="Port of the embedded mongod; the next free is taken."),
    ] = 27017

    @field_validator("mongo_uri", mode="before")
    @classmethod
    def _mongo_uri(cls, value: object) -> object:
        if value in (None, ""):
            return None
        text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        if not text.startswith(("mongodb://", "mongodb+srv://")):
            raise ValueError("must start with mongodb:// or mongodb+srv://")
        return text

    @field_validator("home", "lyrics_dump", "lyrics_folder")
    @classmethod
    def _path(cls, value: Path | None) -> Path | None:
        return None if value is None else _folder(value)

    @field_validator("lyrics_providers")
    @classmethod
    def _providers(cls, value: str) -> str:
        names = [name.strip() for name in value.split(",") if name.strip()]
        for name in names:
            if name not in get_args(LyricsProvider):
                raise ValueError(f"{name!r} is none of {', '.join(get_args(LyricsProvider))}")
        if len(set(names)) < len(names):
            raise ValueError("names a provider twice")
        return ",".join(names)

    @model_validator(mode="after")
    def _sources(self) -> "Settings":
        for name in ("dump", "folder"):
            if name in self.lyrics_providers and getattr(self, f"lyrics_{name}") is None:
                # The variable's name stands in front: this concerns two settings.
                raise ValueError(f"SEGUE_LYRICS_{name.upper()}: must be set for {name}")
        return self

    @field_validator("lake", "inbox")
    @classmethod
    def _url(cls, value: str) -> str:
        if "://" in value and not value.startswith(("file:///", "s3://")):
            raise ValueError("must be a folder, file:///… or s3://bucket/prefix")
        if value and value.rstrip("/") in ("", "file:", "s3:"):
            raise ValueError("must name a folder, not the root of everything")
        return value.rstrip("/")

    @property
    def lake_url(self) -> str:
        """The object store's root as a URL."""
        return as_url(self.lake or str(self.home / "lake"))

    @property
    def inbox_url(self) -> str:
        """The inbox as a URL."""
        return as_url(self.inbox or str(self.home / "inbox"))


def _folder(place: str | Path) -> Path:
    """The folder that a setting names: relative to the checkout, whatever the caller's is."""
    return (PROJECT / Path(place).expanduser()).resolve()


def as_url(place: str) -> str:
    """`place` as a URL: a folder becomes file:///…, a URL stays as it is."""
    return place if "://" in place else f"file://{_folder(place)}"


@cache
def get_settings() -> Settings:
    """The settings of this process.

    Raises `SettingError` that names every wrong variable.
    """
    try:
        return Settings()
    except UnicodeDecodeError as error:
        raise SettingError(f"{PROJECT / '.env'} is not UTF-8: {error}") from None
    except ValidationError as error:
        lines = [
            (f"SEGUE_{str(e['loc'][0]).upper()}: " if e["loc"] else "")
            + e["msg"].removeprefix("Value error, ")
            for e in error.errors(include_url=False, include_input=False)
        ]
        raise SettingError("; ".join(lines)) from None


def unknown_variables() -> list[str]:
    """`SEGUE_*` variables of the environment or `.env` that no setting has: misspelt, likely."""
    known = {f"SEGUE_{name.upper()}" for name in Settings.model_fields}
    found = {*os.environ, *dotenv_values(PROJECT / ".env")}
    return sorted(v for v in found if v.startswith("SEGUE_") and v not in known)


def env_example() -> str:
    """The text of `.env.example`: every setting with its description and default."""
    blocks = ["# Copy to .env and uncomment what differs; `segue doctor` checks it.\n"]
    for name, field in Settings.model_fields.items():
        described = textwrap.fill(
            str(field.description), 98, initial_indent="# ", subsequent_indent="# "
        )
        blocks.append(f"{described}\n#SEGUE_{name.upper()}={_shown(field.default)}\n")
    return "\n".join(blocks)


def _shown(default: object) -> str:
    if default is None:
        return ""
    if isinstance(default, bool):
        return str(default).lower()
    # The same text in every checkout.
    return str(default).replace(str(PROJECT), ".")
