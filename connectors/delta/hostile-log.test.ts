import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { localStore } from '../storage/local.ts'
import { openTestLake, type TestLake } from './lake.testing.ts'
import { selectTable } from './read.ts'
import { writeForeignTable } from './tables.testing.ts'

let lake: TestLake
beforeAll(async () => {
  lake = await openTestLake(localStore)
})
afterAll(async () => {
  rmSync(join(lake.dir, 'lake'), { recursive: true }) // its logs break rules on purpose
  await lake.close()
})

const posix = process.platform !== 'win32'
const long = [{ name: 'id', type: 'long', nullable: true, metadata: {} }]

/** A table of version 0 with an entry that some other writer made up. */
async function make(path: string, add: object, fields: readonly object[] = long) {
  const features = ['deletionVectors']
  const protocol = { minReaderVersion: 3, minWriterVersion: 7, readerFeatures: features, writerFeatures: features }
  await writeForeignTable(lake.store, path, { fields, protocol, files: [add] })
}

const read = (path: string) => lake.rows(path, '*')
const corrupt = (message: RegExp) => ({ code: 'TABLE_CORRUPT', message: expect.stringMatching(message) })

test.skipIf(!posix)('pipes and devices are refused by name, and nobody waits for them', async () => {
  const pipe = join(lake.dir, 'pipe')
  execFileSync('mkfifo', [pipe])
  for (const [i, file] of [pipe, '/dev/zero', '/dev/null', '/'].entries()) {
    await make(`special-${i}`, { path: `file://${file}` })
    await expect(read(`special-${i}`)).rejects.toMatchObject(corrupt(/is no regular file/))
    const deletionVector = {
      storageType: 'p',
      pathOrInlineDv: `file://${file}`,
      sizeInBytes: 34,
      cardinality: 6,
      offset: 1,
    }
    await make(`vector-${i}`, { path: 'part.parquet', deletionVector })
    mkdirSync(join(lake.dir, 'lake', `vector-${i}`), { recursive: true })
    writeFileSync(join(lake.dir, 'lake', `vector-${i}`, 'part.parquet'), 'x')
    await expect(read(`vector-${i}`)).rejects.toMatchObject(corrupt(/is no regular file/))
  }
  mkdirSync(join(lake.dir, 'lake/within'))
  symlinkSync(pipe, join(lake.dir, 'lake/within/part.parquet'))
  await make('within', { path: 'part.parquet' })
  await expect(read('within')).rejects.toMatchObject(corrupt(/file is missing/))
  expect(await lake.store.get('within/part.parquet')).toBeNull()
})

test('a file that is no Parquet, or a damaged one, is refused without the statement that read it', async () => {
  const good = await lake.stage('SELECT range AS id FROM range(1000)')
  const bytes = readFileSync(good[0]!.path)
  const damaged = Buffer.from(bytes)
  damaged.fill(0xff, bytes.length - 60, bytes.length - 8)
  for (const [i, body] of [Buffer.from('text'), bytes.subarray(0, bytes.length / 2), damaged].entries()) {
    const path = `damaged-${i}`
    mkdirSync(join(lake.dir, 'lake', path), { recursive: true })
    writeFileSync(join(lake.dir, 'lake', path, 'part.parquet'), body)
    await make(path, { path: 'part.parquet' })
    const error = await read(path).then(
      () => null,
      (thrown: Error) => thrown,
    )
    expect(error).toMatchObject(corrupt(/^a data file cannot be read/))
    expect(error!.message).not.toMatch(/SELECT|LINE 1/)
  }
})

test('files outside of a lake that is confined to its folder are refused by name', async () => {
  const [file] = await lake.stage('SELECT 1::BIGINT AS id')
  await make('outside', { path: `file://${file!.path}` })
  expect(await read('outside')).toEqual([{ id: 1n }])
  const snapshot = (await lake.table('outside').snapshot())!
  const store = localStore(join(lake.dir, 'lake'), { confined: true })
  await expect(
    selectTable({ snapshot, store, tablePath: 'outside', duckdb: async () => lake.duckdb }),
  ).rejects.toMatchObject({ code: 'TABLE_UNSUPPORTED', message: expect.stringContaining('outside of the lake') })
})

test('a schema of any depth is refused before it takes the stack', async () => {
  let type: unknown = 'long'
  for (let i = 0; i < 2_000; i += 1) type = { type: 'array', containsNull: true, elementType: type }
  await make('deep', { path: 'part.parquet' }, [{ name: 'a', type, nullable: true, metadata: {} }])
  await expect(read('deep')).rejects.toMatchObject({ code: 'TABLE_UNSUPPORTED' })
  await make('wide', { path: 'part.parquet' }, [{ name: 'a', type: 'decimal(38,99)', nullable: true, metadata: {} }])
  await expect(read('wide')).rejects.toMatchObject({
    code: 'TABLE_UNSUPPORTED',
    message: expect.stringContaining('decimal(38,99)'),
  })
})
