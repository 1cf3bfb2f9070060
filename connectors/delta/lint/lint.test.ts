import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { systemIds } from '../../../engine/clock.ts'
import { literal } from '../../../engine/duckdb.ts'
import { localStore } from '../../storage/local.ts'
import { memoryStore } from '../../storage/memory.ts'
import { parseJson, printJson } from '../int64-json.ts'
import { openTestLake, type TestLake } from '../lake.testing.ts'
import { versionName } from '../log-entry.ts'
import { checkpointMutations } from './checkpoint-mutations.testing.ts'
import { entryMutations } from './entry-mutations.testing.ts'
import { fileMutations } from './file-mutations.testing.ts'
import type { Finding } from './finding.ts'
import { lintTable } from './lint.ts'
import { type Logs, validLogs } from './logs.testing.ts'
import type { MutationTools } from './mutation.testing.ts'
import { type Change, entryName, putLog, type RawLog, rawLog } from './raw-log.testing.ts'
import { rules } from './rules.ts'
import { tableMutations } from './table-mutations.testing.ts'

const mutations = [...entryMutations, ...fileMutations, ...tableMutations, ...checkpointMutations]

let lake: TestLake
let logs: Logs
beforeAll(async () => {
  lake = await openTestLake(localStore)
  logs = await validLogs(lake)
})
afterAll(() => lake.close())

async function lint(log: RawLog): Promise<Finding[]> {
  return lintTable({
    store: await putLog(memoryStore({ localDir: lake.dir }), log),
    table: 't',
    duckdb: async () => lake.duckdb,
  })
}

const tools: MutationTools = {
  async rewrite(log, version, query) {
    const name = `${versionName(BigInt(version))}.checkpoint.parquet`
    const store = await putLog(memoryStore({ localDir: lake.dir }), log)
    const rows = `read_parquet(${literal(await store.localFile(`t/_delta_log/${name}`))})`
    const path = join(lake.dir, `${systemIds.uuid()}.parquet`)
    await lake.query(`COPY (${query(rows)}) TO ${literal(path)} (FORMAT parquet)`)
    log.set(name, readFileSync(path))
    log.files.delete('_last_checkpoint')
  },
}

test('nothing is found in logs that are valid', async () => {
  for (const [name, log] of Object.entries(logs)) expect(await lint(log), name).toEqual([])
})

describe('a log that is broken in one place breaks one rule', () => {
  test.each(mutations)('$rule: $what', async ({ rule, log: name, mutate }) => {
    // checksums would tell of the same fault in their own words
    const files = [...logs[name].files].filter(([file]) => !file.endsWith('.crc'))
    const log = rawLog(new Map(files))
    await mutate(log, tools)
    const findings = await lint(log)
    expect(findings.map((finding) => finding.rule)).toContain(rule)
    expect(findings.filter((finding) => finding.rule !== rule)).toEqual([])
    for (const { severity, message } of findings)
      expect([severity, message.length > 0]).toEqual([rules[rule].severity, true])
  })
})

test('whatever a log holds, the linter only finds', async () => {
  const values = fc.jsonValue({ maxDepth: 2 })
  const change = fc.record({
    log: fc.constantFrom(...(Object.keys(logs) as (keyof Logs)[])),
    version: fc.nat(2),
    action: fc.nat(5),
    field: fc.nat(12),
    value: fc.oneof(values, fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }), values.map(printJson)),
    nested: fc.boolean(),
  })
  const law = fc.asyncProperty(change, async ({ log: name, version, action, field, value, nested }) => {
    const log = rawLog(logs[name].files)
    if (!log.files.has(entryName(version))) return
    const actions = log.actions(version)
    const fields = Object.values(actions[action % actions.length]!)[0] as Change
    put(fields, { field, value, nested })
    log.setActions(version, actions)
    expect(Array.isArray(await lint(log))).toBe(true)
  })
  await fc.assert(law, { numRuns: 300 })
})

/** In the place of one of the fields, or of one inside of it. */
function put(fields: Change, { field, value, nested }: { field: number; value: unknown; nested: boolean }): void {
  const name = Object.keys(fields)[field % Object.keys(fields).length]
  if (name === undefined) return
  const [inner, text] = [fields[name], typeof fields[name] === 'string' && /^[[{]/.test(fields[name])]
  if (!nested || inner === null || (typeof inner !== 'object' && !text)) fields[name] = value
  else {
    const parsed = (text ? parseJson(inner as string) : inner) as Change
    put(parsed, { field: field + 1, value, nested: field % 3 > 0 })
    if (text) fields[name] = printJson(parsed)
  }
}

test('every rule has a log that breaks it', () => {
  const broken = new Set(mutations.map(({ rule }) => rule as string))
  expect(Object.keys(rules).filter((rule) => !broken.has(rule))).toEqual([])
})
