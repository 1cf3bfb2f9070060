import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { copyToParquet } from '../../engine/batch/duckdb-parquet.ts'
import { systemClock } from '../../engine/clock.ts'
import type { CommitOutcome, RowRefusingSink, Sink, SinkCommit } from '../../engine/contracts.ts'
import { type Duckdb, openDuckdb } from '../../engine/duckdb.ts'
import { armFault } from '../../engine/fault-points.ts'
import type { ParquetFile } from '../../engine/schema.ts'
import { commitAt } from '../../engine/sink-commit.testing.ts'
import type { OlapOptions } from '../olap/description.ts'
import { type Clickhouse, openClickhouse } from './client.ts'
import { freshDatabase, openWay, service, type Way } from './service.testing.ts'
import { clickhouseSink } from './sink.ts'
import { countRows } from './store.ts'

const titles: OlapOptions = {
  tables: {
    titles: { from: 'title-rows', key: ['id'], owner: { id: 'title_id' } },
    casts: { from: 'cast-rows', key: ['title_id', 'credit_key'], owner: { title_id: 'title_id' } },
  },
  owners: 'touched',
  views: { people: { sql: 'SELECT DISTINCT person FROM casts' } },
}

const dir = mkdtempSync(join(tmpdir(), 'millrace-clickhouse-'))
let duckdb: Duckdb
let files = 0

beforeAll(async () => {
  duckdb = await openDuckdb({ memoryLimitBytes: 2 ** 28, threads: 2, tempDir: dir })
})
afterAll(async () => {
  await duckdb.close()
  rmSync(dir, { recursive: true, force: true })
})
afterEach(() => armFault(null))

function sinkOf(clickhouse: Clickhouse, description = titles): RowRefusingSink {
  return clickhouseSink({ clickhouse, description, duckdb: async () => duckdb, stagingDir: dir, clock: systemClock })
}

async function parquet(query: string): Promise<ParquetFile> {
  files += 1
  const path = join(dir, `${files}.parquet`)
  return duckdb.withConnection((connection) => copyToParquet(connection, query, path))
}

/** Outputs by step, each the rows of a query; null for a step without rows. */
async function outputs(queries: Readonly<Record<string, string | null>>): Promise<Map<string, ParquetFile[]>> {
  const given = new Map<string, ParquetFile[]>()
  for (const [step, query] of Object.entries(queries)) if (query !== null) given.set(step, [await parquet(query)])
  return given
}

const batch = (at: number, given: SinkCommit['outputs'], txnId = `t${at}`): SinkCommit =>
  commitAt(at, { outputs: given, txnId })

const commit = (sink: Sink, at: number, given: SinkCommit['outputs'], txnId?: string): Promise<CommitOutcome> =>
  sink.commit(batch(at, given, txnId))

const touched = (...ids: number[]) => `SELECT unnest([${ids.join(', ')}])::BIGINT AS title_id`
const one = {
  touched: touched(1),
  'title-rows': `SELECT 1::BIGINT AS id, 'one' AS name`,
  'cast-rows': `SELECT 1::BIGINT AS title_id, unnest(['a', 'b']) AS credit_key, unnest(['Ann', 'Bob']) AS person`,
}

test('a service that cannot be reached may come back, and the message says what to do', async () => {
  const clickhouse = openClickhouse({ ...service, url: 'http://127.0.0.1:1', password: 'a-secret' })
  await expect(clickhouse.check()).rejects.toMatchObject({
    code: 'CLICKHOUSE_UNREACHABLE',
    retryable: true,
    message: expect.stringMatching(
      /^clickhouse at http:\/\/127\.0\.0\.1:1: query: .*is the service up, and CLICKHOUSE_URL/,
    ),
  })
  await clickhouse.close()
})

