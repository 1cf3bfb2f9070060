"""The part of delta-rs in checks/shared-partitions.ts: makes a partitioned table, or adds rows to one.

usage: delta_rs_partitions.py TABLE FIRST_ID
"""

import datetime
import sys
from decimal import Decimal

import pyarrow as pa
from deltalake import write_deltalake

path, first = sys.argv[1], int(sys.argv[2])
names = ["a/b", "x y", "%20", None, "ж=🎬"]
ids = list(range(first, first + 20))
utc = datetime.timezone.utc
table = pa.table(
    {
        "id": pa.array(ids, pa.int64()),
        "name": pa.array([names[i % 5] for i in ids], pa.string()),
        "day": pa.array([datetime.date(1899, 12, 30) + datetime.timedelta(days=i % 3) for i in ids], pa.date32()),
        "at": pa.array([datetime.datetime(1969, 12, 31, 23, 59, 59, 999999, utc) if i % 2 else None for i in ids], pa.timestamp("us", "UTC")),
        "price": pa.array([Decimal(i % 2) / 4 for i in ids], pa.decimal128(9, 2)),
        "text": pa.array([f"row {i}" for i in ids], pa.string()),
    }
)
write_deltalake(path, table, mode="append", partition_by=["name", "day", "at", "price"])
