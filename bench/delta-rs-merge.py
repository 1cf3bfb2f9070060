"""Merges once into a Delta table with delta-rs and prints what it cost, as one JSON line.

    python delta-rs-merge.py <folder of the table> <Parquet file of the rows>
"""

import json
import resource
import sys
import time

import pyarrow.parquet as pq
from deltalake import DeltaTable

table_dir, rows_file = sys.argv[1:]
rows = pq.read_table(rows_file)
started = time.perf_counter()
table = DeltaTable(table_dir)
metrics = (
    table.merge(rows, predicate="s.id = t.id", source_alias="s", target_alias="t")
    .when_matched_update_all(predicate="s.ts > t.ts")
    .when_not_matched_insert_all()
    .execute()
)
seconds = time.perf_counter() - started
print(
    json.dumps(
        {
            "seconds": round(seconds, 3),
            "peakMemoryMiB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
            "updated": metrics["num_target_rows_updated"],
            "inserted": metrics["num_target_rows_inserted"],
            "filesRewritten": metrics["num_target_files_removed"],
        }
    )
)
