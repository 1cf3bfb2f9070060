"""The bronze table with Spark Structured Streaming and Delta: a topic to its end, in one query, on all cores.

    $SPARK_PYTHON bench/spark-kafka-to-delta.py BROKERS TOPIC DIRECTORY [RECORDS_PER_BATCH]

SPARK_JARS: Delta and the Kafka source, with commas. As much is kept and parsed as the bronze pipeline keeps and parses;
records that lack a critical field are not told apart. Prints what it cost as one JSON line.
"""
import json
import os
import sys
import time

from pyspark.sql import SparkSession
from pyspark.sql.functions import col, from_json

TICKS_PER_SECOND = os.sysconf('SC_CLK_TCK')


def main(brokers, topic, directory, records_per_batch=None):
    spark = session()
    jvm = spark._jvm.java.lang.ProcessHandle.current().pid()
    start_up_seconds = process_age_seconds()
    cpu_before = cpu_seconds(jvm) + cpu_seconds('self')
    started = time.monotonic()
    query = bronze(spark, brokers, topic, directory, records_per_batch)
    query.awaitTermination()
    wall_seconds = time.monotonic() - started
    cpu_after = cpu_seconds(jvm) + cpu_seconds('self')
    peak_memory_mib = peak_mib(jvm) + peak_mib('self')
    rows = spark.read.format('delta').load(f'{directory}/table').count()
    cost = {
        'rows': rows,
        'startUpSeconds': start_up_seconds,
        'wallSeconds': wall_seconds,
        'cpuSeconds': cpu_after - cpu_before,
        'processCpuSeconds': cpu_after,
        'batchMs': [progress['durationMs']['triggerExecution'] for progress in query.recentProgress if progress['numInputRows'] > 0],
        'peakMemoryMiB': peak_memory_mib,
    }
    spark.stop()
    print(json.dumps(cost))


def session():
    return (
        SparkSession.builder.master('local[*]')
        .appName('kafka-to-delta')
        .config('spark.jars', os.environ['SPARK_JARS'])
        .config('spark.sql.extensions', 'io.delta.sql.DeltaSparkSessionExtension')
        .config('spark.sql.catalog.spark_catalog', 'org.apache.spark.sql.delta.catalog.DeltaCatalog')
        .config('spark.sql.session.timeZone', 'UTC')
        .config('spark.ui.enabled', 'false')
        .getOrCreate()
    )


def bronze(spark, brokers, topic, directory, records_per_batch):
    source = (
        spark.readStream.format('kafka')
        .option('kafka.bootstrap.servers', brokers)
        .option('subscribe', topic)
        .option('startingOffsets', 'earliest')
        .option('includeHeaders', 'true')
    )
    if records_per_batch is not None:
        source = source.option('maxOffsetsPerTrigger', records_per_batch)
    critical = from_json(col('value').cast('string'), 'id BIGINT, label STRING, timestamp TIMESTAMP')
    rows = source.load().select(
        'topic', 'partition', 'offset', 'timestamp', 'key', 'value', 'headers', critical.alias('critical')
    ).select(
        'topic', 'partition', 'offset', 'timestamp', 'key', 'value', 'headers',
        'critical.id', 'critical.label', col('critical.timestamp').alias('event_time'),
    )
    return (
        rows.writeStream.format('delta')
        .outputMode('append')
        .option('checkpointLocation', f'{directory}/checkpoint')
        .trigger(availableNow=True)
        .start(f'{directory}/table')
    )


def process_age_seconds():
    """Since the start of this process, which starts the JVM."""
    with open('/proc/uptime') as file:
        uptime = float(file.read().split()[0])
    return uptime - int(stat('self')[19]) / TICKS_PER_SECOND


def cpu_seconds(pid):
    """Of a process and of its children that have ended."""
    return sum(int(ticks) for ticks in stat(pid)[11:15]) / TICKS_PER_SECOND


def stat(pid):
    """The fields of /proc/<pid>/stat, beginning with the third."""
    with open(f'/proc/{pid}/stat') as file:
        return file.read().rpartition(')')[2].split()


def peak_mib(pid):
    with open(f'/proc/{pid}/status') as file:
        line = next(line for line in file if line.startswith('VmHWM'))
    return round(int(line.split()[1]) / 1024)


if __name__ == '__main__':
    main(*sys.argv[1:])
