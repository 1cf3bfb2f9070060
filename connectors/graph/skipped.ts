/** What a batch could have written to a graph and did not have to. Pure. */
import type { SinkCommit, WriteCounts } from '../../engine/contracts.ts'
import { countRows } from '../../engine/schema.ts'
import type { GraphOptions } from './description.ts'

/** `nodesSkipped` and `ownersSkipped`: keys considered that nothing of the kind was asked for. Empty without `considered`. */
export function skippedInGraph(options: GraphOptions, outputs: SinkCommit['outputs']): WriteCounts {
  const { considered, nodes = {}, removeNodes = {}, owners } = options
  if (considered === undefined) return {}
  const rows = (steps: readonly string[]) => steps.reduce((sum, step) => sum + countRows(outputs.get(step)), 0)
  const gone = rows(Object.values(removeNodes).map(({ from }) => from))
  const left = rows([considered]) - gone
  return {
    nodesSkipped: left - rows(Object.values(nodes).map(({ from }) => from)),
    ...(owners === undefined ? {} : { ownersSkipped: left - rows([owners.from]) }),
  }
}
