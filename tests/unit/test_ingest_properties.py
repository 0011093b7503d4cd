"""What holds for any input: both paths agree, and nothing is lost, whatever is broken."""

import gzip
import itertools
import json
from typing import Any

import zstandard
from hypothesis import HealthCheck, given, settings, strategies as st

from segue.ingest import DecodedSlice, decode_slice
from segue.ingest.careful import decode_carefully
from segue.ingest.fast import decode_valid
from segue.ingest.tables import tables_of
from tests.unit.ingest_slices import playlist, slice_of, song

thorough = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])

numbers = st.integers(0, 2**31 - 1)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)

unread = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)


@st.composite
def songs(draw: st.DrawFn) -> dict[str, Any]:
    title = draw(st.sampled_from(["Waterloo", "Fernando", "Dancing", "S.O.S."]))
    drawn = song(title, draw(st.integers(0, 5)), duration_ms=draw(numbers))
    names = {"track_name": draw(texts), "album_name": draw(texts)}
    return {**drawn, **names, **draw(st.just({}) | st.fixed_dictionaries({"mood": unread}))}


@st.composite
def playlists(draw: st.DrawFn, pid: int) -> dict[str, Any]:
    fields = {
        "name": draw(texts),
        "description": draw(st.none() | texts),
        "modified_at": draw(st.integers(-(2**63), 2**63 - 1)),
        "num_edits": draw(st.none() | numbers),
        "duration_ms": draw(st.none() | numbers),
        "collaborative": draw(st.none() | st.sampled_from(["true", "false"])),
        "tracks": draw(st.lists(songs(), max_size=4)),
    }
    drawn = playlist(pid, **fields, **draw(st.just({}) | st.fixed_dictionaries({"owner": unread})))
    keys = draw(st.permutations(list(drawn)))
    return {key: drawn[key] for key in keys}


@st.composite
def good_slices(draw: st.DrawFn) -> bytes:
    pids = draw(st.lists(st.integers(0, 2**63 - 1), max_size=5, unique=True))
    document = {"info": draw(unread), "playlists": [draw(playlists(pid)) for pid in pids]}
    ascii_only, indent = draw(st.booleans()), draw(st.sampled_from([None, 4]))
    return json.dumps(document, ensure_ascii=ascii_only, indent=indent).encode()


@thorough
@given(good_slices())
def test_both_paths_make_the_same_of_a_good_slice(data: bytes) -> None:
    valid = decode_valid(data)
    careful = decode_carefully("a.json", data)
    assert careful.quarantined == []
    assert valid is not None
    assert tables_of(valid).playlists.equals(tables_of(careful.playlists).playlists)
    assert tables_of(valid).tracks.equals(tables_of(careful.playlists).tracks)


bad_values = st.sampled_from([None, -1, 1.5, "x", True, [], {}, 2**31, 2**63, 2**64, "\ud800", ...])


@thorough
@given(st.data())
def test_both_paths_agree_on_which_values_are_good(data: st.DataObject) -> None:
    drawn = data.draw(playlists(1))
    target = data.draw(st.sampled_from([drawn, *drawn["tracks"]]))
    key = data.draw(st.sampled_from(sorted(target)))
    value = data.draw(bad_values | st.just(target[key]))
    if value is ...:
        del target[key]
    else:
        target[key] = value
    text = slice_of(drawn)
    valid = decode_valid(text)
    careful = decode_carefully("a.json", text)
    if valid is not None:
        assert careful.quarantined == []
        assert tables_of(valid).playlists.equals(tables_of(careful.playlists).playlists)


WHOLE = slice_of(*(playlist(i, "Waterloo", "Fernando", "Dancing") for i in range(6)))
ORIGINALS = {row["pid"]: row for row in decode_slice("a.json", WHOLE).tables.playlists.to_pylist()}
ENDS = [WHOLE.index(f'"pid": {i + 1},'.encode()) if i < 5 else len(WHOLE) for i in range(6)]

interesting = st.sampled_from(list(b'{}[]":,\\\x00\xff 0-')) | st.integers(0, 255)
edits = st.one_of(
    st.tuples(
        st.just("flip"), st.integers(0, len(WHOLE) - 1), interesting.map(lambda b: bytes([b]))
    ),
    st.tuples(
        st.just("insert"), st.integers(0, len(WHOLE)), st.lists(interesting, max_size=9).map(bytes)
    ),
    st.tuples(st.just("delete"), st.integers(0, len(WHOLE)), st.integers(1, 400).map(bytes)),
    st.tuples(st.just("cut"), st.integers(0, len(WHOLE)), st.just(b"")),
    st.tuples(st.just("again"), st.integers(0, len(WHOLE)), st.just(WHOLE)),
)


def corrupt(data: bytes, edit: tuple[str, int, bytes]) -> bytes:
    kind, at, text = edit
    if kind == "cut":
        return data[:at]
    skip = {"flip": 1, "delete": len(text)}.get(kind, 0)
    return data[:at] + (b"" if kind == "delete" else text) + data[at + skip :]


def saved(decoded: DecodedSlice) -> dict[int, dict[str, Any]]:
    return {row["pid"]: row for row in decoded.tables.playlists.to_pylist()}


@settings(thorough, max_examples=500)
@given(st.lists(edits, min_size=1, max_size=3))
def test_whatever_is_broken_nothing_is_lost_and_nothing_before_it_suffers(
    changes: list[tuple[str, int, bytes]],
) -> None:
    data = WHOLE
    for edit in sorted(changes, key=lambda e: -e[1]):
        data = corrupt(data, edit)
    decoded = decode_slice("a.json", data)
    out = saved(decoded)
    assert decoded.playlists_in == len(out) + len(decoded.quarantined)
    # Of each byte between the brackets, one playlist or one record tells.
    covered = sorted((q.start, q.end) for q in decoded.quarantined)
    assert all(0 <= start <= end <= len(data) for start, end in covered)
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(covered))
    damage = min(at for _, at, _ in changes)
    first = WHOLE.index(b'"playlists"')
    if damage > first + 20:
        for pid in range(6):
            start = WHOLE.index(b"{", WHOLE.rindex(b"}", 0, WHOLE.index(f'"pid": {pid},'.encode())))
            end = WHOLE.find(b"},\n        {", start)
            if 0 < end < damage - 12 and not any(q.pid == pid for q in decoded.quarantined):
                assert out[pid] == ORIGINALS[pid]
    lost = set(ORIGINALS) - set(out)
    assert not lost or decoded.quarantined


@thorough
@given(edits, st.sampled_from(["json.gz", "json.zst"]))
def test_whatever_is_broken_in_a_compressed_file_nothing_raises(
    edit: tuple[str, int, bytes], kind: str
) -> None:
    blob = gzip.compress(WHOLE, mtime=0) if kind == "json.gz" else zstandard.compress(WHOLE)
    bad = corrupt(blob, (edit[0], edit[1] % len(blob), edit[2]))
    decoded = decode_slice(f"a.{kind}", bad)
    assert len(saved(decoded)) == 6 or decoded.quarantined


@thorough
@given(st.binary(max_size=200) | st.text('{}[]":,\\ "playlists"', max_size=200).map(str.encode))
def test_whatever_it_is_that_is_no_slice_nothing_raises(data: bytes) -> None:
    for prefix in (b"", b'{"playlists": ['):
        decoded = decode_slice("a.json", prefix + data)
        assert decoded.playlists_in == len(saved(decoded)) + len(decoded.quarantined)
