/** Which partitions a file can hold rows of. Pure. */

import type { DataType } from '../../../engine/schema.ts'
import type { AddFile } from '../actions.ts'
import { canonicalText, type PartitionValues } from './partition-values.ts'

/** Rows that somebody looks for: those with one of `values`, which are canonical texts, in a partition column. */
export interface SoughtPartitions {
  readonly column: string
  readonly type: DataType
  readonly values: ReadonlySet<string>
}

/** Whether the file may hold a row that is sought in every one of the columns. True where its partition is not known. */
export function mayBeIn({ partitionValues }: AddFile, sought: readonly SoughtPartitions[]): boolean {
  return sought.every(({ column, type, values }) => {
    if (!Object.hasOwn(partitionValues, column)) return true
    const text = partitionValues[column] ?? null
    if (text === null) return false
    const value = canonicalText(text, type)
    return value === null || values.has(value)
  })
}

/** The same text for the same partition, whatever order its columns come in. */
export function partitionKey(values: PartitionValues): string {
  return JSON.stringify(Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1)))
}
