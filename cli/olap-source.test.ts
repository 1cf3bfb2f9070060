/** Gold as a source: vectors of ClickHouse's movies are those of silver's. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Clickhouse } from '../connectors/clickhouse/client.ts'
import { freshDatabase, service } from '../connectors/clickhouse/service.testing.ts'
import { openOlapStore } from '../connectors/duckdb/store.ts'
import { delta, vectors } from '../connectors/index.ts'
import type { TmdbEvent } from '../connectors/tmdb/event.ts'
import { systemClock, systemIds } from '../engine/clock.ts'
import type { Pipeline } from '../engine/index.ts'
import { definePipeline } from '../engine/index.ts'
import example from '../examples/vectors-from-clickhouse.ts'
import { and, col, filter, isNotNull, isNull, not, or } from '../operators/index.ts'
import { entertainment } from '../pipelines/entertainment/index.ts'
import { checkPipelines } from './check-pipelines.ts'
import { pipelineStatus } from './pipeline-status.ts'
import { makeDataDir, removeAll, runPlatform, simulateInto } from './platform.testing.ts'
import { sendEvents } from './send-events.ts'
import { openSource, vectorsFile } from './wire.ts'
import { openWorkspace, type Workspace } from './workspace.ts'

/** The same steps over silver, whose deleted rows stand in it. */
const fromSilver = definePipeline({
  name: 'vectors-from-silver',
  source: delta({ table: 'silver/movies', changeFeed: true }),
  steps: [
    ...example.steps.filter(({ id }) => id === 'net'),
    filter('gone-rows', or(isNull(col('after.id')), col('after.deleted')), { from: 'net' }),
    ...example.steps.filter(({ id }) => id === 'gone'),
    filter('live', and(isNotNull(col('after.id')), not(col('after.deleted'))), { from: 'net' }),
    ...example.steps.slice(example.steps.findIndex(({ id }) => id === 'texts')),
  ],
  sink: vectors({ namespace: 'movies-in-silver', upserts: 'upserts', deletes: 'deletes', embedder: 'local' }),
  trigger: example.trigger,
})

test('the embedded store is no source, and says what to do', async () => {
  const dataDir = await makeDataDir()
  const workspace = await openWorkspace({ dataDir, workers: 0, memoryLimitBytes: 2 ** 28 })
  await expect(openSource(Object.values(example.sources)[0]!, workspace, example)).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringMatching(
      /^olap table movies: the embedded store keeps neither .*set CLICKHOUSE_URL, or read the table of the lake/,
    ),
  })
  await workspace.close()
  await removeAll(dataDir)
})

describe.skipIf(service.url === '')('over a service (needs CLICKHOUSE_URL)', () => {
  let dataDir: string
  let database: Clickhouse
  let workspace: Workspace
  beforeAll(async () => {
    dataDir = await makeDataDir()
    database = await freshDatabase()
    const settings = { clickhouse: database.settings, workers: 0, memoryLimitBytes: 2 ** 28 }
    workspace = await openWorkspace({ dataDir, ...settings })
  })
  afterAll(async () => {
    await workspace.close()
    await database.close()
    await removeAll(dataDir)
  })

  const stored = async (pipeline: Pipeline) => {
    const { namespace } = pipeline.sinks[0]!.options
    return openOlapStore(vectorsFile(workspace)).rows(`SELECT * FROM "vectors:${namespace}" ORDER BY id`)
  }
  const run = async (...pipelines: readonly Pipeline[]) =>
    runPlatform(workspace, { pipelines, maxRecords: ({ name }) => (name.startsWith('olap') ? 40 : 25) })
  const upTo = entertainment.filter(({ name }) => ['bronze-movies', 'silver-movies', 'olap-movies'].includes(name))

  test('vectors of ClickHouse equal those of silver, after changes and deletions too', async () => {
    await simulateInto(dataDir, { seed: 7, titles: 60 })
    await run(...upTo, fromSilver, example)
    const first = await stored(fromSilver)
    expect(first.length).toBeGreaterThan(30)
    expect(await stored(example)).toEqual(first)

    const gone = first.slice(0, 3).map(({ id }): TmdbEvent => {
      return { type: 'movie', id: BigInt(String(id)), timestampMs: Date.UTC(2030, 0, 1), op: 'D' }
    })
    const changed = first.slice(3, 6).map(({ id }): TmdbEvent => {
      const doc = { id: Number(id), title: 'Another', overview: 'All is new.' }
      return { type: 'movie', id: BigInt(String(id)), timestampMs: Date.UTC(2030, 0, 1), op: 'M', label: 'change', doc }
    })
    await sendEvents([...gone, ...changed], {
      logDir: workspace.logDir,
      partitions: 2,
      seed: 1,
      clock: systemClock,
      ids: systemIds,
    })
    await run(...upTo, fromSilver, example)
    const second = await stored(fromSilver)
    expect(second.length).toBe(first.length - 3)
    expect(await stored(example)).toEqual(second)
    expect((await pipelineStatus(example, workspace)).lagRecords).toBe(0)
  })

  test('a check finds nothing to object to', async () => {
    const [checked] = await checkPipelines([example], workspace)
    expect(checked!.problems).toEqual([])
  })
})
