"""Partitions, their manifests, and the fenced commit."""

import json
import re
from dataclasses import asdict, dataclass, field
from typing import Any

from segue.errors import Fenced, SegueError
from segue.lake.store import Lake, name_of

MARKER = "_SUCCESS"
_TOKEN_IN_NAME = re.compile(r"-t(\d{6,})\.")


@dataclass(frozen=True)
class Manifest:
    """What the `_SUCCESS` marker of a partition holds."""

    files: list[str]
    """Names of the data files that count, below the partition."""
    token: int
    """The fencing token of the attempt that wrote them."""
    digest: str
    """Identifies what the partition was made from: the same inputs, the same digest."""
    rows: int
    facts: dict[str, Any] = field(default_factory=dict)
    """Counts and inputs that later tasks and people want to see."""

    def to_json(self) -> bytes:
        return json.dumps(asdict(self), indent=1, sort_keys=True).encode()

    @classmethod
    def from_json(cls, text: bytes) -> "Manifest":
        return cls(**json.loads(text))


@dataclass(frozen=True)
class Partition:
    """A folder of the lake that exists when its marker does, as `staging/playlists/dt=…`."""

    lake: Lake
    key: str

    def manifest(self) -> Manifest | None:
        """The committed manifest, or None if nothing has been committed."""
        try:
            return Manifest.from_json(self.lake.get(f"{self.key}/{MARKER}"))
        except FileNotFoundError:
            return None

    def paths(self) -> list[str]:
        """Paths, for `lake.fs`, of the committed data files; raises `SegueError`."""
        return [self.lake.path(f"{self.key}/{name}") for name in self.committed().files]

    def spark_urls(self) -> list[str]:
        """URLs, for Spark, of the committed data files; raises `SegueError`."""
        return [self.lake.spark_url(f"{self.key}/{name}") for name in self.committed().files]

    def committed(self) -> Manifest:
        """The committed manifest; raises `SegueError` if nothing has been committed."""
        manifest = self.manifest()
        if manifest is None:
            raise SegueError(
                f"{self.lake.url}/{self.key} is not there yet: run the task that writes it"
            )
        return manifest


def read_manifest(lake: Lake, key: str) -> Manifest | None:
    """The manifest committed at `key`, or None."""
    return Partition(lake, key).manifest()


def committed(lake: Lake, key: str) -> Manifest:
    """The manifest committed at `key`; raises `SegueError` if there is none."""
    return Partition(lake, key).committed()


def is_made(lake: Lake, key: str, digest: str) -> bool:
    """Whether what is committed at `key` was made from what `digest` identifies."""
    manifest = read_manifest(lake, key)
    return manifest is not None and manifest.digest == digest


@dataclass(frozen=True)
class Attempt:
    """One try at writing one or more partitions together, with a token higher than all before."""

    lake: Lake
    name: str
    token: int

    def file_name(self, stem: str, suffix: str) -> str:
        """The name of a data file of this attempt, as `part-00000-t000003.parquet`."""
        return f"{stem}-t{self.token:06d}.{suffix}"

    @property
    def work(self) -> str:
        """Key of the folder that is this attempt's own, hidden from readers."""
        return f"_attempts/{self.name}/{self.token:06d}.work"

    def overtaken(self) -> bool:
        """Whether a newer attempt has begun."""
        return _highest_token(self.lake, self.name) > self.token

    def commit(self, outputs: dict[str, Manifest]) -> None:
        """Makes this attempt's files the content of the partitions `outputs` names, in order.

        The files of the partition with key K must stand in `work`/K. Readers that go by the
        manifest see the old content or the new one. Raises `Fenced`, and changes nothing that
        readers see, when a newer attempt has begun or has committed meanwhile.
        """
        for key, manifest in outputs.items():
            self._commit_one(key, manifest)
        # This attempt's folder is empty now; those of older ones are what their kills left.
        for folder in self.lake.children(f"_attempts/{self.name}"):
            token, _, kind = name_of(folder).partition(".")
            if kind == "work" and int(token) <= self.token:
                self.lake.remove(folder)

    def _commit_one(self, key: str, manifest: Manifest) -> None:
        before = self._marker(key)
        self.refuse_if_overtaken()
        try:
            for name in manifest.files:
                self.lake.move(f"{self.work}/{key}/{name}", f"{key}/{name}")
            self._replace_marker(key, manifest, before)
        except (Fenced, FileNotFoundError):
            for name in manifest.files:
                self.lake.remove(f"{key}/{name}")
            # A newer attempt's commit removes the folders of older ones.
            self.refuse_if_overtaken()
            raise
        # Only what older attempts left: a newer one may be moving its files in at this moment.
        for stale in self.lake.children(key):
            token = _TOKEN_IN_NAME.search(name_of(stale))
            if token and int(token[1]) < self.token:
                self.lake.remove(stale)

    def mark(self, key: str, manifest: Manifest) -> None:
        """Replaces the marker of `key`, whose files are in place already.

        Raises `Fenced` as `commit` does.
        """
        before = self._marker(key)
        self.refuse_if_overtaken()
        self._replace_marker(key, manifest, before)

    def _marker(self, key: str) -> bytes | None:
        try:
            return self.lake.get(f"{key}/{MARKER}")
        except FileNotFoundError:
            return None

    def refuse_if_overtaken(self) -> None:
        """Raises `Fenced` when a newer attempt has begun; its commit removes this one's folder."""
        # The marker is read before this and replaced after it: an attempt that begins later than
        # this commits later than this too, and then the marker is no longer what was read.
        if self.overtaken():
            raise Fenced(f"{self.name}: attempt {self.token} was overtaken, nothing committed")

    def _replace_marker(self, key: str, manifest: Manifest, before: bytes | None) -> None:
        data = manifest.to_json()
        replaced = self.lake.replace_if(f"{key}/{MARKER}", data, before)
        # A PUT whose answer was lost is sent again, and then refused because of itself.
        if not replaced and self._marker(key) != data:
            raise Fenced(f"{self.name}: another attempt committed {key} meanwhile")


def begin(lake: Lake, name: str) -> Attempt:
    """Begins a new attempt at the output called `name`, fencing off all older ones.

    `Attempt.token` is 1 for the first and grows by one. Data files take their names from
    `Attempt.file_name`, so that no two attempts ever write the same one.
    """
    while True:
        token = _highest_token(lake, name) + 1
        if lake.create(f"_attempts/{name}/{token:06d}.begun", b""):
            return Attempt(lake, name, token)


def _highest_token(lake: Lake, name: str) -> int:
    begun = [name_of(k) for k in lake.children(f"_attempts/{name}")]
    return max((int(k.split(".")[0]) for k in begun if k.endswith(".begun")), default=0)
