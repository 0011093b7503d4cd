"""What a file becomes: the tables of a good one, and what each kind of bad input gets."""

import gzip
import json
import time
from typing import Any

import pytest
import zstandard

from segue import schemas
from segue.ingest import DecodedSlice, decode_slice
from segue.ingest.careful import decode_carefully
from segue.ingest.fast import decode_valid
from segue.ingest.limits import NAME_LENGTH
from segue.ingest.quarantine import RAW_LIMIT
from tests.unit.ingest_slices import playlist, slice_of, song

WATERLOO = song("Waterloo")["track_uri"]
FERNANDO = song("Fernando")["track_uri"]


def decode(data: bytes, name: str = "mpd.slice.0-999.json") -> DecodedSlice:
    decoded = decode_slice(name, data)
    assert decoded.tables.playlists.schema == schemas.PLAYLISTS
    assert decoded.tables.tracks.schema == schemas.TRACKS
    return decoded


def pids(decoded: DecodedSlice) -> list[int]:
    return decoded.tables.playlists.column("pid").to_pylist()


def only_refusal(decoded: DecodedSlice) -> tuple[str, int | None, str]:
    assert len(decoded.quarantined) == 1
    record = decoded.quarantined[0]
    return record.path, record.pid, record.reason


# Good input.


def test_a_playlist_becomes_a_row_with_its_songs_in_order() -> None:
    decoded = decode(slice_of(playlist(7, "Waterloo", "Fernando", description="Swedish")))
    assert decoded.tables.playlists.to_pylist() == [
        {
            "pid": 7,
            "name": "Playlist 7",
            "description": "Swedish",
            "collaborative": False,
            "modified_at": 1_500_000_000,
            "num_tracks": 2,
            "num_albums": 1,
            "num_artists": 1,
            "num_followers": 1,
            "num_edits": 1,
            "duration_ms": 0,
            "track_uris": [WATERLOO, FERNANDO],
        }
    ]
    assert decoded.quarantined == []
    assert decoded.playlists_in == 1


def test_a_song_becomes_one_row_that_counts_its_playlists_and_entries() -> None:
    decoded = decode(
        slice_of(playlist(1, "Waterloo", "Fernando", "Waterloo"), playlist(2, "Waterloo"))
    )
    rows = {r["track_uri"]: r for r in decoded.tables.tracks.to_pylist()}
    assert (rows[WATERLOO]["num_playlists"], rows[WATERLOO]["num_entries"]) == (2, 3)
    assert (rows[FERNANDO]["num_playlists"], rows[FERNANDO]["num_entries"]) == (1, 1)
    assert rows[WATERLOO]["track_name"] == "Waterloo"
    assert rows[WATERLOO]["artist_name"] == "Artist of Waterloo"
    assert decoded.tables.entries == 4


def test_a_songs_names_come_from_its_first_entry_in_the_file() -> None:
    first = playlist(1, tracks=[song("Waterloo", track_name="Waterloo (Live)")])
    decoded = decode(slice_of(first, playlist(2, "Waterloo")))
    assert decoded.tables.tracks.column("track_name").to_pylist() == ["Waterloo (Live)"]


@pytest.mark.parametrize("careful", [False, True])
def test_positions_decide_the_order_and_ties_keep_the_order_of_the_file(careful: bool) -> None:
    tracks = [song("c", 2), song("a", 0), song("b", 1), song("b2", 1)]
    decoded = decode(slice_of(playlist(1, tracks=tracks), *([5] if careful else [])))
    expected = [song(t)["track_uri"] for t in ("a", "b", "b2", "c")]
    assert decoded.tables.playlists.column("track_uris").to_pylist() == [expected]
    assert len(decoded.quarantined) == careful


@pytest.mark.parametrize("flag", ["true", True])
def test_collaborative_comes_as_text_or_as_a_bool(flag: str | bool) -> None:
    data = slice_of(playlist(1, collaborative=flag))
    assert decode_valid(data) is not None
    assert decode(data).tables.playlists.column("collaborative").to_pylist() == [True]


