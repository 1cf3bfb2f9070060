/** What the command line of a bench says. */
import { parseArgs } from 'node:util'
import { readConfig } from '../cli/config.ts'
import type { KafkaSettings } from '../connectors/kafka/settings.ts'

/** Sizes of what is measured; those that read a cluster follow them. */
export interface BenchOptions {
  /** 1-KB records that a topic is filled with. */
  readonly records: number
  /** How long a steady producer sends. */
  readonly seconds: number
  /** The cluster, as the environment names it; null where it names none. */
  readonly kafka: KafkaSettings | null
}

/** Names of benches, and options: `--records 100000 --seconds 5`. Throws for what is not understood. */
export function benchArguments(args: readonly string[]): { readonly names: string[]; readonly options: BenchOptions } {
  const { positionals, values } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { records: { type: 'string', default: '1000000' }, seconds: { type: 'string', default: '20' } },
  })
  return {
    names: positionals,
    options: { records: whole('records', values.records), seconds: whole('seconds', values.seconds), kafka: cluster() },
  }
}

/** The cluster that the environment names, with consumer groups of this process alone. */
export function cluster(): KafkaSettings | null {
  const { kafka } = readConfig({ env: process.env })
  return kafka === null ? null : { ...kafka, groupPrefix: `bench-${process.pid}-` }
}

function whole(name: string, text: string): number {
  const value = Number(text)
  if (Number.isSafeInteger(value) && value > 0) return value
  throw new Error(`--${name}: must be a whole number above 0, not ${text}`)
}
