"""Which version of a playlist is kept when several files of one drop hold it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class PlaylistVersions:
    """The playlists that one file would give to the drop; a pid stands in it once."""

    file: str
    pids: NDArray[np.int64]
    modified_at: NDArray[np.int64]


def losers_across_files(versions: Sequence[PlaylistVersions]) -> dict[str, dict[int, str]]:
    """For each file that must give up playlists: their pids, each with the reason.

    The version with the latest `modified_at` is kept; of equal ones, that of the first file by
    name.
    """
    ordered = sorted(versions, key=lambda v: v.file)
    if not ordered:
        return {}
    pids = np.concatenate([v.pids for v in ordered])
    modified_at = np.concatenate([v.modified_at for v in ordered])
    files = np.repeat(np.arange(len(ordered)), [len(v.pids) for v in ordered])
    # Per pid the winner comes first: `~` turns the order of all 64-bit numbers around.
    order = np.lexsort((files, ~modified_at, pids))
    losers: dict[str, dict[int, str]] = {}
    winner = order[0] if len(order) else 0
    same_as_before = np.diff(pids[order], prepend=-1) == 0
    for place in order[_runs(same_as_before)]:
        pid = int(pids[place])
        if pid != pids[winner] or place == winner:
            winner = place
            continue
        losers.setdefault(ordered[files[place]].file, {})[pid] = (
            f"duplicate pid: {ordered[files[winner]].file}, "
            f"modified at {modified_at[winner]}, is kept"
        )
    return losers


def _runs(same_as_before: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Places that belong to a run of two or more equal values."""
    same_as_next = np.append(same_as_before[1:], False)[: len(same_as_before)]
    return np.flatnonzero(same_as_before | same_as_next)
