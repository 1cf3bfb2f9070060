/** `millrace tables lint`: whether a table's log keeps the rules that the protocol has for writers. */
import type { Finding } from '../../connectors/delta/lint/finding.ts'
import { lintTable } from '../../connectors/delta/lint/lint.ts'
import { formatFinding } from '../../connectors/delta/lint/lint-lake.ts'
import { rules } from '../../connectors/delta/lint/rules.ts'
import type { CommandContext } from '../context.ts'
import { requireTablePath } from '../lake-tables.ts'
import { toJson } from '../output.ts'
import { reading } from '../reading.ts'

/** Prints everything that is wrong with a table's log, whoever wrote it and however broken it is; 1 if there is an error. */
export async function lint({ config, arguments: [name = ''], json }: CommandContext): Promise<number> {
  return reading(config, async ({ lake, duckdb }) => {
    const table = await requireTablePath(lake, name)
    const findings = await lintTable({ store: lake, table, duckdb })
    if (json) for (const finding of findings) console.log(toJson({ table, ...finding, asks: rules[finding.rule].asks }))
    else printFindings(table, findings)
    return findings.some(({ severity }) => severity === 'error') ? 1 : 0
  })
}

function printFindings(table: string, findings: readonly Finding[]): void {
  for (const finding of findings) console.log(`${formatFinding(finding)} (PROTOCOL.md, ${rules[finding.rule].section})`)
  const errors = findings.filter(({ severity }) => severity === 'error').length
  console.log(`${table}: ${counted(errors, 'error')}, ${counted(findings.length - errors, 'warning')}`)
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
}
