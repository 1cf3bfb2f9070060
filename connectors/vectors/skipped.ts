/** What a batch could have written to a vector store and did not have to. Pure. */
import type { SinkCommit, WriteCounts } from '../../engine/contracts.ts'
import { countRows } from '../../engine/schema.ts'
import type { VectorsOptions } from './description.ts'

/** `skipped`: ids considered that are neither upserted nor deleted. Empty without `considered`. */
export function skippedVectors(options: VectorsOptions, outputs: SinkCommit['outputs']): WriteCounts {
  const { considered, upserts, deletes = '' } = options
  if (considered === undefined) return {}
  const rows = (step: string) => countRows(outputs.get(step))
  return { skipped: rows(considered) - rows(upserts) - rows(deletes) }
}
