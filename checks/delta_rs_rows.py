"""Rows of a table as delta-rs reads them."""

import pyarrow as pa
from deltalake import QueryBuilder


def rows_of(table):
    """By its own query engine where a table needs more than the PyArrow reader knows, as deletion vectors."""
    if not table.protocol().reader_features:
        return table.to_pyarrow_table()
    return pa.table(as_table(QueryBuilder().register("t", table).execute("SELECT * FROM t")))


def as_table(data):
    return data.read_all() if hasattr(data, "read_all") else data
