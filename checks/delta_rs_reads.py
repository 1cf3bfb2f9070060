"""Compares every table of a lake, and its change feed, as delta-rs reads them with what we exported (checks/export.ts).
With --append, delta-rs then appends a row to bronze/movies, for us to read on.

usage: delta_rs_reads.py DATA_DIR EXPORT_DIR [--append ID]
"""

import glob
import json
import os
import sys

import duckdb
import pyarrow as pa
from delta_rs_rows import as_table, rows_of
from deltalake import DeltaTable, write_deltalake

# The change feed of delta-rs takes a path for a file's name without decoding it, so that it finds none of those that hold
# escaped values, its own included.
without_feed = {"kinds/parted"}


def differing(connection, theirs, ours_path):
    """Rows that only one side has, as multisets; columns by name."""
    connection.register("theirs", theirs)
    columns = ", ".join(f'"{name}"' for name in theirs.column_names)
    ours = f"(SELECT {columns} FROM read_parquet('{ours_path}'))"
    queries = (f"SELECT {columns} FROM theirs EXCEPT ALL {ours}", f"{ours} EXCEPT ALL SELECT {columns} FROM theirs")
    return sum(len(connection.execute(query).fetchall()) for query in queries)


def main():
    data_dir, exported = sys.argv[1], sys.argv[2]
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    wrong = 0
    tables = sorted(glob.glob(f"{exported}/*.rows.parquet"))
    for file in tables:
        name = os.path.basename(file)[: -len(".rows.parquet")].replace("__", "/")
        table = DeltaTable(f"{data_dir}/lake/{name}")
        rows = rows_of(table)
        different = differing(connection, rows, file)
        line = f"{name}: version {table.version()}, {rows.num_rows} rows, {different} differ"
        changes = file.replace(".rows.", ".changes.")
        if os.path.exists(changes) and name not in without_feed:
            feed = pa.table(as_table(table.load_cdf(starting_version=0))).drop_columns(["_commit_timestamp"])
            in_feed = differing(connection, feed, changes)
            line += f"; change feed {feed.num_rows} rows, {in_feed} differ"
            different += in_feed
        print(line)
        wrong += different
    if not tables:
        sys.exit("nothing was exported")
    if "--append" in sys.argv:
        append(data_dir, int(sys.argv[sys.argv.index("--append") + 1]))
    sys.exit(1 if wrong else 0)


def append(data_dir, new_id):
    path = f"{data_dir}/lake/bronze/movies"
    table = DeltaTable(path)
    row = table.to_pyarrow_table().slice(0, 1).to_pylist()[0]
    document = json.loads(row["value"])
    document.update(id=new_id)
    document["doc"].update(id=new_id, title="Appended by delta-rs")
    row.update(id=new_id, key=str(new_id).encode(), value=json.dumps(document).encode(), partition=99, offset=0)
    write_deltalake(path, pa.Table.from_pylist([row], schema=table.to_pyarrow_table().schema), mode="append")
    print(f"bronze/movies: delta-rs appended version {DeltaTable(path).version()}")


if __name__ == "__main__":
    main()