describe.skipIf(service.url === '')('over a service (needs CLICKHOUSE_URL)', () => {
  let clickhouse: Clickhouse
  let way: Way
  /** The same database, over the way on which things go wrong. */
  let far: Clickhouse
  beforeEach(async () => {
    clickhouse = await freshDatabase()
    way = await openWay()
    far = openClickhouse({ ...clickhouse.settings, url: way.url })
  })
  afterEach(async () => {
    await far.close()
    await way.close()
    await clickhouse.close()
  })
  const casts = () => clickhouse.rows('SELECT credit_key, person FROM casts ORDER BY ALL')

  test('rows of touched owners are replaced with the fewest writes, and readers see no others', async () => {
    const sink = sinkOf(clickhouse)
    expect(await commit(sink, 0, await outputs(one))).toMatchObject({ written: { inserted: 3, views: 1 } })
    const changed = {
      ...one,
      'cast-rows': `SELECT 1::BIGINT AS title_id, unnest(['a', 'd']) AS credit_key, unnest(['Anna', 'Dan']) AS person`,
    }
    expect(await commit(sink, 1, await outputs(changed))).toEqual({
      kind: 'committed',
      written: {
        inserted: 1,
        updated: 1,
        deleted: 1,
        unchanged: 1,
        'casts.inserted': 1,
        'casts.updated': 1,
        'casts.deleted': 1,
      },
    })
    expect(await casts()).toEqual([
      { credit_key: 'a', person: 'Anna' },
      { credit_key: 'd', person: 'Dan' },
    ])
    expect(await clickhouse.rows('SELECT * FROM people ORDER BY person')).toEqual([
      { person: 'Anna' },
      { person: 'Dan' },
    ])
    const gone = await outputs({ touched: touched(1), 'title-rows': null })
    expect(await commit(sink, 2, gone)).toMatchObject({ written: { deleted: 3 } })
    expect([...(await countRows(clickhouse)).values()]).toEqual([0, 0])
    expect(await commit(sink, 3, await outputs(one))).toMatchObject({ written: { inserted: 3 } })
    expect((await casts()).length).toBe(2)
  })

  test('any sequence of batches leaves what a plain model holds, however ugly its texts', async () => {
    const person = fc.constantFrom('Ann', "O'Hara", '`"; DROP TABLE casts; --\\', '🎬', '', '{x:String}')
    const cast = fc.uniqueArray(fc.tuple(fc.constantFrom('a', 'b', "c'\\"), person), { selector: ([key]) => key })
    const title = fc.record({ title: fc.constantFrom(1n, 2n, 2n ** 53n + 1n), cast })
    const history = fc.array(fc.uniqueArray(title, { selector: (t) => t.title, minLength: 1 }), {
      minLength: 1,
      maxLength: 4,
    })
    const model = new Map<bigint, readonly (readonly [string, string])[]>()
    const sink = sinkOf(clickhouse)
    let at = 0
    await fc.assert(
      fc.asyncProperty(history, async (cuts) => {
        for (const batch of cuts) {
          for (const each of batch) model.set(each.title, each.cast)
          const rows = batch.flatMap((t) =>
            t.cast.map(([key, name]) => `(${t.title}, ${sqlText(key)}, ${sqlText(name)})`),
          )
          const given = await outputs({
            touched: `SELECT unnest([${batch.map((t) => t.title).join(', ')}])::BIGINT AS title_id`,
            'cast-rows':
              rows.length === 0
                ? null
                : `SELECT title_id::BIGINT AS title_id, credit_key, person FROM (VALUES ${rows.join(', ')}) v(title_id, credit_key, person)`,
          })
          expect(await commit(sink, at, given)).toMatchObject({ kind: 'committed' })
          at += 1
        }
        const expected = [...model].flatMap(([id, its]) => its.map(([key, name]) => `${id}/${key}/${name}`)).sort()
        const stored = (await countRows(clickhouse)).has('casts') ? await clickhouse.rows('SELECT * FROM casts') : []
        expect(stored.map((row) => `${row.title_id}/${row.credit_key}/${row.person}`).sort()).toEqual(expected)
      }),
      { numRuns: 8 },
    )
  })

  test('a batch that touches thousands of owners is compared with all of them', async () => {
    const rows = (name: string) => ({
      touched: `SELECT unnest(range(2500))::BIGINT AS title_id`,
      'title-rows': `SELECT unnest(range(2500))::BIGINT AS id, '${name}' AS name`,
    })
    const sink = sinkOf(clickhouse)
    expect(await commit(sink, 0, await outputs(rows('a')))).toMatchObject({ written: { inserted: 2500 } })
    expect(await commit(sink, 1, await outputs(rows('a')))).toMatchObject({ written: { unchanged: 2500 } })
    expect(await commit(sink, 2, await outputs(rows('b')))).toMatchObject({ written: { updated: 2500 } })
  })

  test('of rows with one key the greatest is kept, and counted once', async () => {
    const cast = `SELECT 1::BIGINT AS title_id, unnest(['a', 'a', 'b', 'a']) AS credit_key, unnest(['Ann', 'Cat', 'Bob', NULL]) AS person`
    const given = await outputs({ ...one, 'cast-rows': cast })
    expect(await commit(sinkOf(clickhouse), 0, given)).toMatchObject({ written: { 'casts.inserted': 2 } })
    expect(await casts()).toEqual([
      { credit_key: 'a', person: 'Cat' },
      { credit_key: 'b', person: 'Bob' },
    ])
    expect(await commit(sinkOf(clickhouse), 1, given)).toMatchObject({ written: { unchanged: 3, inserted: 0 } })
  })

  test('a commit whose last answer got lost is known again', async () => {
    const given = await outputs(one)
    way.mishap = (query) => (query.includes('INSERT INTO _millrace_positions') ? 'lost-answer' : null)
    await expect(commit(sinkOf(far), 0, given)).rejects.toMatchObject({
      code: 'CLICKHOUSE_UNREACHABLE',
      retryable: true,
    })
    way.mishap = () => null
    expect(await commit(sinkOf(far), 0, given)).toMatchObject({ kind: 'already-committed', written: { inserted: 3 } })
    expect(await commit(sinkOf(far), 0, given, 'another')).toMatchObject({ kind: 'fenced' })
  })

  test('totals are the sums of all commits, and begin anew in a store of an earlier version', async () => {
    const sink = sinkOf(clickhouse)
    const renamed = await outputs({ ...one, 'title-rows': `SELECT 1::BIGINT AS id, 'two' AS name` })
    await commit(sink, 0, await outputs(one))
    await commit(sink, 1, renamed)
    expect(await commit(sink, 1, renamed)).toMatchObject({ kind: 'already-committed' })
    expect(await commit(sink, 1, renamed, 'other')).toMatchObject({ kind: 'fenced' })
    expect((await sink.position('p')).totals).toMatchObject({ inserted: 3, updated: 1, unchanged: 2, views: 1 })

    await clickhouse.run('ALTER TABLE _millrace_positions DROP COLUMN totals')
    expect(await sink.position('p')).toEqual({ position: new Map([['silver', 2n]]), fingerprint: 'f' })
    await commit(sink, 2, await outputs(one))
    expect((await sink.position('p')).totals).toMatchObject({ inserted: 0, updated: 1, unchanged: 2 })
  })

  test('rows whose answer got lost are not written again by the replay', async () => {
    way.mishap = (query) => (/INSERT INTO `_millrace_rows_casts`/.test(query) ? 'lost-answer' : null)
    await expect(commit(sinkOf(far), 0, await outputs(one))).rejects.toMatchObject({ retryable: true })
    expect((await sinkOf(far).position('p')).position.size).toBe(0)
    way.mishap = () => null
    expect(await commit(sinkOf(far), 0, await outputs(one))).toMatchObject({
      kind: 'committed',
      written: { unchanged: 3 },
    })
    expect(await clickhouse.rows('SELECT count() AS n FROM _millrace_rows_casts')).toEqual([{ n: '2' }])
  })

  test.each(['first', 'replayed otherwise'])(
    'died between two tables, the replay leaves what one commit would (%s)',
    async (how) => {
      await commit(sinkOf(clickhouse), 0, await outputs(one))
      const second = {
        touched: touched(1, 2),
        'title-rows': `SELECT unnest([1, 2])::BIGINT AS id, unnest(['uno', 'two']) AS name`,
        'cast-rows': `SELECT 1::BIGINT AS title_id, 'b' AS credit_key, 'Bobby' AS person`,
      }
      way.mishap = (query) => (/INSERT INTO `_millrace_rows_casts`/.test(query) ? 'cut' : null)
      await expect(commit(sinkOf(far), 1, await outputs(second))).rejects.toMatchObject({ retryable: true })
      way.mishap = () => null
      expect((await sinkOf(far).position('p')).position).toEqual(new Map([['silver', 1n]]))
      const replay = how === 'first' ? second : { ...second, 'title-rows': `SELECT 2::BIGINT AS id, 'zwei' AS name` }
      expect(await commit(sinkOf(far), 1, await outputs(replay), 'replay')).toMatchObject({ kind: 'committed' })
      expect(await casts()).toEqual([{ credit_key: 'b', person: 'Bobby' }])
      expect(await clickhouse.rows('SELECT id, name FROM titles ORDER BY id')).toEqual(
        how === 'first'
          ? [
              { id: '1', name: 'uno' },
              { id: '2', name: 'two' },
            ]
          : [{ id: '2', name: 'zwei' }],
      )
    },
  )

  test('a fault before the position is written leaves the batch to be run again', async () => {
    armFault({ point: 'store-before-commit', passage: 1, action: 'throw' })
    await expect(commit(sinkOf(clickhouse), 0, await outputs(one))).rejects.toMatchObject({ code: 'FAULT_INJECTED' })
    expect(await commit(sinkOf(clickhouse), 0, await outputs(one))).toMatchObject({ kind: 'committed' })
    expect((await casts()).length).toBe(2)
  })

  test('days before 1900, before 1970 and none are kept, lists that are null too, and what has no place is refused', async () => {
    const days = { tables: { t: { from: 'rows', key: ['id'], owner: { id: 'id' } } }, owners: 'rows' }
    const given = await outputs({
      rows: `SELECT unnest([1, 2, 3, 4])::BIGINT AS id, unnest([DATE '1874-12-09', DATE '1927-01-10', NULL, DATE '2026-02-03']) AS day,
        unnest([['a'], [], NULL, [NULL, 'b']]) AS names, 12.345::DECIMAL(18, 3) AS price, {'x': DATE '1874-12-09', 'y': 2} AS pair`,
    })
    const sink = sinkOf(clickhouse, days)
    await commit(sink, 0, given)
    expect(await clickhouse.rows('SELECT id, day, day_iso, names FROM t ORDER BY id')).toEqual([
      { id: '1', day: null, day_iso: '1874-12-09', names: ['a'] },
      { id: '2', day: '1927-01-10', day_iso: '1927-01-10', names: [] },
      { id: '3', day: null, day_iso: null, names: [] },
      { id: '4', day: '2026-02-03', day_iso: '2026-02-03', names: [null, 'b'] },
    ])
    const [row] = await clickhouse.rows('SELECT price, pair.x AS day, toTypeName(day) AS type FROM t LIMIT 1')
    expect(row).toMatchObject({ price: 12.345, day: '1874-12-09' })
    expect(await commit(sink, 1, given)).toMatchObject({ written: { unchanged: 4, updated: 0 } })
    const early = await outputs({ rows: `SELECT 5::BIGINT AS id, TIMESTAMPTZ '1874-12-09 00:00:00+00' AS at` })
    await expect(commit(sink, 2, early)).rejects.toMatchObject({
      code: 'SINK_FAILED',
      message: expect.stringContaining('olap table t: 1 rows have a timestamp in at that ClickHouse cannot hold'),
    })
  })

  test('rows that cannot be held are named, and once they are dealt with all others are written', async () => {
    const times = {
      tables: { t: { from: 'rows', key: ['id'], owner: { owner: 'id' } } },
      owners: 'touched',
    }
    const sink = sinkOf(clickhouse, times)
    const touchedOwners = 'SELECT unnest([1, 2])::BIGINT AS id'
    const rows = (early: string) => `SELECT * FROM (VALUES
      (10::BIGINT, 1::BIGINT, TIMESTAMPTZ '2026-01-01 00:00:00+00', [TIMESTAMP '2000-01-01'], {'at': NULL::TIMESTAMP}),
      (11, 1, NULL, [NULL, TIMESTAMP ${early}], {'at': NULL}),
      (12, 2, TIMESTAMPTZ '2300-01-01 00:00:00+00', NULL, {'at': TIMESTAMP '1899-12-31'}),
      (13, 3, TIMESTAMPTZ '1800-01-01 00:00:00+00', NULL, NULL)) r(id, owner, "at", times, pair)`
    const good = await outputs({
      touched: touchedOwners,
      rows: rows(`'2001-01-01'`).replace('2300', '2299').replace('1899-12-31', '1900-01-01').replace('1800', '1900'),
    })
    await commit(sink, 0, good)

    const given = batch(1, await outputs({ touched: touchedOwners, rows: rows(`'1874-12-09'`) }))
    await expect(sink.commit(given)).rejects.toMatchObject({ code: 'SINK_FAILED', retryable: false })
    const refused = await sink.prepare!(given)
    expect(refused.map(({ input, message }) => `${input}: ${message}`)).toEqual([
      'rows: ClickHouse cannot hold it: timestamp in times is before 1900 or after 2299',
      'rows: ClickHouse cannot hold it: timestamp in at is before 1900 or after 2299, timestamp in pair is before 1900 or after 2299',
    ])
    expect(refused[1]!.row).toMatch(/^{"id":12,"owner":2,"at":"2300-01-01 00:00:00/)
    expect(await sink.prepare!({ ...given, txnId: 'again' })).toEqual(refused)
    await sink.abandon!()
    await expect(sink.commit(given)).rejects.toMatchObject({ code: 'SINK_FAILED' })
    await sink.prepare!(given)
    expect(await sink.commit(given)).toMatchObject({ kind: 'committed', written: { deleted: 2, unchanged: 1 } })
    expect(await clickhouse.rows('SELECT id FROM t ORDER BY id')).toEqual([{ id: '10' }])
  })

  test('days that are keys are told apart before 1900', async () => {
    const days = { tables: { t: { from: 'rows', key: ['id', 'day'], owner: { id: 'id' } } }, owners: 'rows' }
    const rows = `SELECT 1::BIGINT AS id, unnest([DATE '1874-12-09', DATE '1875-12-09', NULL]) AS day`
    await commit(sinkOf(clickhouse, days), 0, await outputs({ rows }))
    const fewer = await outputs({ rows: `SELECT 1::BIGINT AS id, DATE '1875-12-09' AS day` })
    expect(await commit(sinkOf(clickhouse, days), 1, fewer)).toMatchObject({ written: { deleted: 2, unchanged: 1 } })
    expect(await clickhouse.rows('SELECT day_iso FROM t')).toEqual([{ day_iso: '1875-12-09' }])
  })

  test('new columns are added, a changed type is refused by name', async () => {
    const plain = { tables: { t: { from: 'rows', key: ['id'], owner: { id: 'id' } } }, owners: 'rows' }
    const sink = sinkOf(clickhouse, plain)
    await commit(sink, 0, await outputs({ rows: `SELECT 1::BIGINT AS id, 'a' AS name` }))
    await commit(sink, 1, await outputs({ rows: `SELECT 2::INTEGER AS id, 'b' AS name, [{'x': 1::BIGINT}] AS tags` }))
    expect(await clickhouse.rows('SELECT id, name, tags FROM t ORDER BY id')).toEqual([
      { id: '1', name: 'a', tags: [] },
      { id: '2', name: 'b', tags: [{ x: '1' }] },
    ])
    const again = await outputs({ rows: `SELECT 1::BIGINT AS id, 'a' AS name, NULL::BIGINT[] AS more` })
    expect(await commit(sink, 2, again)).toMatchObject({ written: { unchanged: 1 } })
    await expect(commit(sink, 3, await outputs({ rows: 'SELECT 1::BIGINT AS id, 5 AS name' }))).rejects.toMatchObject({
      code: 'SCHEMA_MISMATCH',
      message: expect.stringContaining('olap table t: column name is string in the store and integer in the batch'),
    })
  })

  test('a view waits for its tables, is replaced when its text changes, and is refused when wrong', async () => {
    const described = (sql: string) => sinkOf(clickhouse, { ...titles, views: { v: { sql } } })
    expect(await commit(described('SELECT 1 AS n FROM casts'), 0, new Map())).toMatchObject({
      written: { inserted: 0 },
    })
    expect(await commit(described('SELECT 1 AS n FROM casts'), 1, await outputs(one))).toMatchObject({
      written: { views: 1 },
    })
    await commit(described(`SELECT 'it''s 2' AS n FROM casts LIMIT 1`), 2, new Map())
    expect(await clickhouse.rows('SELECT n FROM v')).toEqual([{ n: "it's 2" }])
    await expect(commit(described('SELEC 1'), 3, new Map())).rejects.toMatchObject({
      code: 'SINK_FAILED',
      message: expect.stringContaining('olap view v is not valid'),
    })
  })

  test('a table of another owner under the name of ours is left alone', async () => {
    await clickhouse.run('CREATE TABLE casts (x Int64) ENGINE = MergeTree ORDER BY x')
    await expect(commit(sinkOf(clickhouse), 0, await outputs(one))).rejects.toMatchObject({
      code: 'SINK_FAILED',
      message: expect.stringContaining('has a table of that name which is not ours'),
    })
    expect(await clickhouse.rows('SELECT x FROM casts')).toEqual([])
  })

  test('a service that is out of order may come back; too many parts pass, wrong statements do not', async () => {
    way.mishap = () => 503
    await expect(commit(sinkOf(far), 0, await outputs(one))).rejects.toMatchObject({ retryable: true })
    way.mishap = () => null
    const failing = (code: number) =>
      far.rows(`SELECT throwIf(1, 'no', toInt16(${code})) SETTINGS allow_custom_error_code_in_throwif = 1`)
    await expect(failing(252)).rejects.toMatchObject({ code: 'SINK_FAILED', retryable: true })
    await expect(failing(6)).rejects.toMatchObject({ code: 'SINK_FAILED', retryable: false })
  })

  test('a service that hangs is given up after a while and may come back, one that is busy is waited for', async () => {
    const impatient = openClickhouse({ ...clickhouse.settings, url: way.url, requestTimeoutMs: 400 })
    const given = await outputs(one)
    for (const silent of [/^/, /INSERT INTO `_millrace_rows_casts`/, /INSERT INTO _millrace_positions/]) {
      way.mishap = (query) => (silent.test(query) ? 'silence' : null)
      await expect(commit(sinkOf(impatient), 0, given)).rejects.toMatchObject({
        code: 'CLICKHOUSE_UNREACHABLE',
        retryable: true,
        message: expect.stringMatching(/no sign of life for 400 ms .*CLICKHOUSE_TIMEOUT_MS/),
      })
    }
    way.mishap = () => null
    expect(await commit(sinkOf(impatient), 0, given)).toMatchObject({ kind: 'committed' })
    expect((await casts()).length).toBe(2)
    const slow = 'SELECT count() AS n FROM numbers(20) WHERE sleepEachRow(0.1) = 0 SETTINGS max_block_size = 1'
    const direct = openClickhouse({ ...clickhouse.settings, requestTimeoutMs: 400 })
    expect(await direct.rows(slow)).toEqual([{ n: '20' }])
    await direct.close()
    await impatient.close()
  })

  test('who is not let in, and a database that is missing, are refused by name and without the password', async () => {
    const refused = async (more: Partial<typeof service>, named: string) => {
      const stranger = openClickhouse({ ...service, ...more })
      const error = await stranger.check().catch((thrown: unknown) => thrown)
      expect(error).toMatchObject({ code: 'CLICKHOUSE_REFUSED', retryable: false })
      expect(String(error)).toContain(named)
      expect(JSON.stringify(error) + String(error)).not.toContain('a-secret')
      await stranger.close()
    }
    await refused({ user: 'nobody', password: 'a-secret' }, 'user nobody is refused')
    await refused({ password: 'a-secret' }, 'CLICKHOUSE_PASSWORD')
    await refused({ database: 'not_there' }, 'there is no database not_there')
  })
})

function sqlText(value: string): string {
  return `'${value.replaceAll("'", "''")}'`
}
