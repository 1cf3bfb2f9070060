import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { millrace } from '../../checks/command.ts'
import { cluster, openTestCluster } from '../../connectors/kafka/cluster.testing.ts'
import { hex } from '../../connectors/kafka/records.testing.ts'
import ratings from '../../examples/ratings.ts'
import { printedJson, type TestData, testData } from '../data-dir.testing.ts'
import { list } from './dead-letters.ts'
import { produce } from './produce.ts'
import { show } from './tables.ts'

const dir = mkdtempSync(join(tmpdir(), 'millrace-produce-'))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

const main = join(import.meta.dirname, '../main.ts')
const example = join(import.meta.dirname, '../../examples/ratings.ts')
const at = '"timestamp":"2026-01-01T00:00:00Z"'
const topic = 'tmdb.movies'

function file(name: string, content: string | Uint8Array): string {
  const path = join(dir, name)
  writeFileSync(path, content)
  return path
}

describe('on the embedded log', () => {
  let data: TestData
  let errors: string[]
  beforeEach(() => {
    data = testData()
    errors = []
    const spy = vi.spyOn(console, 'error').mockImplementation((line: string) => void errors.push(line))
    return () => {
      spy.mockRestore()
      data.remove()
    }
  })

  /** Runs the command, and gives its exit code and report. */
  async function produced(words: readonly string[], options: Readonly<Record<string, unknown>> = {}) {
    const context = data.context({ arguments: words, options: options as never, json: true })
    const { code, rows } = await printedJson(() => produce(context))
    return { code, report: rows[0] }
  }

  /** What the example makes of the records: their values and keys, in the order of their offsets. */
  async function bronze() {
    await data.run(ratings)
    const options = { columns: 'partition,offset,id,key,value', limit: 10_000 }
    return (await printedJson(() => show(data.context({ arguments: ['bronze/ratings'], options, json: true })))).rows
  }

  test('values are the bytes of the lines, keys their field, and an example reads them', async () => {
    const lines = [`{ "id": 1,  ${at} }`, `\t{"name":"é","id":2,${at}} `, `{"id":9007199254740993,${at}}`]
    const path = file('movies.jsonl', `\ufeff${lines[0]}\r\n\n  \r\n${lines[1]}\n${lines[2]}`)
    const { code, report } = await produced([topic, path], { key: 'id' })
    expect({ code, errors }).toEqual({ code: 0, errors: [] })
    expect(report).toMatchObject({ topic, records: 3, lastLine: 5, refused: 0 })
    const rows = await bronze()
    expect(new Map(rows.map(({ key, value }) => [key, value]))).toEqual(
      new Map([
        ['1', lines[0]],
        ['2', lines[1]],
        ['9007199254740993', lines[2]],
      ]),
    )
    expect(rows.map(({ id }) => String(id)).sort()).toEqual(['1', '2', '9007199254740993'])
  })

  test('lines that are no JSON, or have no key, are named with their cause; the others are sent', async () => {
    const good = Array.from({ length: 4 }, (_, i) => `{"id":${i},${at}}`)
    const path = file('mixed.jsonl', [good[0], '{"id":1,}', good[1], '{"name":1}', good[2], good[3]].join('\n'))
    const { code, report } = await produced([topic, path], { key: 'id' })
    expect(code).toBe(1)
    expect(report).toMatchObject({ records: 4, refused: 2 })
    expect(errors).toEqual([
      `millrace: ${path}: line 2: value is not JSON: found } (byte 8); a comma stands behind the last value (leave it out)`,
      expect.stringMatching(/line 4: field .*id.* is missing$/),
      'millrace: 2 lines were not understood and not sent',
    ])
    expect((await bronze()).map(({ value }) => value).sort()).toEqual(good)
  })

  test('of very many such lines the first are told, and all are counted', async () => {
    const { code, report } = await produced(['t', file('text.txt', 'no JSON\n'.repeat(5000))])
    expect(code).toBe(1)
    expect(report).toMatchObject({ records: 0, refused: 5000 })
    expect(errors).toHaveLength(22)
    expect(errors.slice(-2)).toEqual([
      'millrace: and 4980 more lines',
      'millrace: 5000 lines were not understood and not sent',
    ])
  })

  test('raw lines are sent unread, also out of gzip', async () => {
    const lines = ['no JSON', `{"id":1,${at}}`, '\xff\xfe']
    const path = file('raw.gz', gzipSync(Buffer.from(lines.join('\n'), 'latin1')))
    const { code, report } = await produced([topic, path], { raw: true })
    expect({ code, report }).toMatchObject({ code: 0, report: { records: 3, refused: 0 } })
    expect((await bronze()).map(({ value, key }) => ({ value, key }))).toEqual([{ value: lines[1], key: null }])
    expect((await printedJson(() => list(data.context({ json: true })))).rows).toHaveLength(2)
  })

  test('a file that is cut short is sent as far as it goes', async () => {
    const lines = Array.from({ length: 3000 }, (_, i) => `{"id":${i * 7919},${at}}\n`).join('')
    const packed = gzipSync(lines)
    const path = file('cut.gz', packed.subarray(0, packed.length - 1000))
    await expect(produced([topic, path])).rejects.toMatchObject({ code: 'SOURCE_READ_FAILED' })
    const after = Number(/ended after line (\d+)$/.exec(errors.at(-1)!)![1])
    expect(after).toBeGreaterThan(100)
    expect(await bronze()).toHaveLength(after)
  })
})