def test_optional_fields_may_be_missing_or_null_and_others_are_ignored() -> None:
    bare = {"pid": 1, "name": "", "modified_at": -1_194_998_400, "tracks": []}
    odd = playlist(2, description=None, num_edits=None, owner={"name": "me", "tags": [1, {}]})
    decoded = decode(slice_of(bare, odd))
    assert pids(decoded) == [1, 2]
    assert decoded.quarantined == []
    row = decoded.tables.playlists.to_pylist()[0]
    assert row["collaborative"] is row["num_albums"] is row["duration_ms"] is None
    assert (row["modified_at"], row["num_tracks"], row["track_uris"]) == (-1_194_998_400, 0, [])


def test_a_drop_without_playlists_is_good() -> None:
    decoded = decode(slice_of())
    assert (pids(decoded), decoded.quarantined, decoded.unreadable) == ([], [], False)


@pytest.mark.parametrize("indent", [None, 4])
@pytest.mark.parametrize("kind", [".json", ".json.gz", ".json.zst"])
def test_every_compression_gives_the_same(kind: str, indent: int | None) -> None:
    data = slice_of(playlist(1, "Waterloo"), playlist(2), indent=indent)
    assert pids(decode(compress(data, kind), f"slice{kind}")) == [1, 2]


def test_a_gzip_file_may_have_several_members_and_padding() -> None:
    data = slice_of(playlist(1))
    blob = gzip.compress(data[:50]) + gzip.compress(data[50:]) + b"\0" * 100
    decoded = decode(blob, "slice.json.gz")
    assert (pids(decoded), decoded.quarantined) == ([1], [])


def test_a_byte_order_mark_is_let_pass() -> None:
    assert pids(decode(b"\xef\xbb\xbf" + slice_of(playlist(1)))) == [1]
    broken = decode(b"\xef\xbb\xbf" + slice_of(playlist(1), None))
    assert (pids(broken), len(broken.quarantined)) == ([1], 1)


# A bad playlist is named, and the others go through.

BAD_FIELDS: dict[str, tuple[dict[str, Any], str, int | None, str]] = {
    "a missing pid": ({"pid": ...}, "", None, "missing required field `pid`"),
    "a null pid": ({"pid": None}, ".pid", None, "got `null`"),
    "a negative pid": ({"pid": -1}, ".pid", None, ">= 0"),
    "a pid as text": ({"pid": "1"}, ".pid", None, "got `str`"),
    "a missing name": ({"name": ...}, "", 1, "missing required field `name`"),
    "missing tracks": ({"tracks": ...}, "", 1, "missing required field `tracks`"),
    "null tracks": ({"tracks": None}, ".tracks", 1, "got `null`"),
    "a track that is null": ({"tracks": [None]}, ".tracks[0]", 1, "got `null`"),
    "a track with a wrong type": (
        {"tracks": [song("a"), song("b", 1, duration_ms="long")]},
        ".tracks[1].duration_ms",
        1,
        "got `str`",
    ),
    "a number with a fraction": (
        {"tracks": [song("a", duration_ms=1.5)]},
        ".tracks[0].duration_ms",
        1,
        "got `float`",
    ),
    "a negative position": ({"tracks": [song("a", -1)]}, ".tracks[0].pos", 1, ">= 0"),
    "a missing position": (
        {"tracks": [{k: v for k, v in song("a").items() if k != "pos"}]},
        ".tracks[0]",
        1,
        "missing required field `pos`",
    ),
    "a negative duration": (
        {"tracks": [song("a", duration_ms=-1)]},
        ".tracks[0].duration_ms",
        1,
        ">= 0",
    ),
    "an invalid track URI": (
        {"tracks": [song("a", track_uri="spotify:track:short")]},
        ".tracks[0].track_uri",
        1,
        "regex",
    ),
    "a track URI with a line end": (
        {"tracks": [song("a", track_uri=WATERLOO + "\n")]},
        ".tracks[0].track_uri",
        1,
        "regex",
    ),
    "an artist's URI for a track": (
        {"tracks": [song("a", track_uri="spotify:artist:" + "a" * 21)]},
        ".tracks[0].track_uri",
        1,
        "regex",
    ),
    "an invalid artist URI": (
        {"tracks": [song("a", artist_uri="spotify:artist:" + "!" * 22)]},
        ".tracks[0].artist_uri",
        1,
        "regex",
    ),
    "an invalid album URI": (
        {"tracks": [song("a", album_uri="")]},
        ".tracks[0].album_uri",
        1,
        "regex",
    ),
    "NaN": ({"tracks": [song("a", duration_ms=float("nan"))]}, ".tracks[0].duration_ms", 1, "NaN"),
    "infinity": ({"num_edits": float("inf")}, ".num_edits", 1, "Infinity"),
    "NaN in a field that is not read": ({"mood": float("nan")}, "", 1, "NaN"),
    "a long name": ({"name": "é" * (NAME_LENGTH + 1)}, ".name", 1, "length <= 10000"),
    "a count beyond 32 bits": ({"num_followers": 2**31}, ".num_followers", 1, "<= 2147483647"),
    "a number beyond 64 bits": (
        {"modified_at": 2**63},
        ".modified_at",
        1,
        "<= 9223372036854775807",
    ),
    "a lone surrogate": ({"name": "\ud800"}, ".name", 1, "surrogate"),
    "a flag that is neither true nor false": ({"collaborative": "maybe"}, ".collaborative", 1, ""),
}


