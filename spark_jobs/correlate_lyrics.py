"""Asks whether people build playlists on lyrical themes, and writes a report.

Reads corpus/<version>, models/word2vec/<version>/songs and models/lyrics/<version>, writes
exports/<version>/lyrics_correlation.
"""

import hashlib
import json
from argparse import ArgumentParser

from pyspark.sql import SparkSession

from segue import job
from segue.embeddings import lyrics, word2vec
from segue.embeddings.arrays import SONGS, vectors_key
from segue.evaluation.findings import Findings, conclude, headline
from segue.evaluation.lyrics_report import files
from segue.evaluation.songs import KINDS, read_songs
from segue.evaluation.study import Study, prepare
from segue.lake import Lake, Manifest, begin, committed, is_made

BOOTSTRAPS, PERMUTATIONS = 199, 499
FORMAT = 1
"""Raised when the same data would give another report."""


def arg_parser() -> ArgumentParser:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--lake", required=True, help="root of the object store")
    parser.add_argument("--version", required=True, help="version of the corpus")
    parser.add_argument("--pairs", type=int, default=1_000_000, help="random pairs of songs")
    parser.add_argument("--seed", type=int, default=42, help="the same seed, the same report")
    return parser


def report_key(version: str) -> str:
    """The partition that holds the report."""
    return f"exports/{version}/lyrics_correlation"


def digest(lake: Lake, version: str, pairs: int, seed: int) -> str:
    """Identifies what the report is made from."""
    keys = [f"corpus/{version}/{table}" for table in ("tracks", "playlists", "lyrics")]
    keys.append(vectors_key(word2vec.MODEL, version, SONGS))
    keys += [vectors_key(lyrics.MODEL, version, what) for what in KINDS.values()]
    inputs = [committed(lake, key).digest for key in keys]
    parts = [FORMAT, inputs, pairs, seed, BOOTSTRAPS, PERMUTATIONS]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def replicate(
    spark: SparkSession, study: Study
) -> tuple[list[dict[str, float]], list[dict[str, float]]]:
    """The bootstrap and the permutation replicates, worked on by all executors."""
    context = spark.sparkContext
    shared = context.broadcast(study)
    numbers = range(BOOTSTRAPS + PERMUTATIONS)

    def results(number: int) -> dict[str, float]:
        if number < BOOTSTRAPS:
            return shared.value.bootstrap(number)
        return shared.value.permutation(number - BOOTSTRAPS)

    found = context.parallelize(numbers, 4 * context.defaultParallelism).map(results).collect()
    shared.destroy()
    return found[:BOOTSTRAPS], found[BOOTSTRAPS:]


def build(spark: SparkSession, lake: Lake, version: str, pairs: int, seed: int) -> None:
    """Makes and commits the report on `version`, unless it is there."""
    key, made_from = report_key(version), digest(lake, version, pairs, seed)
    if is_made(lake, key, made_from):
        print(f"the report on the lyrics of {version} is there already")
        return
    attempt = begin(lake, key)
    study = prepare(read_songs(lake, version), pairs, seed)
    bootstrapped, permuted = replicate(spark, study)
    tracks = committed(lake, f"corpus/{version}/tracks").rows
    findings = conclude(study, version, tracks, bootstrapped, permuted)
    contents = files(study, findings, attempt.file_name)
    for name, data in contents.items():
        lake.put(f"{attempt.work}/{key}/{name}", data)
    manifest = Manifest(list(contents), attempt.token, made_from, study.songs, _facts(findings))
    attempt.commit({key: manifest})
    page = next(name for name in contents if name.endswith(".html"))
    print(f"{headline(findings)[0]}: {lake.url}/{key}/{page}")


def _facts(findings: Findings) -> dict[str, object]:
    return {
        "answer": headline(findings)[0],
        "songs": findings.songs,
        "pairs": findings.pairs,
        "seed": findings.seed,
    }


def main() -> None:
    args = arg_parser().parse_args()
    with SparkSession.builder.appName("correlate_lyrics").getOrCreate() as spark:
        build(spark, Lake(args.lake), args.version, args.pairs, args.seed)


if __name__ == "__main__":
    job.run(main)
