"""Reading and writing objects by key below one root, the same on a disk and on S3."""

import fcntl
import hashlib
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

import fsspec
from fsspec.implementations.local import LocalFileSystem

from segue.errors import SettingError

CHUNK = 8 << 20


class Lake:
    """An object store rooted at `url`; keys are relative, with forward slashes.

    Credentials of `s3://` come from the environment (`AWS_*`), as s3fs and boto read them.
    """

    def __init__(self, url: str) -> None:
        if not url.startswith(("file:///", "s3://")):
            raise SettingError(f"SEGUE_LAKE: {url!r} is neither file:///… nor s3://…")
        self.url = url.rstrip("/")
        # A listing must show what another process has just written.
        self.fs: fsspec.AbstractFileSystem
        self.fs, path = fsspec.url_to_fs(
            self.url, use_listings_cache=False, skip_instance_cache=True
        )
        self.root = str(path).rstrip("/")
        self.local = isinstance(self.fs, LocalFileSystem)

    def path(self, key: str) -> str:
        """The path of `key` for `self.fs`."""
        return f"{self.root}/{key}" if key else self.root

    def spark_url(self, key: str) -> str:
        """The URL of `key` for Spark and Hadoop."""
        url = f"{self.url}/{key}" if key else self.url
        return "s3a://" + url.removeprefix("s3://") if url.startswith("s3://") else url

    def exists(self, key: str) -> bool:
        """Whether there is an object at `key`."""
        return bool(self.fs.isfile(self.path(key)))

    def children(self, key: str) -> list[str]:
        """Keys of the objects and folders right below `key`, sorted; empty if there are none."""
        try:
            entries = self.fs.ls(self.path(key), detail=False)
        except FileNotFoundError:
            return []
        keys = {str(e).rstrip("/")[len(self.root) + 1 :] for e in entries}
        return sorted(keys - {key.rstrip("/")})

    def walk(self, key: str) -> list[str]:
        """Keys of all objects below `key`, at any depth, sorted."""
        return sorted(str(e)[len(self.root) + 1 :] for e in self.fs.find(self.path(key)))

    def size(self, key: str) -> int:
        """Bytes of the object at `key`; raises `FileNotFoundError`."""
        return int(self.fs.size(self.path(key)))

    def open(self, key: str) -> IO[bytes]:
        """The object at `key`, opened for reading; raises `FileNotFoundError`."""
        return cast("IO[bytes]", self.fs.open(self.path(key), "rb"))

    def get(self, key: str) -> bytes:
        """The bytes at `key`; raises `FileNotFoundError`."""
        return cast("bytes", self.fs.cat_file(self.path(key)))

    def put(self, key: str, data: bytes) -> None:
        """Writes `data` at `key`, whole or not at all."""
        with self.writer(key) as out:
            out.write(data)

    @contextmanager
    def writer(self, key: str) -> Iterator[IO[bytes]]:
        """A file that appears at `key`, whole, when the block ends without an exception."""
        if not self.local:
            out = self.fs.open(self.path(key), "wb", autocommit=False)
            try:
                yield out
                out.close()
            except BaseException:
                out.discard()
                # Or its finaliser would flush what was just discarded.
                out.closed = True
                raise
            out.commit()
            return
        target = Path(self.path(key))
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f"_{target.name}.{uuid.uuid4().hex}.part")
        try:
            with part.open("wb") as out:
                yield out
                out.flush()
                os.fsync(out.fileno())
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)

    def create(self, key: str, data: bytes) -> bool:
        """Writes `data` at `key` unless something is there already; tells whether it did."""
        path = self.path(key)
        try:
            if self.local:
                part = f"{key}.{uuid.uuid4().hex}.part"
                self.put(part, data)
                try:
                    # A link appears whole, and never over something that is there.
                    os.link(self.path(part), path)
                finally:
                    self.remove(part)
            else:
                self.fs.pipe_file(path, data, mode="create")
        except FileExistsError:
            return False
        except OSError as error:
            if "PreconditionFailed" in str(error) or "pre-conditions" in str(error):
                return False
            raise
        return True

    def replace_if(self, key: str, data: bytes, expected: bytes | None) -> bool:
        """Writes `data` at `key` if it still holds `expected` (None: nothing); tells whether."""
        if expected is None:
            return self.create(key, data)
        if self.local:
            target = Path(self.path(key))
            with (target.parent / f"_{target.name}.lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if not target.exists() or target.read_bytes() != expected:
                    return False
                self.put(key, data)
                return True
        etag = hashlib.md5(expected, usedforsecurity=False).hexdigest()
        try:
            self.fs.pipe_file(self.path(key), data, IfMatch=f'"{etag}"')
        except OSError as error:
            if "PreconditionFailed" in str(error) or "pre-conditions" in str(error):
                return False
            raise
        return True

    def move(self, source: str, target: str) -> None:
        """Moves an object; on S3 a copy and a removal. Doing it again is harmless."""
        if self.local:
            Path(self.path(target)).parent.mkdir(parents=True, exist_ok=True)
            Path(self.path(source)).replace(self.path(target))
        else:
            self.fs.mv(self.path(source), self.path(target))

    def copy(self, source: str, target: str) -> None:
        """Copies an object; on a disk a second name for it, which objects never changed allow.

        Raises `FileNotFoundError` when there is nothing at `source`.
        """
        if self.local:
            Path(self.path(target)).parent.mkdir(parents=True, exist_ok=True)
            os.link(self.path(source), self.path(target))
        else:
            self.fs.copy(self.path(source), self.path(target))

    def remove(self, key: str) -> None:
        """Removes the object or folder at `key`, if there is one."""
        try:
            self.fs.rm(self.path(key), recursive=True)
        except FileNotFoundError:
            return

    def sha256(self, key: str) -> str:
        """The SHA-256 of the object at `key`, in hex."""
        digest = hashlib.sha256()
        with self.open(key) as source:
            while chunk := source.read(CHUNK):
                digest.update(chunk)
        return digest.hexdigest()

    def arrow(self) -> Any:
        """This store as a `pyarrow.fs` file system, with `root` still to be put before keys."""
        from pyarrow.fs import FSSpecHandler, LocalFileSystem as ArrowLocal, PyFileSystem

        return ArrowLocal() if self.local else PyFileSystem(FSSpecHandler(self.fs))


def name_of(key: str) -> str:
    """The last part of a key."""
    return PurePosixPath(key).name