test.each([
  [['t', '/nowhere'], /^millrace: \/nowhere: cannot be read: .*\(check the path\)\n$/],
  [['t', tmpdir()], /^millrace: \S+: is a folder \(name its files\)\n$/],
  [['t'], /^millrace: missing argument: millrace produce <topic> <file>\n$/],
  [['no topic', example], /^millrace: "no topic": not a topic name \(use letters, [^\n]*\)\n$/],
  [['_t', example], /^millrace: not a topic name: "_t" \(use letters, [^\n]*\)\n$/],
  [['t', example, '--key', 'a..b'], /^millrace: --key: must be a field \(id\), [^\n]*, not "a\.\.b"\n$/],
  [['t', example, '--key', 'a', '--raw'], /^millrace: --raw: [^\n]*\(leave one out\)\n$/],
  [['t', example, '--rate', '0'], /^millrace: --rate: must be a number of at least 0\.001, not "0"\n$/],
])('%j is a usage error in one line', async (words, message) => {
  const { status, errors, lines } = await millrace(['produce', ...words, '--data', join(dir, 'usage')])
  expect({ status, lines, errors }).toEqual({ status: 2, lines: [], errors: expect.stringMatching(message) })
})

test('standard input is sent, and an example runs over it', () => {
  const data = join(dir, 'stdin')
  const run = (words: readonly string[], input = '') =>
    spawnSync(process.execPath, [main, ...words, '--data', data], { input, encoding: 'utf8' })
  const sent = run(['produce', topic, '-', '--key', 'id'], `{"id":1,${at}}\n{"id":2,${at}}`)
  expect(sent.stdout).toMatch(/^sent +records +bytes\n.*\ntmdb\.movies +2 +\d+\n$/)
  expect(run(['run', example, '--available-now']).status).toBe(0)
  const shown = run(['tables', 'show', 'bronze/ratings', '--columns', 'id', '--json']).stdout
  expect(shown).toBe('{"id":1}\n{"id":2}\n')
})

test.skipIf(process.platform === 'win32')('a named pipe is read like a file', async () => {
  const pipe = join(dir, 'pipe')
  execFileSync('mkfifo', [pipe])
  const [sent] = await Promise.all([
    millrace(['produce', 't', pipe, '--json', '--data', join(dir, 'piped')]),
    writeFile(pipe, '1\n2\n3\n'),
  ])
  expect(sent).toMatchObject({ status: 0, errors: '' })
  expect(JSON.parse(sent.lines[0]!)).toMatchObject({ records: 3, lastLine: 3 })
})

function writtenBytes(folder: string): number {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.log'))
  return files.reduce((sum, name) => sum + statSync(join(folder, name)).size, 0)
}

test('a stop signal ends a live input, with all sent that came', async () => {
  const data = join(dir, 'live')
  const child = spawn(process.execPath, [main, 'produce', topic, '-', '--json', '--data', data])
  let [out, errors] = ['', '']
  child.stdout.on('data', (bytes) => {
    out += bytes
  })
  child.stderr.on('data', (bytes) => {
    errors += bytes
  })
  const ended = new Promise((resolve) => child.once('close', (status, signal) => resolve(status ?? signal)))
  child.stdin.write(`{"id":1,${at}}\n{"id":2,${at}}\n{"id":`)
  await vi.waitFor(() => expect(writtenBytes(join(data, 'log', topic))).toBeGreaterThan(0), { timeout: 30_000 })
  child.kill('SIGTERM')
  expect(await ended).toBe(0)
  expect(JSON.parse(out)).toMatchObject({ records: 2, lastLine: 2, refused: 0 })
  expect(errors).toContain('standard input: ended after line 2')
})

describe.skipIf(cluster.brokers === '')('over a cluster (needs KAFKA_BROKERS)', () => {
  test('lines are in the topic, keyed, and what it does not take is named', async () => {
    const on = openTestCluster()
    try {
      const topic = await on.makeTopic(1, { 'max.message.bytes': '1000' })
      const env = { KAFKA_BROKERS: cluster.brokers }
      const large = JSON.stringify({ id: 2, text: 'x'.repeat(2000) })
      const path = file('cluster.jsonl', `{"id":1}\n${large}\n{"id":3}\n`)
      const { status, errors } = await millrace(['produce', topic, path, '--key', 'id'], env)
      expect(status).toBe(1)
      expect(errors).toMatch(/line 2: is too large for the topic: \d+ bytes, at most 1000/)
      const { records } = await on.read({ sourcePartition: `${topic}/0`, start: 0n, end: 2n })
      expect(records.map(({ key, value }) => [key, value])).toEqual([
        [hex(Buffer.from('1')), hex(Buffer.from('{"id":1}'))],
        [hex(Buffer.from('3')), hex(Buffer.from('{"id":3}'))],
      ])
    } finally {
      await on.close()
    }
  })
})
