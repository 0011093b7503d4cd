"""Writes the golden files anew: `make golden`. Their diff belongs into the review."""

from tests.dags import rendering


def commands() -> dict[str, str]:
    """The spark-submit command of every Spark task, by file name."""
    result = {}
    with rendering.environment():
        for dag_id, dag in rendering.dags().items():
            for task in dag.tasks:
                if hasattr(task, "application_args"):
                    result[f"{dag_id}.{task.task_id}.txt"] = rendering.spark_submit(dag, task)
    return result


if __name__ == "__main__":
    rendering.GOLDEN.mkdir(exist_ok=True)
    for old in rendering.GOLDEN.glob("*.txt"):
        old.unlink()
    for name, command in commands().items():
        (rendering.GOLDEN / name).write_text(command)
        print(name)
