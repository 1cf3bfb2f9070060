import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Pinecone } from '@pinecone-database/pinecone'
import { afterAll, afterEach, expect, test } from 'vitest'

const dir = mkdtempSync(join(tmpdir(), 'millrace-emulator-process-'))
const running = new Set<ChildProcess>()

afterEach(() => {
  for (const child of running) child.kill('SIGKILL')
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

async function start(...words: string[]): Promise<{ child: ChildProcess; client: Pinecone }> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts'), ...words], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  running.add(child)
  child.once('exit', () => running.delete(child))
  const [url] = (await once(createInterface(child.stdout!), 'line')) as [string]
  return { child, client: new Pinecone({ apiKey: 'key', controllerHostUrl: url, maxRetries: 0 }) }
}

test('as a process of its own it prints its address, and keeps what it acknowledged through SIGKILL', async () => {
  const first = await start('--dir', dir, '--api-key', 'key')
  const { host } = (await first.client.indexes.create({
    name: 'titles',
    schema: { fields: { _values: { type: 'dense_vector', dimension: 2, metric: 'cosine' } } },
    deployment: { deploymentType: 'managed', cloud: 'aws', region: 'us-east-1' },
  }))!
  await first.client.index({ host }).upsert({ records: [{ id: 'a', values: [1, 0.1] }] })
  const exit = once(first.child, 'exit')
  first.child.kill('SIGKILL')
  await exit
  const second = await start('--dir', dir)
  const index = second.client.index({ host: (await second.client.indexes.describe('titles')).host })
  expect((await index.fetch({ ids: ['a'] })).records).toEqual({ a: { id: 'a', values: [1, 0.1] } })
  second.child.kill('SIGTERM')
  expect(await once(second.child, 'exit')).toEqual([0, null])
})

test('faults are asked for by shares', async () => {
  const { client } = await start('--seed', '3', '--unavailable', '1')
  await expect(client.indexes.list()).rejects.toMatchObject({ name: 'PineconeMaxRetriesExceededError' })
})
