"""Decompressing a slice, as far as it goes."""

import zlib
from dataclasses import dataclass

import zstandard

PIECE = 1024
"""Compressed bytes fed at a time to a damaged stream: what one bad piece can cost."""

_GZIP = 31  # zlib's code for a gzip header and checksum
_GZIP_MAGIC = b"\x1f\x8b"


@dataclass(frozen=True)
class Decompressed:
    """The bytes of a file, and what was wrong with its compression, if anything."""

    data: bytes
    damage: str | None = None


def decompress(name: str, blob: bytes) -> Decompressed:
    """The content of the file `name`, by its ending: `.json`, `.json.gz` or `.json.zst`.

    A damaged or truncated stream gives the bytes before the damage, and says so.
    """
    if name.endswith(".json"):
        return Decompressed(blob)
    if not name.endswith((".json.gz", ".json.zst")):
        return Decompressed(b"", "the name does not end with .json, .json.gz or .json.zst")
    if not blob:
        return Decompressed(b"")
    return _gunzip(blob) if name.endswith(".gz") else _unzstd(blob)


def _gunzip(blob: bytes) -> Decompressed:
    parts: list[bytes] = []
    while blob:
        stream = zlib.decompressobj(_GZIP)
        try:
            parts.append(stream.decompress(blob))
        except zlib.error as error:
            parts.extend(_gunzip_in_pieces(blob))
            return Decompressed(b"".join(parts), f"damaged gzip stream: {error}")
        if not stream.eof:
            parts.append(stream.flush())
            return Decompressed(b"".join(parts), "the gzip stream is cut off")
        # Padding with zeros is allowed after a stream, another stream too.
        blob = stream.unused_data.lstrip(b"\0")
        if blob and not blob.startswith(_GZIP_MAGIC):
            return Decompressed(b"".join(parts), f"{len(blob)} bytes follow the gzip stream")
    return Decompressed(b"".join(parts) if len(parts) != 1 else parts[0])


def _gunzip_in_pieces(blob: bytes) -> list[bytes]:
    stream = zlib.decompressobj(_GZIP)
    parts: list[bytes] = []
    for at in range(0, len(blob), PIECE):
        before = stream.copy()
        piece = blob[at : at + PIECE]
        try:
            parts.append(stream.decompress(piece))
        except zlib.error:
            for byte in range(len(piece)):
                try:
                    parts.append(before.decompress(piece[byte : byte + 1]))
                except zlib.error:
                    return parts
    return parts


def _unzstd(blob: bytes) -> Decompressed:
    parts: list[bytes] = []
    try:
        while blob:
            stream = zstandard.ZstdDecompressor().decompressobj()
            parts.append(stream.decompress(blob))
            if not stream.eof:
                # The decoder holds back what it has of an unfinished block: nothing to flush.
                return Decompressed(b"".join(parts), "the zstd stream is cut off")
            blob = stream.unused_data
    except zstandard.ZstdError as error:
        parts.extend(_unzstd_in_pieces(blob))
        return Decompressed(b"".join(parts), f"damaged zstd stream: {error}")
    return Decompressed(b"".join(parts) if len(parts) != 1 else parts[0])


def _unzstd_in_pieces(blob: bytes) -> list[bytes]:
    stream = zstandard.ZstdDecompressor().decompressobj()
    parts: list[bytes] = []
    try:
        for at in range(0, len(blob), PIECE):
            parts.append(stream.decompress(blob[at : at + PIECE]))
    except zstandard.ZstdError:
        pass  # What came before the damage is the result.
    return parts
