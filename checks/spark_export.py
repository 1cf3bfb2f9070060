"""Writes what Spark reads of every table of a lake that we exported (checks/export.ts), and of its change feed, as Parquet:
OUT/<name>.rows/*.parquet and OUT/<name>.changes/*.parquet.

usage: spark_export.py DATA_DIR EXPORT_DIR OUT

Needs SPARK_JARS, the jars of Delta with commas between them.
"""

import glob
import os
import sys

from pyspark.sql import SparkSession


def main():
    data_dir, exported, out = sys.argv[1:]
    spark = (
        SparkSession.builder.master("local[2]")
        .config("spark.jars", os.environ["SPARK_JARS"])
        .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
        .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")
        .config("spark.sql.parquet.datetimeRebaseModeInWrite", "CORRECTED")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.databricks.delta.snapshotPartitions", "2")
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")
    for file in sorted(glob.glob(f"{exported}/*.rows.parquet")):
        name = os.path.basename(file)[: -len(".rows.parquet")]
        path = f"{data_dir}/lake/{name.replace('__', '/')}"
        spark.read.format("delta").load(path).write.parquet(f"{out}/{name}.rows")
        if not os.path.exists(file.replace(".rows.", ".changes.")):
            continue
        feed = spark.read.format("delta").option("readChangeFeed", "true").option("startingVersion", 0).load(path)
        feed.drop("_commit_timestamp").write.parquet(f"{out}/{name}.changes")
    spark.stop()


if __name__ == "__main__":
    main()
