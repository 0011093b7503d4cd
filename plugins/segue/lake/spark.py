"""Spark's side of an attempt: write a table into its folder."""

from pyspark.sql import DataFrame

from segue.lake.partition import Attempt
from segue.lake.store import name_of


def write_table(frame: DataFrame, attempt: Attempt, key: str) -> list[str]:
    """Writes `frame` as zstd Parquet into the attempt's folder for the partition `key`.

    Returns the files' names, in the order of the frame's partitions; they carry the token.
    """
    lake, folder = attempt.lake, f"{attempt.work}/{key}"
    frame.write.mode("overwrite").option("compression", "zstd").parquet(lake.spark_url(folder))
    names = []
    for written in lake.children(folder):
        name = name_of(written)
        if name.startswith(("_", ".")):
            lake.remove(written)
            continue
        stem = "-".join(name.split("-")[:2])
        names.append(attempt.file_name(stem, "parquet"))
        lake.move(written, f"{folder}/{names[-1]}")
    return names
