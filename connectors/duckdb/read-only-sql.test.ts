import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Duckdb, openDuckdb } from '../../engine/duckdb.ts'
import { duckdbStore } from '../../engine/duckdb-store.ts'
import type { OlapQueries } from '../olap/store.ts'
import { duckdbQueries } from './query.ts'

const dir = mkdtempSync(join(tmpdir(), 'millrace-read-only-'))
const out = mkdtempSync(join(tmpdir(), 'millrace-read-only-out-'))
let duckdb: Duckdb
let olap: OlapQueries

beforeAll(async () => {
  duckdb = await openDuckdb({ memoryLimitBytes: 2 ** 28, threads: 1, tempDir: dir })
  const store = duckdbStore({ path: join(dir, 'olap.duckdb'), duckdb: async () => duckdb })
  await store.use('write', async (connection) => {
    await connection.run("CREATE TABLE movies AS SELECT range AS id, 'M' || range AS title FROM range(3)")
    await connection.run('CREATE VIEW titles AS SELECT title FROM movies')
  })
  olap = duckdbQueries(store)
})
afterAll(async () => {
  await duckdb.close()
  for (const each of [dir, out]) rmSync(each, { recursive: true, force: true })
})

test.each([
  'SELECT * FROM movies',
  'FROM movies',
  'TABLE movies',
  'VALUES (1)',
  'SELECT title FROM titles, range(2) ORDER BY ALL',
  'WITH m AS (SELECT * FROM movies) SELECT count(*) FROM m a JOIN main.movies b USING (id)',
  "SELECT unnest([1, 2]), list_transform([1], x -> x + 1), json_extract('{}', '$'), random(), now()",
  "SELECT id FROM movies WHERE title NOT IN ('COPY', 'a/b.csv')",
  'DESCRIBE movies',
  'SUMMARIZE movies',
  'SHOW TABLES',
  'SELECT table_name FROM information_schema.tables',
  'SELECT table_name FROM duckdb_tables()',
  '(SELECT 1 AS a) UNION ALL (SELECT 2) ORDER BY a',
])('a query over the tables goes through: %s', async (sql) => {
  expect((await olap.ask(sql)).length).toBeGreaterThan(0)
})

test.each([
  ["COPY movies TO '@/x.csv'", 'only queries are allowed'],
  ["EXPORT DATABASE '@'", 'only queries are allowed'],
  ["ATTACH '@/x.duckdb' AS x", 'only queries are allowed'],
  ['CHECKPOINT', 'only queries are allowed'],
  ['LOAD httpfs', 'only queries are allowed'],
  ["SET temp_directory = '@'", 'only queries are allowed'],
  ["PRAGMA profiling_output = '@/x.json'", 'only queries are allowed'],
  ["CALL enable_logging(storage = 'file', storage_config = {'path': '@'})", 'only queries are allowed'],
  ['EXPLAIN ANALYZE SELECT 1', 'only queries are allowed'],
  [
    "SELECT * FROM enable_logging(storage = 'file', storage_config = {'path': '@'})",
    'the table function enable_logging',
  ],
  ["SELECT * FROM enable_profiling(save_location = '@/x.json')", 'the table function enable_profiling'],
  ["SELECT * FROM read_text('/etc/passwd')", 'the table function read_text'],
  ["SELECT (SELECT content FROM read_blob('/etc/passwd'))", 'the table function read_blob'],
  ["WITH a AS (SELECT * FROM glob('/etc/*')) SELECT * FROM a", 'the table function glob'],
  ["SELECT * FROM query('SELECT 1')", 'the table function query'],
  ["SELECT * FROM query_table('movies')", 'the table function query_table'],
  ['SELECT * FROM arrow_scan(1::POINTER, 2::POINTER, 3::POINTER)', 'the table function arrow_scan'],
  ['SELECT * FROM duckdb_settings()', 'the table function duckdb_settings'],
  ['SELECT * FROM duckdb_secrets()', 'the table function duckdb_secrets'],
  ['SELECT * FROM force_checkpoint()', 'the table function force_checkpoint'],
  ["SELECT * FROM '/etc/passwd.csv'", 'is no table of the store'],
  ["FROM 'http://127.0.0.1:1/x.parquet'", 'is no table of the store'],
  ["SELECT current_setting('temp_directory')", 'the function current_setting'],
  ["SELECT write_log('x')", 'the function write_log'],
  ['SELECT * FROM system.main.duckdb_logs', 'is not in the store'],
  ['SHOW DATABASES', 'of SHOW statements only SHOW TABLES'],
  ['SELECT 1; SELECT 2', 'give one query'],
  ['', 'give one query'],
  ['SELEC 1', 'syntax error'],
])('whatever writes, reads files, loads code or shows settings is refused by name: %s', async (sql, why) => {
  await expect(olap.ask(sql.replaceAll('@', out))).rejects.toMatchObject({
    code: 'SINK_FAILED',
    message: expect.stringContaining(why),
  })
  expect(readdirSync(out)).toEqual([])
})
