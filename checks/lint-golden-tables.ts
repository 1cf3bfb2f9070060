/**
 * Holds the logs of tables that the reference implementation wrote against the rules of the linter: what it writes breaks none.
 *
 *   node checks/lint-golden-tables.ts FOLDER
 *
 * FOLDER holds an archive `<name>.tar.gz` for each case, with tables (folders with a log). Prints a line for each table that has
 * findings, and one line of JSON; exit 1 if a table has errors that it must not have, or lacks those that it must have.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import type { Finding } from '../connectors/delta/lint/finding.ts'
import { lintTable } from '../connectors/delta/lint/lint.ts'
import { localStore } from '../connectors/storage/local.ts'
import { openDuckdb } from '../engine/duckdb.ts'
import { goldenTables } from './golden-archives.ts'

/** Tables that were made to be broken, and the rules that they break. All others break none. */
const broken: Readonly<Record<string, readonly string[]>> = {
  'data-reader-absolute-paths-escaped-chars': ['first-entry-incomplete'],
  'deltalog-invalid-protocol-version': ['protocol-version'],
  'deltalog-state-reconstruction-from-checkpoint-missing-metadata': ['checkpoint-metadata'],
  'deltalog-state-reconstruction-from-checkpoint-missing-protocol': ['checkpoint-protocol'],
  'deltalog-state-reconstruction-without-metadata': ['first-entry-incomplete'],
  'deltalog-state-reconstruction-without-protocol': ['first-entry-incomplete'],
  // made by hand, to have a checksum with every field: it tells of ten files, and the log has none
  'extra-crc-full': ['checksum-mismatch'],
}

const [folder] = process.argv.slice(2)
if (folder === undefined) throw new Error('name the folder of the archives')
const root = mkdtempSync(join(tmpdir(), 'millrace-lint-'))
const duckdb = await openDuckdb({ memoryLimitBytes: 2 ** 29, threads: 2, tempDir: join(root, 'spill') })
const report = { check: 'lint-golden-tables', tables: 0, broken: 0, errors: 0, warnings: 0, wrong: 0 }
try {
  for (const { name, path, inside } of goldenTables(folder, root)) {
    const store = localStore(dirname(path))
    judge(name, inside, await lintTable({ store, table: basename(path), duckdb: async () => duckdb }))
  }
} finally {
  await duckdb.close()
  rmSync(root, { recursive: true, force: true })
}
console.log(JSON.stringify(report))
process.exit(report.wrong === 0 && report.tables > 0 ? 0 : 1)

function judge(name: string, inside: string, findings: readonly Finding[]): void {
  const errors = findings.filter(({ severity }) => severity === 'error')
  const [rules, expected] = [[...new Set(errors.map(({ rule }) => rule))].sort(), broken[name] ?? []]
  const fine = rules.join() === expected.join()
  report.tables += 1
  report.errors += errors.length
  report.warnings += findings.length - errors.length
  if (expected.length > 0) report.broken += 1
  if (!fine) report.wrong += 1
  if (findings.length === 0 && fine) return
  console.log(`${fine ? 'ok   ' : 'WRONG'} ${name} ${inside}: expected ${expected.join(', ') || 'no error'}`)
  for (const { rule, severity, version, message } of findings)
    console.log(`        ${severity} ${rule}${version === null ? '' : `, version ${version}`}: ${message}`)
}