@pytest.mark.parametrize("what", BAD_FIELDS)
def test_a_bad_playlist_is_quarantined_with_its_path_and_the_others_go_through(what: str) -> None:
    fields, path, pid, reason = BAD_FIELDS[what]
    bad = {k: v for k, v in playlist(1, "Waterloo", **fields).items() if v is not ...}
    data = slice_of(playlist(0, "Waterloo"), bad, playlist(2, "Fernando"))
    decoded = decode(data)
    assert pids(decoded) == [0, 2]
    record = decoded.quarantined[0]
    assert (record.path, record.pid) == (f"$.playlists[1]{path}", pid)
    assert reason in record.reason
    assert len(decoded.quarantined) == 1
    assert record.file == "mpd.slice.0-999.json"
    assert data[record.start : record.end].decode() == record.raw
    assert record.raw.startswith("{")
    assert record.raw.endswith("}")


def test_invalid_utf8_is_quarantined_with_its_bytes() -> None:
    bad = slice_of(playlist(0), playlist(1, "Caf?"), playlist(2)).replace(b"Caf?", b"Caf\xe9", 1)
    decoded = decode(bad)
    assert pids(decoded) == [0, 2]
    record = decoded.quarantined[0]
    assert record.path == "$.playlists[1].tracks[0].artist_name"
    assert "invalid UTF-8" in record.reason
    line = record.to_json()
    assert r"Caf\udce9" in line
    raw = json.loads(line)["raw"]
    assert raw.encode("utf-8", "surrogateescape") == bad[record.start : record.end]


@pytest.mark.parametrize(("field", "path"), [('"pid": 1', ".pid"), ('"pos": 0', ".tracks[0].pos")])
def test_a_duplicate_key_is_quarantined(field: str, path: str) -> None:
    text = slice_of(playlist(0), playlist(1, "Waterloo")).decode()
    head, _, tail = text.rpartition(field)
    decoded = decode(f"{head}{field}, {field}{tail}".encode())
    assert pids(decoded) == [0]
    assert only_refusal(decoded)[0] == f"$.playlists[1]{path}"


@pytest.mark.parametrize("stranger", [None, 5, "text", True, [], [1, 2]])
def test_something_else_than_an_object_is_quarantined(stranger: object) -> None:
    decoded = decode(slice_of(playlist(0), stranger, playlist(2)))
    assert pids(decoded) == [0, 2]
    assert only_refusal(decoded) == ("$.playlists[1]", None, "expected an object")


