import { afterAll, expect, test } from 'vitest'
import { readEntries } from '../connectors/delta/history.ts'
import { selectTable } from '../connectors/delta/read.ts'
import { delta } from '../connectors/index.ts'
import { definePipeline } from '../engine/index.ts'
import { availableNow } from '../engine/trigger.ts'
import { col, select } from '../operators/index.ts'
import { movieEvent, testData } from './data-dir.testing.ts'
import { openWorkspace } from './workspace.ts'

const data = testData()
afterAll(() => data.remove())

const trigger = availableNow()
const columns = {
  id: col('id'),
  key: col('key'),
  at: col('event_time'),
  label: col('label'),
  partition: col('partition'),
}

/** Bronze as a table of one row per id, in partitions of every kind of type. */
const parted = definePipeline({
  name: 'parted',
  source: delta({ table: 'bronze/movies' }),
  trigger,
  steps: [select('rows', columns)],
  sink: delta({
    table: 'parted',
    mode: 'merge',
    key: ['id'],
    newer: ['at'],
    partitionBy: ['key', 'at', 'label', 'partition'],
    changeFeed: true,
    notNull: ['id'],
    check: { positive: 'id > 0' },
  }),
})
const follower = definePipeline({
  name: 'follower',
  source: delta({ table: 'parted', changeFeed: true }),
  trigger,
  steps: [select('changes', { ...columns, at: col('at'), change: col('_change_type') })],
  sink: delta({ table: 'followed', mode: 'append' }),
})

test('a pipeline makes a partitioned table with rules, and another follows its changes with all columns', async () => {
  await data.send('tmdb.movies', movieEvent(1, 'Heat'), movieEvent(2, 'Alien'))
  await data.run('bronze-movies', parted, follower)
  await data.send('tmdb.movies', movieEvent(3, 'Solaris'), movieEvent(1, 'Heat')) // the second is not newer
  await data.run('bronze-movies', parted, follower)
  const workspace = await openWorkspace(data.config)
  try {
    const query = async (table: string, where = 'true') => {
      const snapshot = (await workspace.table(table).snapshot())!
      const rows = await selectTable({ snapshot, store: workspace.lake, tablePath: table, duckdb: workspace.duckdb })
      const select = `SELECT list(concat_ws(' ', id, decode(key), epoch_ms("at"), label, "partition") ORDER BY id) AS rows FROM (${rows}) WHERE ${where}`
      return (await workspace.duckdb()).withConnection(async (connection) => (await connection.rows(select))[0]!.rows)
    }
    const all = await query('parted')
    expect(all).toHaveLength(3)
    expect(await query('followed', `change = 'insert'`)).toEqual(all)
    const snapshot = (await workspace.table('parted').snapshot())!
    expect(snapshot.metaData.partitionColumns).toEqual(['key', 'at', 'label', 'partition'])
    expect(snapshot.protocol).toMatchObject({ minReaderVersion: 3, readerFeatures: ['deletionVectors'] })
    const [first] = await readEntries(workspace.table('parted'), 0n, 1n)
    const values = first!.actions.flatMap((action) => ('add' in action ? [action.add.partitionValues.at] : []))
    expect(values.sort()).toEqual(['2023-11-14T22:13:21.000000Z', '2023-11-14T22:13:22.000000Z'])
  } finally {
    await workspace.close()
  }
}, 60_000)
