/**
 * `node bench/real-documents.ts [--documents 10000] [--kilobytes 67] [--file DOCS.jsonl.gz] [--at-most MIB] [-- options of run]`: the
 * platform on films of real size, as JSON: for each pipeline its batches, seconds and the most memory that the process had resident
 * meanwhile. Fails if that is above `--at-most`, or if a document did not arrive.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { openProducer, producerBatch } from '../connectors/file-log/producer.ts'
import { systemClock, systemIds } from '../engine/clock.ts'
import { machineFacts } from './machine.ts'
import { runWatched } from './watched-process.ts'
import { type Documents, documentsOf, wideDocuments } from './wide-documents.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    documents: { type: 'string', default: '10000' },
    kilobytes: { type: 'string', default: '67' },
    file: { type: 'string' },
    'at-most': { type: 'string' },
  },
})

interface Figures {
  batches: number
  rowsIn: number
  seconds: number
  peakMiB: number | null
}

/** In batches of 40 records, as a producer of such documents sends them. Returns the bytes sent. */
async function fill(logDir: string, count: number, documents: Documents): Promise<number> {
  const producer = await openProducer({ dir: logDir, clock: systemClock, ids: systemIds })
  for (const topic of ['tmdb.movies', 'tmdb.tv_series', 'tmdb.people']) await producer.createTopic(topic, 4)
  let bytes = 0
  for (let sent = 0; sent < count; ) {
    const batch = producerBatch()
    for (const end = Math.min(sent + 40, count); sent < end; sent += 1) {
      const id = 1000 + sent
      const event = { id, type: 'movie', label: 'new', timestamp: '2026-01-01T00:00:00Z', doc: documents(id) }
      const value = Buffer.from(JSON.stringify(event))
      bytes += value.length
      batch.add({ key: Buffer.from(String(id)), value, timestampMs: 1 })
    }
    await producer.append('tmdb.movies', batch)
  }
  await producer.close()
  return bytes
}

async function runPlatform(dataDir: string): Promise<{ code: number; pipelines: Map<string, Figures> }> {
  const pipelines = new Map<string, Figures>()
  const main = join(import.meta.dirname, '../cli/main.ts')
  const args = [main, 'run', '--all', '--available-now', '--data', dataDir, ...positionals]
  const code = await runWatched(args, (text, process) => {
    const line = JSON.parse(text) as { pipeline?: string; outcome?: string; rowsIn?: number; durationMs?: number }
    if (line.pipeline === undefined) return
    const figures = pipelines.get(line.pipeline) ?? { batches: 0, rowsIn: 0, seconds: 0, peakMiB: null }
    pipelines.set(line.pipeline, figures)
    if (line.outcome === 'failed') console.error(text)
    if (line.outcome === 'committed') {
      figures.batches += 1
      figures.rowsIn += line.rowsIn ?? 0
      figures.seconds = Math.round(figures.seconds * 10 + (line.durationMs ?? 0) / 100) / 10
    }
    const peak = process.peakMiB()
    if (peak !== null) figures.peakMiB = Math.max(figures.peakMiB ?? 0, peak)
  })
  return { code, pipelines }
}

const count = Number(values.documents)
const documents = values.file === undefined ? wideDocuments(Number(values.kilobytes) * 1024) : documentsOf(values.file)
const dataDir = mkdtempSync(join(tmpdir(), 'millrace-real-documents-'))
try {
  const bytes = await fill(join(dataDir, 'log'), count, documents)
  const { code, pipelines } = await runPlatform(dataDir)
  const working = [...pipelines].filter(([, { batches }]) => batches > 0)
  const peaks = [...pipelines.values()].map(({ peakMiB }) => peakMiB ?? 0)
  const peakMiB = Math.max(0, ...peaks)
  const facts = { documents: count, megabytes: Math.round(bytes / 2 ** 20), peakMiB, machine: machineFacts() }
  console.log(JSON.stringify({ bench: 'real-documents', ...facts, pipelines: Object.fromEntries(working) }))
  const arrived = working.filter(([name]) => name.endsWith('-movies')).every(([, { rowsIn }]) => rowsIn >= count)
  const atMost = Number(values['at-most'] ?? Number.POSITIVE_INFINITY)
  if (!arrived) console.error(`bench: not all of ${count} documents arrived`)
  if (peakMiB > atMost) console.error(`bench: ${peakMiB} MiB were resident, more than ${atMost}`)
  process.exitCode = code === 0 && arrived && peakMiB <= atMost ? 0 : 1
} finally {
  rmSync(dataDir, { recursive: true, force: true })
}