def test_of_a_duplicate_pid_in_a_file_the_latest_is_kept() -> None:
    old, new = playlist(1, "Waterloo"), playlist(1, "Fernando", modified_at=1_600_000_000)
    for versions, kept in (((old, new), 1), ((new, old), 0)):
        decoded = decode(slice_of(playlist(0), *versions))
        assert decoded.tables.playlists.column("track_uris").to_pylist() == [[], [FERNANDO]]
        path, pid, reason = only_refusal(decoded)
        assert (path, pid) == (f"$.playlists[{2 - kept}].pid", 1)
        assert f"$.playlists[{kept + 1}] of this file" in reason
        # The songs of the other one are not counted.
        assert decoded.tables.tracks.num_rows == 1


def test_of_equal_duplicates_the_first_is_kept() -> None:
    decoded = decode(slice_of(playlist(1, "Waterloo"), playlist(1, "Fernando")))
    assert decoded.tables.playlists.column("track_uris").to_pylist() == [[WATERLOO]]


def test_an_excluded_playlist_is_quarantined_with_the_reason() -> None:
    data = slice_of(playlist(0), playlist(1, "Waterloo"))
    decoded = decode_slice("a.json", data, {1: "b.json has a later one"})
    assert pids(decoded) == [0]
    assert only_refusal(decoded) == ("$.playlists[1].pid", 1, "b.json has a later one")


def test_a_100_mb_playlist_name_is_quarantined_in_little_time() -> None:
    huge = playlist(1, name="x" * 100_000_000)
    started = time.process_time()
    decoded = decode(slice_of(playlist(0), huge, playlist(2)))
    assert time.process_time() - started < 20
    assert pids(decoded) == [0, 2]
    record = decoded.quarantined[0]
    assert (record.path, record.raw_truncated) == ("$.playlists[1].name", True)
    assert len(record.raw) == RAW_LIMIT
    assert record.end - record.start > 100_000_000


# Damage to the text itself.


def test_a_truncated_slice_keeps_the_playlists_before_the_cut() -> None:
    data = slice_of(*(playlist(i, "Waterloo") for i in range(5)))
    cut = data.index(b'"pid": 3') + 100
    decoded = decode(data[:cut])
    assert pids(decoded) == [0, 1, 2]
    path, pid, reason = only_refusal(decoded)
    assert (path, pid, reason) == ("$.playlists[3]", 3, "the file ends inside this playlist")
    assert decoded.quarantined[0].end == cut


def test_a_file_that_ends_between_playlists_is_told_of() -> None:
    data = slice_of(playlist(0), playlist(1))
    for end, reason in (("]", "inside the playlists"), ("}", "before its document does")):
        cut = data.rindex(end.encode())
        decoded = decode(data[:cut])
        assert pids(decoded) == [0, 1]
        path, _, why = only_refusal(decoded)
        assert path == "$"
        assert reason in why


