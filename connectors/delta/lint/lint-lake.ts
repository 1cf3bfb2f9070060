/** All tables of a lake against the rules. */
import { MillraceError } from '../../../engine/errors.ts'
import { listTables } from '../list-tables.ts'
import type { Finding } from './finding.ts'
import { type LintOptions, lintTable } from './lint.ts'

/** A lake, and what it is read with. */
export type LakeOptions = Omit<LintOptions, 'table'>

/** Findings of the tables that have any. */
export async function lintLake(options: LakeOptions): Promise<Map<string, Finding[]>> {
  const found = new Map<string, Finding[]>()
  for (const table of await listTables(options.store)) {
    const findings = await lintTable({ ...options, table })
    if (findings.length > 0) found.set(table, findings)
  }
  return found
}

/** A finding in a line, for people. */
export function formatFinding({ rule, severity, version, file, message }: Finding): string {
  const where = version === null ? file.slice(file.lastIndexOf('/') + 1) || 'the log' : `version ${version}`
  return `${severity}: ${rule}: ${where}: ${message}`
}

/** `TABLE_CORRUPT` with all findings, warnings too, if a table of the lake has any: for what we wrote ourselves. */
export async function assertLakeKeepsRules(options: LakeOptions): Promise<void> {
  const lines: string[] = []
  for (const [table, findings] of await lintLake(options))
    lines.push(`table ${table}`, ...findings.map((finding) => `  ${formatFinding(finding)}`))
  if (lines.length > 0)
    throw new MillraceError(
      'TABLE_CORRUPT',
      `the log breaks rules of the protocol (fix its writer)\n${lines.join('\n')}`,
    )
}
