"""Writes metrics through MLflow's own store on SQLite, as much as stdin asks for, and says how long it took.

    echo "single 100" | python mlflow_store.py FILE

Each line of stdin is `single COUNT` (one metric a commit) or `batch COUNT` (100 metrics a commit); each answer is seconds.
SQLite's `synchronous` is FULL (2), its default, and the first line says so: a commit is on the disk when it returns.
"""

import sys
import time

from mlflow.entities import Metric
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy import text

METRICS_PER_BATCH = 100


def main() -> None:
    """Answers stdin line by line."""
    store = SqlAlchemyStore(f"sqlite:///{sys.argv[1]}", "file:///nowhere")
    experiment = store.create_experiment("bench")
    run = store.create_run(experiment, "user", 0, [], "bench").info.run_id
    with store.engine.connect() as connection:
        print(f"synchronous {connection.execute(text('PRAGMA synchronous')).scalar()}", flush=True)
    step = 0
    for line in sys.stdin:
        kind, count = line.split()
        begun = time.perf_counter()
        for _ in range(int(count)):
            if kind == "single":
                store.log_metric(run, Metric("loss", 0.5, step, step))
            else:
                metrics = [Metric(f"m{place}", 0.5, step, step) for place in range(METRICS_PER_BATCH)]
                store.log_batch(run, metrics, [], [])
            step += 1
        print(time.perf_counter() - begun, flush=True)


if __name__ == "__main__":
    main()