@pytest.mark.parametrize("kind", [".json.gz", ".json.zst"])
def test_a_truncated_compressed_slice_keeps_what_can_be_decompressed(kind: str) -> None:
    noise = [f"{i:x}" * 3 for i in range(3)]
    data = slice_of(
        *(playlist(i, *(f"{i} {j} {n}" for j in range(300) for n in noise)) for i in range(40))
    )
    blob = compress(data, kind)
    decoded = decode(blob[: len(blob) * 3 // 4], f"slice{kind}")
    assert 0 < len(pids(decoded)) < 40
    assert pids(decoded) == list(range(len(pids(decoded))))
    path, _, reason = only_refusal(decoded)
    assert path == f"$.playlists[{len(pids(decoded))}]"
    assert "stream is cut off" in reason


def test_a_bad_checksum_is_told_of_and_the_playlists_go_through() -> None:
    blob = bytearray(gzip.compress(slice_of(playlist(0), playlist(1))))
    blob[-6] ^= 1
    decoded = decode(bytes(blob), "slice.json.gz")
    assert pids(decoded) == [0, 1]
    assert only_refusal(decoded)[2].startswith("damaged gzip stream")


DAMAGES = {
    "a quote is missing": ('"pid": 2', 'pid": 2'),
    "a quote too many": ('"pid": 2', '""pid": 2'),
    "the brace of a song is missing": ('"album_name": "second"', '"album_name": "second", {'),
    "a brace too many": ('"album_name": "second"', '"album_name": "second"}'),
    "a bracket too many": ('"album_name": "second"', '"album_name": "second"]'),
    "the playlist is closed too early": ('"album_name": "second"', '"album_name": "second"}]}'),
    "garbage": ('"pid": 2', "@@@ \x00 @@@"),
    "a brace in garbage": ('"pid": 2', "}{ }}"),
    "a colon is missing": ('"pid": 2', '"pid" 2'),
    "a comma too many": ('"pid": 2', '"pid": 2,'),
    "an unknown escape": ('"pid": 2', r'"mood": "\x", "pid": 2'),
    "a line end in text": ('"pid": 2', '"mood": "\n", "pid": 2'),
}


@pytest.mark.parametrize("what", DAMAGES)
@pytest.mark.parametrize("indent", [None, 4])
def test_damage_in_a_playlist_does_not_reach_the_others(what: str, indent: int | None) -> None:
    old, new = DAMAGES[what]
    damaged = playlist(2, tracks=[song("a", 0), song("b", 1, album_name="second"), song("c", 2)])
    text = slice_of(
        *(playlist(i, "x", "y") for i in range(2)),
        damaged,
        *(playlist(i, "x", "y") for i in range(3, 6)),
        indent=indent,
    ).decode()
    assert text.count(old) == 1
    data = text.replace(old, new).encode()
    decoded = decode(data)
    assert pids(decoded) == [0, 1, 3, 4, 5]
    assert only_refusal(decoded)[0] == "$.playlists[2]"
    assert b'"second"' in data[decoded.quarantined[0].start : decoded.quarantined[0].end]


@pytest.mark.parametrize("missing", ["}", "]}", "]", '"'])
def test_a_playlist_that_does_not_end_does_not_swallow_the_next(missing: str) -> None:
    parts = [json.dumps(playlist(i, "Waterloo")) for i in range(4)]
    parts[1] = (
        parts[1].removesuffix("]}") + "]}".replace(missing, "")
        if missing != '"'
        else (parts[1].replace('"Waterloo"', '"Waterloo'))
    )
    decoded = decode(('{"playlists": [' + ", ".join(parts) + "]}").encode())
    assert pids(decoded) == [0, 2, 3]
    assert only_refusal(decoded)[0] == "$.playlists[1]"


def test_an_object_that_looks_like_a_playlist_inside_a_good_one_stays_there() -> None:
    owner = [{"name": "me", "pid": 9, "modified_at": 1, "tracks": []}]
    decoded = decode(slice_of(playlist(0, owners=owner), None, {"owners": owner, **playlist(1)}))
    assert pids(decoded) == [0, 1]
    assert only_refusal(decoded)[0] == "$.playlists[1]"


def test_two_documents_in_a_file_are_the_first_and_the_playlists_after_its_end() -> None:
    first = slice_of(playlist(0), playlist(1))
    decoded = decode(first + b"\n" + slice_of(playlist(2), playlist(3), playlist(4)))
    assert pids(decoded) == [0, 1]
    assert [(q.path, q.pid) for q in decoded.quarantined] == [("$", 2), ("$", 3), ("$", 4)]
    assert {q.reason for q in decoded.quarantined} == {"after the end of the document"}
    assert decoded.quarantined[0].start == len(first) + 1


def test_a_second_array_of_playlists_is_quarantined_playlist_by_playlist() -> None:
    text = slice_of(playlist(0), indent=None).decode().removesuffix("}")
    more = json.dumps([playlist(1), playlist(2)])
    decoded = decode(f'{text}, "playlists": {more}}}'.encode())
    assert pids(decoded) == [0]
    assert [(q.path, q.pid) for q in decoded.quarantined] == [
        ("$.playlists[0]", 1),
        ("$.playlists[1]", 2),
    ]


def test_damage_before_the_playlists_is_quarantined_and_they_go_through() -> None:
    decoded = decode(slice_of(playlist(0), playlist(1)).replace(b'"info"', b'"info', 1))
    assert pids(decoded) == [0, 1]
    assert only_refusal(decoded)[::2] == ("$", "not JSON before the playlists")


def test_damage_after_the_playlists_is_quarantined_and_they_go_through() -> None:
    decoded = decode(slice_of(playlist(0), playlist(1)).rstrip(b"}") + b', "end": oops}')
    assert pids(decoded) == [0, 1]
    assert only_refusal(decoded)[::2] == ("$", "not JSON after the playlists")


# Files of which nothing can be read.

UNREADABLE = {
    "empty": ("a.json", b"", "the file is empty"),
    "white space": ("a.json", b" \n", "the file is empty"),
    "not JSON": ("a.json", b"<html>502 Bad Gateway</html>", "not a JSON document"),
    "no playlists": ("a.json", b'{"info": {}}', "there is no `playlists`"),
    "null playlists": ("a.json", b'{"playlists": null}', "`playlists` is not an array"),
    "an array": ("a.json", b"[]", "not a JSON document"),
    "a truncated header": ("a.json", b'{"info": {"slice', "not a JSON document"),
    "UTF-16": ("a.json", slice_of(playlist(1)).decode().encode("utf-16"), "not a JSON document"),
    "an empty gzip file": ("a.json.gz", b"", "the file is empty"),
    "not gzip": ("a.json.gz", b"hello", "damaged gzip stream"),
    "not zstd": ("a.json.zst", b"hello", "damaged zstd stream"),
    "another kind of file": ("a.csv", b"pid,name", "the name does not end with"),
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_a_file_of_which_nothing_can_be_read_is_one_record(what: str) -> None:
    name, data, reason = UNREADABLE[what]
    decoded = decode(data, name)
    assert pids(decoded) == []
    assert decoded.unreadable
    path, _, why = only_refusal(decoded)
    assert path == "$"
    assert reason in why
    assert decoded.quarantined[0].end == decoded.size


def test_a_quarantine_line_has_the_declared_keys() -> None:
    record = decode(b"oops").quarantined[0]
    line = json.loads(record.to_json())
    assert tuple(line) == schemas.QUARANTINE_FIELDS
    assert line == {
        "file": "mpd.slice.0-999.json",
        "bytes": [0, 4],
        "path": "$",
        "pid": None,
        "reason": "not a JSON document with `playlists`",
        "raw": "oops",
        "raw_truncated": False,
    }


# The two paths.


@pytest.mark.parametrize(
    "data",
    [
        slice_of(playlist(1, "a"), playlist(1, "a")),
        slice_of(playlist(1)) * 2,
        slice_of(playlist(1, mood=float("nan"))),
        b'{"info": {}}',
    ],
)
def test_the_fast_path_refuses_what_pyarrow_lets_pass(data: bytes) -> None:
    assert decode_valid(data) is None


@pytest.mark.parametrize(
    "evil",
    [
        b'{"name":' * 200_000,
        b'{"name": "' * 200_000,
        b'{"playlists": [' + b'{"name":' * 200_000,
        b'{"playlists": [' + b'{"name": "x' * 200_000,
        b'{"playlists": [' + b'{"name": 1}' * 100_000,
        b'{"playlists": [' + b'{"name": [{"x":1' * 100_000 + b"]}" * 100_000,
        b'{"playlists": [' + b'{"x": "' * 200_000,
        b'{"playlists": [' + b"]" * 500_000,
        b'{"playlists": [' + b'"' * 500_000,
        b'{"playlists": [' + b"[" * 500_000,
        b'{"playlists": [' + b"{" * 500_000,
        b'{"playlists": [' + b"\\" * 500_000,
        b'{"playlists": []' + b', "a": 1' * 100_000 + b"x",
        b'{"playlists": [' + b'{"pos": 1}, ' * 100_000 + b"]}",
        b'{"playlists": [' + b'{"pos": 1}, 5, ' * 50_000 + b"]}",
    ],
    ids=lambda data: data[:30].decode(),
)
def test_the_careful_path_takes_linear_time_whatever_it_reads(evil: bytes) -> None:
    started = time.process_time()
    decode_carefully("a.json", evil)
    assert time.process_time() - started < 10


def compress(data: bytes, kind: str) -> bytes:
    if kind == ".json.gz":
        return gzip.compress(data)
    return zstandard.compress(data) if kind == ".json.zst" else data
