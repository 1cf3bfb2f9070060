/** Adding rows to a table: staged files as they are, and a position. */
import type { Column, ParquetFile } from '../../engine/schema.ts'
import type { AddFile } from './actions.ts'
import type { Snapshot } from './table.ts'
import { fitSchema, publishDataFile, type TableProperties, type TableWrite, type WriteTarget } from './table-write.ts'

export interface AppendOptions extends TableProperties {
  readonly target: WriteTarget
  readonly files: readonly ParquetFile[]
  /** Columns of the table, should it have to be created before there are rows. */
  readonly columns: readonly Column[]
}

/**
 * Returns what to commit on top of a snapshot, for as many tries as it takes: files are published once, only the
 * schema is looked at anew. It reads nothing of the table, so no other writer's rows are in its way.
 */
export function prepareAppend(options: AppendOptions): (snapshot: Snapshot | null) => Promise<TableWrite> {
  const files = options.files.filter((file) => file.rows > 0)
  let adds: readonly AddFile[] | null = null
  return async (snapshot) => {
    const schema = fitSchema(
      options.target,
      snapshot,
      options.files.map((file) => file.columns),
      { ...options, declared: options.columns },
    )
    adds ??= await publishAll(options.target, files)
    const rows = files.reduce((sum, file) => sum + file.rows, 0)
    const sizeBytes = files.reduce((sum, file) => sum + file.sizeBytes, 0)
    return {
      actions: [...schema.actions, ...adds.map((add) => ({ add }))],
      reads: { kind: 'blind-append' },
      operation: 'WRITE',
      operationParameters: { mode: 'Append' },
      operationMetrics: {
        numFiles: String(files.length),
        numOutputRows: String(rows),
        numOutputBytes: String(sizeBytes),
      },
      written: { rows },
    }
  }
}

async function publishAll(target: WriteTarget, files: readonly ParquetFile[]): Promise<AddFile[]> {
  const adds: AddFile[] = []
  for (const file of files) adds.push(await publishDataFile(target, file))
  return adds
}
